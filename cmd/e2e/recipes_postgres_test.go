//go:build recipes

package e2e

import (
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// postgresSetup starts a server of its own, on a Unix socket in its own folder; its log is the file
// log.
const postgresSetup = `
PATH=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1):$PATH
export PGHOST=$PWD PGUSER=postgres PGDATABASE=postgres
start() { pg_ctl -D "$1" -w -t 60 -l log -o "-c listen_addresses= -c unix_socket_directories=$PWD -c fsync=off" start; }
stop() { for d in db copy; do pg_ctl -D $d -m immediate stop || true; done > stopped 2>&1; }
trap stop EXIT
envseal keystore init --no-passphrase
envseal keystore create-key backup
initdb -D db -U postgres -A trust -N > initdb.log
`

// asPostgres runs a script in an empty folder with PATH to envseal, as the user postgres if this
// test is root, whom the server refuses.
func asPostgres(t *testing.T, script string) {
	t.Helper()
	// not t.TempDir, which other users cannot enter, and short, for the name of the socket
	dir, err := os.MkdirTemp("", "envseal-pg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, name := range []string{"bin", "backup", "archive"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	copyProgram(t, filepath.Join(dir, "bin", "envseal"))
	for name, value := range map[string]string{"HOME": dir, "TMPDIR": dir, "BACKUP": dir + "/backup",
		"ARCHIVE": dir + "/archive", "ENVSEAL_KEYSTORE": dir + "/keystore",
		"ENVSEAL_KEY_ID": "local:backup", "PATH": dir + "/bin:" + os.Getenv("PATH")} {
		t.Setenv(name, value)
	}
	file := filepath.Join(dir, "script")
	write(t, file, []byte(postgresSetup+script))
	run := "bash -euxo pipefail script"
	if os.Geteuid() == 0 {
		run = "chown -R postgres . && chmod 755 . && setpriv --reuid=postgres --regid=postgres --clear-groups " + run
		if _, err := user.Lookup("postgres"); err != nil {
			t.Fatal(err)
		}
	}
	shell(t, dir, run)
}

// copyProgram copies this test's program, which is envseal under that name, to where any user can
// run it.
func copyProgram(t *testing.T, dst string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(dst, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRecipePgDump(t *testing.T) {
	asPostgres(t, `
start db
createdb app
psql -q -d app -c "create table orders as select i as id, md5(i::text) as name from generate_series(1, 50000) i; alter table orders add primary key (id)"
`+recipe(t, "pg_dump")+`
test "$(psql -d app -Atc 'table orders order by id' | sha256sum)" = "$(psql -d restored -Atc 'table orders order by id' | sha256sum)"
code=0; envseal encrypt -o none --from-command 'pg_dump no_such_database' || code=$?; test $code = 10; test ! -e none
# cut short: nothing of it is committed
head -c 900000 backup/app.dump.sealed > cut
createdb again
code=0; envseal decrypt --to-command 'pg_restore --single-transaction --exit-on-error -d again' cut || code=$?; test $code = 4
test "$(psql -d again -Atc "select count(*) from pg_class where relname = 'orders'")" = 0
`)
}

// TestRecipeArchiveCommand restores a base copy and its archive; then the archive with a damaged
// segment must stop the server, not shorten history.
func TestRecipeArchiveCommand(t *testing.T) {
	command := strings.TrimSuffix(
		strings.SplitN(recipe(t, "archive_command"), "archive_command = '", 2)[1], "'\n")
	command = strings.NewReplacer("%f", "$f", "%p", "db/pg_wal/$f").Replace(command)
	asPostgres(t, `
cat >> db/postgresql.conf <<'CONF'
`+recipe(t, "archive_command")+`CONF
start db
pg_basebackup -D base -c fast -X none
psql -q -c "create table orders as select generate_series(1, `+strconv.Itoa(rowsArchived)+`) as id"
f=$(psql -Atc "select pg_walfile_name(pg_switch_wal())")
for i in $(seq 100); do test -e archive/$f.sealed && break; sleep 0.2; done
envseal verify archive/*.sealed
envseal decrypt -q -o - archive/$f.sealed | cmp - db/pg_wal/$f
# archived a second time, it is the same segment, and not another one
(`+command+`)
cp archive/$f.sealed kept
envseal encrypt -q -f -o archive/$f.sealed initdb.log
if `+command+`; then exit 1; fi
mv kept archive/$f.sealed
pg_ctl -D db -m immediate stop

restore() { rm -rf copy; cp -a base copy; touch copy/recovery.signal; cat >> copy/postgresql.conf < restore.conf; start copy; }
cat > restore.conf <<'CONF'
`+recipe(t, "restore_command")+`CONF
restore
# a server that still replays takes connections already
for i in $(seq 100); do test "$(psql -Atc 'select pg_is_in_recovery()')" = f && break; sleep 0.2; done
test "$(psql -Atc 'select count(*) from orders')" = `+strconv.Itoa(rowsArchived)+`
pg_ctl -D copy -m immediate stop
truncate -s -1 archive/$f.sealed
if restore; then exit 1; fi
grep 'FATAL:  could not restore file' log
grep 'file is damaged' log
`)
}

// rowsArchived fills less than a segment of 16 MiB.
const rowsArchived = 20_000
