//go:build recipes

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/envseal/envseal/cmd/e2e/testhome"
)

// recipe is the text of the fenced block below `<!-- recipe: NAME -->` in docs/recipes.md, so that
// what the page says is what runs.
func recipe(t *testing.T, name string) string {
	t.Helper()
	m := regexp.MustCompile("(?s)<!-- recipe: " + regexp.QuoteMeta(name) +
		" -->\n```[a-z]+\n(.*?)```\n").FindStringSubmatch(recipePage(t))
	if m == nil {
		t.Fatalf("docs/recipes.md has no recipe %q", name)
	}
	return m[1]
}

func recipePage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(testhome.Module(), "docs", "recipes.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// TestRecipesAllRun finds a recipe that was added to the page and is not run here.
func TestRecipesAllRun(t *testing.T) {
	sources, err := filepath.Glob("recipes*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	for _, name := range sources {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(b)
	}
	names := regexp.MustCompile(`<!-- recipe: (\S+) -->`).FindAllStringSubmatch(recipePage(t), -1)
	if len(names) < 13 {
		t.Errorf("%d recipes on the page, want 13 or more", len(names))
	}
	for _, name := range names {
		if !strings.Contains(tests.String(), `recipe(t, "`+name[1]+`")`) {
			t.Errorf("recipe %s is not run by a test", name[1])
		}
	}
}

// recipeDir is a folder with data to seal, empty folders for the recipes' variables, and a keystore
// with one key, all of them in the environment.
func recipeDir(t *testing.T) string {
	t.Helper()
	dir := interopDir(t)
	for _, name := range []string{"DATA", "BACKUP", "RESTORE", "SEALED", "REMOTE"} {
		path := filepath.Join(dir, strings.ToLower(name))
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv(name, path)
	}
	t.Setenv("ENVSEAL_KEY_ID", "local:backup")
	shell(t, dir, `
envseal keystore init --no-passphrase
envseal keystore create-key backup
mkdir -p data/a/b
cp big.bin data/a/one; echo two > data/a/b/two; : > data/three
chmod 640 data/a/one; touch -d 2024-02-29 data/a/one
`)
	return dir
}

func TestRecipeTar(t *testing.T) {
	dir := recipeDir(t)
	out := shell(t, dir, recipe(t, "tar")+`
diff -r data restore
test "$(stat -c '%a %Y' data/a/one)" = "$(stat -c '%a %Y' restore/a/one)"
code=0; envseal encrypt -o backup/none --from-command -- tar -C data/missing -cf - . || code=$?; test $code = 10; test ! -e backup/none
# cut short, nothing of it reaches tar
head -c 2000000 backup/data.tar.sealed > cut; mkdir again
code=0; envseal decrypt --verify-first --to-command 'tar -C again -xpf -' cut || code=$?; test $code = 4; test -z "$(ls again)"
`)
	if !strings.Contains(out, "./a/b/two\n") {
		t.Errorf("tar lists no ./a/b/two:\n%s", out)
	}
}

func TestRecipeRestic(t *testing.T) {
	dir := recipeDir(t)
	t.Setenv("RESTIC_CACHE_DIR", filepath.Join(dir, "cache"))
	shell(t, dir, recipe(t, "restic")+`
diff -r data "restore/$DATA"
# without the key there is no password
! ENVSEAL_KEYSTORE=none restic snapshots
`)
}

func TestRecipeRsync(t *testing.T) {
	dir := recipeDir(t)
	shell(t, dir, recipe(t, "rsync")+`
cmp <(cd data && find . -type f -printf '%p.sealed\n' | sort) <(cd remote && find . -type f | sort)
inode=$(stat -c %i sealed/three.sealed)
echo more >> data/a/b/two
`+strings.ReplaceAll(recipe(t, "rsync"), "rsync -a", "rsync --itemize-changes -a > changes -a")+`
test $inode = "$(stat -c %i sealed/three.sealed)"
test "$(grep '^>f' changes | cut -d' ' -f2)" = a/b/two.sealed
# other keys: sent by their checksum, and nothing is sealed again
envseal keystore create-key new
find sealed -name '*.sealed' -print0 | envseal rewrap --preserve-mtime --to local:new --files0-from -
rsync --checksum -a "$SEALED/" "$REMOTE/"
envseal verify -q -R -k local:new remote
envseal encrypt -v -R --update -O "$SEALED" "$DATA" 2>&1 | grep '3 files skipped: unchanged'
rm -r sealed/*
`+recipe(t, "rsync-back")+`
diff -r data restore
`)
}

func TestRecipeParallel(t *testing.T) {
	dir := recipeDir(t)
	shell(t, dir, `
for i in $(seq 50); do echo $i > "data/a/file $i"; done
mkdir sealed/one.sealed   # in the way of one file
code=0; (`+recipe(t, "parallel")+`) || code=$?; test $code != 0
rmdir sealed/one.sealed
`+recipe(t, "parallel")+`
test "$(find data -type f | wc -l)" = "$(find sealed -name '*.sealed' | wc -l)"
envseal decrypt -q -R -O restore sealed
find data -type f -print0 | while read -rd '' f; do cmp "$f" "restore/${f##*/}"; done
# a batch of one name: unchanged, then newer
find data -type f ! -name three -delete
for content in '' more; do
	printf "$content" >> data/three; rm backup/jobs
	`+strings.TrimSpace(recipe(t, "parallel"))+`
	envseal decrypt -q -o - sealed/three.sealed | cmp data/three
done
`)
}

// TestRecipeCron runs the script as cron does: by sh, with the variables of the crontab and hardly
// any others.
func TestRecipeCron(t *testing.T) {
	dir := recipeDir(t)
	write(t, filepath.Join(dir, "nightly"), []byte(recipe(t, "cron-script")))
	envseal, err := exec.LookPath("envseal")
	if err != nil {
		t.Fatal(err)
	}
	// where this test has what the page's crontab names
	places := strings.NewReplacer("/usr/local/bin/nightly", dir+"/nightly", "/usr/local/bin",
		filepath.Dir(envseal), "alias/backup", "local:backup", "/srv/data", dir+"/data",
		"/var/backups", dir+"/backup")
	var job string
	env := []string{"env", "-i", "HOME=" + dir, "LOGNAME=backup", "SHELL=/bin/sh", "PAUSE=0"}
	for line := range strings.Lines(places.Replace(recipe(t, "crontab"))) {
		line = strings.TrimSpace(line)
		if m := regexp.MustCompile(`^(\S+ ){5}(.*)$`).FindStringSubmatch(line); m != nil {
			job = m[2]
			continue
		}
		env = append(env, line)
	}
	if job == "" {
		t.Fatal("the crontab has no job")
	}
	cron := "cron() { code=0; " + strings.Join(env, " ") +
		` ENVSEAL_KEYSTORE=$ENVSEAL_KEYSTORE "$@" /bin/sh -c ` + job +
		" > said 2>&1 || code=$?; cat said; }"
	shell(t, dir, "chmod +x nightly\n"+cron+`
set +x
unreachable="AWS_MAX_ATTEMPTS=1 ENVSEAL_KEY_ID=alias/backup AWS_ENDPOINT_URL_KMS=http://127.0.0.1:1 AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE AWS_SECRET_ACCESS_KEY=x"
cron $unreachable; test $code = 6; grep 'no backup tonight: exit code 6' said; test $(grep -c 'error: ' said) = 4; test -z "$(ls backup)"
cron; test $code = 0; test ! -s said                              # silent: cron has nothing to mail
made=$(stat -c '%i %Y' backup/*.sealed)
cron; test $code = 0; test ! -s said; test "$made" = "$(stat -c '%i %Y' backup/*.sealed)"         # it is there
cron $unreachable ENVSEAL_KEYSTORE=/nowhere; test $code != 0; test "$made" = "$(stat -c '%i %Y' backup/*.sealed)"
truncate -s -1 backup/*.sealed
cron; test $code = 4; grep 'set aside as' said; test -e backup/*.sealed.damaged
cron; test $code = 0; test -e backup/*.sealed
envseal decrypt --to-command 'tar -C restore -xpf -' backup/*.sealed; diff -r data restore
cron BACKUP=/proc/nowhere; test $code = 8
cron DATA=/nowhere BACKUP=$PWD; test $code = 10; grep 'exit code 10' said; test ! -e *.tar.sealed
`)
}

func TestRecipeWeekly(t *testing.T) {
	dir := recipeDir(t)
	write(t, filepath.Join(dir, "weekly"), []byte(recipe(t, "weekly")))
	shell(t, dir, `
weekly() { code=0; sh weekly > said 2>&1 || code=$?; cat said; }
weekly; test $code = 1; grep 'no file below it ends in .sealed' said         # not mounted
envseal encrypt -q -R --reuse-key -O backup data
weekly; test $code = 0; test ! -s said; test $(wc -l < backup.verified) = 3
truncate -s -1 backup/a/one.sealed
weekly; test $code = 3; grep 'a/one.sealed: .*damaged' said; grep '^1 damaged; ' said; test $(wc -l < backup.verified) = 3
`)
}

// TestRecipeSystemdCreds uses a host key of its own, not the machine's, and opens the credential
// for the unit as systemd would, which needs not be running.
func TestRecipeSystemdCreds(t *testing.T) {
	dir := recipeDir(t)
	t.Setenv("SYSTEMD_CREDENTIAL_SECRET", filepath.Join(dir, "host.key"))
	t.Setenv("CREDSTORE", dir)
	t.Setenv("ENVSEAL_KEYSTORE", filepath.Join(dir, "second"))
	unit := strings.NewReplacer("/etc/credstore.encrypted", dir, "/var/lib/envseal/keystore",
		dir+"/second", "/var/backups", dir+"/backup", "/srv/data", dir+"/data").
		Replace(recipe(t, "systemd-unit"))
	write(t, filepath.Join(dir, "seal.service"), []byte(unit))
	setting := func(name string) string {
		m := regexp.MustCompile(`(?m)^` + name + `=(.*)$`).FindStringSubmatch(unit)
		if m == nil {
			t.Fatalf("the unit has no %s", name)
		}
		return m[1]
	}
	credential, path, _ := strings.Cut(setting("LoadCredentialEncrypted"), ":")
	passphrase := strings.ReplaceAll(setting("Environment=ENVSEAL_PASSPHRASE_FILE"), "%d", dir+"/run")
	shell(t, dir, recipe(t, "systemd-creds")+fmt.Sprintf(`
said=$(systemd-analyze verify ./seal.service 2>&1); test -z "$said"
mkdir run; systemd-creds decrypt --name=%[1]s %[2]s run/%[1]s
env -u ENVSEAL_KEY_ID ENVSEAL_KEYSTORE=%[3]s ENVSEAL_PASSPHRASE_FILE=%[4]s %[5]s
ENVSEAL_PASSPHRASE_FILE=%[4]s envseal decrypt --to-command 'tar -C restore -xpf -' backup/data.tar.sealed
diff -r data restore
# another host's key does not open it
! SYSTEMD_CREDENTIAL_SECRET=$PWD/other systemd-creds decrypt %[2]s -
`, credential, path, setting("Environment=ENVSEAL_KEYSTORE"), passphrase, setting("ExecStart")))
}

func TestRecipeS3(t *testing.T) {
	dir := recipeDir(t)
	t.Setenv("AWS_ENDPOINT_URL_S3", startMoto(t))
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
	t.Setenv("AWS_DEFAULT_REGION", "us-east-1")
	t.Setenv("BUCKET", "backups.example.com")
	// above 8 MiB aws uploads in parts, where the expected size counts
	write(t, filepath.Join(dir, "large"), randomBytes(20<<20+3))
	t.Setenv("FILE", filepath.Join(dir, "large"))
	out := shell(t, dir, "aws s3 mb s3://$BUCKET\n"+recipe(t, "s3-upload")+`
test "$(aws s3api head-object --bucket $BUCKET --key data.sealed --query ContentLength)" = "$(envseal encrypt -q -o - large | wc -c)"
`+recipe(t, "s3-download")+`
cmp restore/data large
# a file that cannot be read leaves no object
code=0; (FILE=missing
`+recipe(t, "s3-upload")+`
) || code=$?; test $code = 1
! aws s3api head-object --bucket $BUCKET --key data.sealed
`)
	sealed := regexp.MustCompile(`sealed size: (\d+) bytes`).FindStringSubmatch(out)
	if sealed == nil || !strings.Contains(out, "--expected-size "+sealed[1]+"\n") {
		t.Errorf("aws was not told the sealed size:\n%s", out)
	}
}
