package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/envseal/envseal/format"
)

// A pair slot belongs to one file: put into another one that was sealed to the same pair, in the same run, with the same data key, it does not open it.
func TestPairSlotOfAnotherFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("ENVSEAL_KEYSTORE", filepath.Join(dir, "keystore"))
	run, must := program(t, dir)
	write(t, filepath.Join(dir, "a"), randomBytes(100))
	write(t, filepath.Join(dir, "b"), randomBytes(200))
	must("keystore", "init", "--no-passphrase")
	must("keystore", "create-key", "backup")
	must("data-key", "-k", "local:backup", "-o", "made")
	must("key-pair", "-k", "local:backup", "-o", "pair")
	must("encrypt", "--data-key", "made", "-r", "pair", "a", "b")
	pairOnly := func(name string, from []format.Slot) []format.Slot {
		t.Helper()
		name = filepath.Join(dir, name)
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		in := bytes.NewReader(b)
		h, err := format.ReadHeader(in, format.Limits{})
		if err != nil || len(h.Slots) != 2 || h.Slots[1].Type != format.SlotPair {
			t.Fatalf("%s: %v", name, err)
		}
		own := h.Slots[1:]
		if h.Slots = own; from != nil {
			h.Slots = from
		}
		head, err := h.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		write(t, name+".pair", slices.Concat(head, b[len(b)-in.Len():]))
		return own
	}
	stolen := pairOnly("a.sealed", nil)
	must("verify", "a.sealed.pair")
	pairOnly("b.sealed", stolen)
	code, stderr := run("decrypt", "-o", "out", "b.sealed.pair")
	if _, err := os.Stat(filepath.Join(dir, "out")); code != 4 || !strings.Contains(stderr, "not of this file") || err == nil {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}
