package e2e

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/envseal/envseal/format"
)

// A pair slot belongs to one file: put into another one that was sealed to the same pair, in the
// same run, with the same data key, it does not open it.
func TestPairSlotOfAnotherFile(t *testing.T) {
	r := newRig(t)
	r.write("a", randomBytes(100))
	r.write("b", randomBytes(200))
	r.must("keystore", "init", "--no-passphrase")
	r.must("keystore", "create-key", "backup")
	r.must("data-key", "-k", "local:backup", "-o", "made")
	r.must("key-pair", "-k", "local:backup", "-o", "pair")
	r.must("encrypt", "--data-key", "made", "-r", "pair", "a", "b")
	pairOnly := func(name string, from []format.Slot) []format.Slot {
		t.Helper()
		b := r.read(name)
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
		r.write(name+".pair", slices.Concat(head, b[len(b)-in.Len():]))
		return own
	}
	stolen := pairOnly("a.sealed", nil)
	r.must("verify", "a.sealed.pair")
	pairOnly("b.sealed", stolen)
	code, stderr := r.run("decrypt", "-o", "out", "b.sealed.pair")
	_, err := os.Stat(r.path("out"))
	if code != 4 || !strings.Contains(stderr, "not of this file") || err == nil {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}
