package e2e

import (
	"bytes"
	"os"
	"testing"
)

// Every byte of a small sealed file flipped and every length cut, through the program: nothing goes
// unnoticed, the old target stays byte for byte, and no other file appears.
func TestDamageThroughTheProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("a thousand processes")
	}
	r := newRig(t)
	old := randomBytes(50)
	r.write("plain", randomBytes(20))
	r.write("target", old)
	r.must("keystore", "init", "--no-passphrase")
	r.must("keystore", "create-key", "backup")
	r.must("encrypt", "-k", "local:backup", "-c", "a=b", "-o", "sealed", "plain")
	sealed := r.read("sealed")
	before, err := os.ReadDir(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, n int, damaged []byte) {
		t.Helper()
		r.write("sealed", damaged)
		code, stderr := r.run("decrypt", "-q", "-f", "-o", "target", "sealed")
		// the first 8 bytes tell an envseal file from a foreign one
		if code != 4 && (code != 7 || n >= 8) {
			t.Errorf("%s %d: exit code %d\n%s", what, n, code, stderr)
		}
		now, err := os.ReadFile(r.path("target"))
		if err != nil || !bytes.Equal(now, old) {
			t.Fatalf("%s %d: the old target is gone: %v", what, n, err)
		}
	}
	for i := range sealed {
		damaged := bytes.Clone(sealed)
		damaged[i] ^= 1 << (i % 8)
		refused("flipped byte", i, damaged)
		refused("cut to", i, sealed[:i])
	}
	if after, err := os.ReadDir(r.dir); err != nil || len(after) != len(before) {
		t.Errorf("%d files before, %d after: %v", len(before), len(after), err)
	}
	r.write("sealed", sealed)
	r.must("decrypt", "-q", "-f", "-o", "target", "sealed")
}
