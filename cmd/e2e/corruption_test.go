package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// Every byte of a small sealed file flipped and every length cut, through the program: nothing goes unnoticed, the old target stays byte for byte,
// and no other file appears.
func TestDamageThroughTheProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("a thousand processes")
	}
	dir := t.TempDir()
	t.Setenv("ENVSEAL_KEYSTORE", filepath.Join(dir, "keystore"))
	file := func(name string) string { return filepath.Join(dir, name) }
	run, must := program(t, dir)
	old := randomBytes(50)
	write(t, file("plain"), randomBytes(20))
	write(t, file("target"), old)
	must("keystore", "init", "--no-passphrase")
	must("keystore", "create-key", "backup")
	must("encrypt", "-k", "local:backup", "-c", "a=b", "-o", file("sealed"), file("plain"))
	sealed, err := os.ReadFile(file("sealed"))
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, n int, damaged []byte) {
		t.Helper()
		write(t, file("sealed"), damaged)
		code, stderr := run("decrypt", "-q", "-f", "-o", file("target"), file("sealed"))
		if code != 4 && (code != 7 || n >= 8) { // the first 8 bytes tell an envseal file from a foreign one
			t.Errorf("%s %d: exit code %d\n%s", what, n, code, stderr)
		}
		now, err := os.ReadFile(file("target"))
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
	if after, err := os.ReadDir(dir); err != nil || len(after) != len(before) {
		t.Errorf("%d files before, %d after: %v", len(before), len(after), err)
	}
	write(t, file("sealed"), sealed)
	must("decrypt", "-q", "-f", "-o", file("target"), file("sealed"))
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
