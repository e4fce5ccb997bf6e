//go:build secrets

package memscan_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/envseal/envseal/envelope/keymem/memscan"
	"github.com/envseal/envseal/kmsclient/devserver"
)

// everyCommand is a session with every command that has to do with a key, as talkative as it can
// be, failures included. $K and $K2 are keys.
const everyCommand = `
0 encrypt -k $K -c app=web -v --debug --log-json log --log-sha256 f
0 encrypt -k $K -k $K2 -c app=web -v --debug -o two f
0 encrypt -k $K -a --debug -o armored f
0 encrypt -k $K -z --debug -o small f
0 encrypt -k $K --debug --header apart.hdr -o apart f
0 encrypt -k $K --debug -o command --from-command 'cat f'
10 encrypt -k $K --debug -o failed --from-command 'cat f; exit 3'
0 encrypt -k $K --debug -o empty - </dev/null
8 encrypt -k $K --debug -o two f
0 encrypt -k $K --debug -v -R --reuse-key --progress json --log-json log -O sealed tree
0 decrypt --debug -v -R --reuse-key --progress json -O opened sealed
0 decrypt -v --debug --log-json log -o out f.sealed
0 decrypt -v --debug -o out2 two
0 decrypt -v --debug -o out3 armored
0 decrypt -v --debug -o out4 small
0 decrypt -v --debug --header apart.hdr -o out5 apart
0 decrypt -v --debug --verify-first -o out6 f.sealed
0 decrypt -v --debug --range 100:100 -o out7 f.sealed
0 decrypt -v --debug --to-command 'cat >out8' f.sealed
11 decrypt -v --debug --to-command 'cat >out9; exit 4' f.sealed
8 decrypt -v --debug -o out f.sealed
9 decrypt -v --debug --require-context app=mail -o out10 f.sealed
9 decrypt -v --debug --account 111122223333 -o out11 f.sealed
0 verify -v --debug f.sealed
4 verify -v --debug flipped
4 verify -v --debug swapped
4 decrypt -v --debug -o out12 cut
0 inspect --json f.sealed
0 data-key -k $K -c app=web --debug -o made.datakey
0 encrypt --data-key made.datakey -v --debug -o bydatakey f
0 verify -v --debug bydatakey
5 encrypt --data-key altered.datakey -v --debug -o bydatakey2 f
0 key-pair -k $K --key-pair-spec ECC_NIST_P256 --debug -o ec.pair
0 key-pair -k $K --key-pair-spec ML_KEM_768 --debug -o ml.pair
0 key-pair -k $K --key-pair-spec RSA_2048 --debug -o rsa.pair
0 encrypt -r ec.pair -v --debug -o byec f
0 encrypt -r ml.pair -v --debug -o byml f
0 encrypt -r rsa.pair -v --debug -o byrsa f
0 verify -v --debug byec
0 verify -v --debug byml
0 verify -v --debug byrsa
0 rewrap --to $K2 -v --debug two
0 rewrap --add $K -v --debug two
0 rewrap --via-decrypt --to $K -v --debug two
0 rewrap --dry-run --to $K2 -v --debug two
0 doctor -k $K --debug
0 doctor --debug f.sealed
0! kms generate-data-key --key-id $K --key-spec AES_256 --debug
0! kms generate-data-key --key-id $K --number-of-bytes 64 --query Plaintext --output text --debug
0 kms generate-data-key --key-id $K --key-spec AES_256 --query CiphertextBlob --debug
0 kms generate-data-key --key-id $K --key-spec AES_256 --plaintext-out plain.key --debug
0 kms generate-data-key-without-plaintext --key-id $K --key-spec AES_256 --debug
0! kms generate-data-key-pair --key-id $K --key-pair-spec ECC_NIST_P384 --debug
0! kms generate-data-key-pair --key-id $K --key-pair-spec ML_KEM_768 --debug
0 kms generate-data-key-pair-without-plaintext --key-id $K --key-pair-spec RSA_2048 --debug
0 kms encrypt --key-id $K --plaintext fileb://plain.key --debug
5 kms encrypt --key-id ${K}nosuch --plaintext fileb://plain.key --debug
2 kms decrypt --key-id $K --ciphertext-blob fileb://f --debug
5 kms decrypt --key-id $K --ciphertext-blob fileb://small.blob --debug
0 kms describe-key --key-id $K --debug
`

// TestSecretsInOutput has every command say all that it can, and searches it. $K and $K2 are of the
// keystore, and behind TLS.
func TestSecretsInOutput(t *testing.T) {
	t.Run("keystore", func(t *testing.T) { everyCommandOf(t, "keystore", "local:") })
	t.Run("AWS over TLS", func(t *testing.T) { everyCommandOf(t, "AWS over TLS", "alias/") })
}

func everyCommandOf(t *testing.T, name, prefix string) {
	runtime.LockOSThread()
	t.Parallel()
	r := newRig(t)
	env := r.local
	if prefix == "alias/" {
		env = r.aws
	}
	s := r.session(t, append(env, "K="+prefix+"app", "K2="+prefix+"other"))
	s.files()
	before, after, _ := strings.Cut(everyCommand, "0 verify -v --debug f.sealed\n")
	s.script(before)
	s.damage()
	s.script(after)
	s.report("every command with --debug, " + name)
}

// report searches what was said, and prints the counts.
func (s *session) report(what string) {
	s.t.Helper()
	n, found := s.searchText()
	commands := len(s.said) / 2
	report("key bytes in output and files, "+what, "envseal", commands, found,
		fmt.Sprintf("%d keys looked for in %d bytes", s.keys, n))
	report("key bytes in memory at exit, "+what, "envseal", commands, s.left,
		"locked memory included: all is wiped")
}

func (s *session) files() {
	s.t.Helper()
	must(s.t, os.MkdirAll(filepath.Join(s.dir, "tree/sub"), 0o755))
	must(s.t, os.WriteFile(filepath.Join(s.dir, "small.blob"),
		[]byte(strings.Repeat("not a blob ", 20)), 0o644))
	for _, name := range []string{"f", "tree/a", "tree/b", "tree/sub/c"} {
		must(s.t, os.WriteFile(filepath.Join(s.dir, name),
			bytes.Repeat([]byte(name+" plain text\n"), 20_000), 0o644))
	}
}

// damage makes files that do not open, of those that the session has sealed.
func (s *session) damage() {
	s.t.Helper()
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(s.dir, name))
		must(s.t, err)
		return b
	}
	write := func(name string, b []byte) {
		must(s.t, os.WriteFile(filepath.Join(s.dir, name), b, 0o644))
	}
	sealed, other := read("f.sealed"), read("command")
	write("cut", sealed[:len(sealed)-1000])
	flipped := bytes.Clone(sealed)
	flipped[len(flipped)-70_000] ^= 1
	write("flipped", flipped)
	h, o := headerIn(filepath.Join(s.dir, "f.sealed")), headerIn(filepath.Join(s.dir, "two"))
	size := len(sealed)
	// of another file with the same context: the key is a good one, and not this file's
	h.Slots = o.Slots
	raw, err := h.MarshalBinary()
	must(s.t, err)
	write("swapped", append(raw, sealed[size-len(other)+len(other)/2:]...))
	write("altered.datakey",
		[]byte(`{"CiphertextBlob":"`+strings.Repeat("QUFB", 40)+`","KeyId":"`+s.rig.arn+`"}`))
}

// TestSecretsInFailures has the key service fail in every way that it knows, with answers that hold
// a key above all, and searches what is said then.
func TestSecretsInFailures(t *testing.T) {
	runtime.LockOSThread()
	t.Parallel()
	r := newRig(t)
	s := r.session(t, append(r.aws, "K=alias/app"))
	s.files()
	s.script("0 encrypt -k $K -c app=web f")
	spoiled := false
	for _, kind := range devserver.FaultKinds {
		spoiled = spoiled || kind.Name == "empty" // from here on the answer holds a key
		if !spoiled && runs(t) < defaultRuns/4 {
			continue
		}
		must(t,
			r.srv.SetFaults(&devserver.Faults{List: []devserver.Fault{{Operation: "*", Kind: kind.Name}}}))
		s.run(-1, false,
			"encrypt -k $K -c app=web -v --debug --max-attempts 1 --cli-read-timeout 1 -f -o "+
				kind.Name+" f")
		s.run(-1, false, "decrypt -v --debug --max-attempts 1 --cli-read-timeout 1 -f -o out f.sealed")
		s.run(-1, false, "kms decrypt --debug --max-attempts 1 --cli-read-timeout 1 --ciphertext-blob fileb://f --query KeyId")
		must(t, r.srv.SetFaults(nil))
	}
	s.report("faults of KMS")
}

// TestSecretsTextFinds shows that the search of texts would find a key.
func TestSecretsTextFinds(t *testing.T) {
	key := []byte("\x00\x80key of 32 bytes \xff\xfe for a test\"")
	patterns := textPatterns("key", key)
	for _, text := range []string{fmt.Sprintf("x%xx", key), fmt.Sprintf("%X", key), fmt.Sprint(key),
		base64.StdEncoding.EncodeToString(append([]byte("x"), key...)), fmt.Sprintf("%q", key),
		string(key), fmt.Sprintf("%v", key[:20])} {
		if hits, err := memscan.Search([]byte(text), patterns); err != nil || len(hits) == 0 {
			t.Errorf("not found in %q: %v", text, err)
		}
	}
}
