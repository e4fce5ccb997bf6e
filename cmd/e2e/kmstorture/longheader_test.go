//go:build torture

package kmstorture

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/envseal/envseal/format"
)

// longSlots are headers that are as long as the format lets them be, each with the file's own slot
// at its end.
var longSlots = []struct {
	name  string
	slots func(own format.Slot) ([]format.Slot, error)
	moves int // exit code of rewrap --to
}{
	// the key service takes no request with such a context
	{"63 key pairs of 130 KiB", pairsBefore, 2},
	{"63 slots of an unknown type, of 260 KiB", unknownBefore, 0},
}

// pairsBefore puts pairs with contexts of thousands of members, which take many times their size
// once they are decoded, before the file's own slot.
func pairsBefore(own format.Slot) ([]format.Slot, error) {
	members := format.Context{}
	for i := range 8000 {
		members[fmt.Sprintf("%03x", i)] = ""
	}
	var all []format.Slot
	for i := range byte(63) {
		pair, err := format.PairSlot{
			Scheme: format.PairHPKEP256, PublicKeyID: [32]byte{i},
			SealedDataKey: make([]byte, 65535), KeyID: fixture.keys[0],
			PrivateKeyCiphertextBlob: bytes.Repeat([]byte{i}, format.MaxCiphertextBlob),
			PairContext:              members,
		}.Slot()
		if err != nil {
			return nil, err
		}
		all = append(all, pair)
	}
	return append(all, own), nil
}

func unknownBefore(own format.Slot) ([]format.Slot, error) {
	return append(slices.Repeat([]format.Slot{{Type: 200, Body: make([]byte, 266_000)}}, 63), own), nil
}

// longCommands are what reads headers. FILE goes behind args.
var longCommands = []struct {
	args  []string
	armor bool // it takes armored files too
}{
	{[]string{"decrypt", "-f", "-o", "out"}, true},
	{[]string{"decrypt", "-f", "-o", "out", "--verify-first"}, true},
	{[]string{"decrypt", "-f", "-o", "out", "--dry-run"}, true},
	{[]string{"verify"}, true},
	{[]string{"inspect"}, true},
	{[]string{"inspect", "--json"}, true},
	{[]string{"doctor"}, true},
	{[]string{"decrypt", "-f", "-o", "out", "--header", "head"}, false},
	{[]string{"verify", "--header", "head"}, false},
	{[]string{"rewrap", "--dry-run", "--to"}, false},
	{[]string{"rewrap", "--to"}, false},
}

// TestTortureKMSLongHeader measures the memory that commands take for a header of many megabytes.
// The trials come one after the other: many at once would take gigabytes.
func TestTortureKMSLongHeader(t *testing.T) {
	t.Parallel()
	count := newTally(t)
	for _, long := range longSlots {
		dir, err := longFiles(long.slots)
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		for _, command := range longCommands {
			args, code := command.args, 0
			files := []string{"good"}
			switch {
			case args[0] == "rewrap":
				args, code = append(slices.Clone(args), fixture.keys[1]), long.moves
			case slices.Contains(args, "--header"):
				files = []string{"chunks"}
			case command.armor:
				files = append(files, "armored")
			}
			for _, file := range files {
				o, err := longTrial(dir, append(slices.Clone(args), file), code)
				if err != nil {
					t.Errorf("%s: %v %s: %v\n%.1000s", long.name, args, file, err, o.stderr)
				}
				count.count("envseal", "header of "+long.name, o, err != nil, "")
			}
		}
	}
}

// longFiles is a folder with a file that has these slots: as it is, armored, and in two parts.
func longFiles(slots func(own format.Slot) ([]format.Slot, error)) (dir string, err error) {
	if dir, err = workplace("good"); err != nil {
		return "", err
	}
	var made error
	h := hostile{slots: func(own format.Slot) []format.Slot {
		var all []format.Slot
		all, made = slots(own)
		return all
	}}
	if err := errors.Join(h.write(filepath.Join(dir, "good")), made); err != nil {
		return "", err
	}
	b, err := os.ReadFile(filepath.Join(dir, "good"))
	if err != nil {
		return "", err
	}
	header, err := format.ReadHeader(bytes.NewReader(b), format.Limits{})
	if err != nil {
		return "", err
	}
	var text bytes.Buffer
	armor := format.NewArmorWriter(&text)
	if _, err := armor.Write(b); err != nil {
		return "", err
	}
	if err := armor.Close(); err != nil {
		return "", err
	}
	for name, part := range map[string][]byte{"armored": text.Bytes(), "head": b[:header.Length],
		"chunks": b[header.Length:]} {
		if err := os.WriteFile(filepath.Join(dir, name), part, 0o600); err != nil {
			return "", err
		}
	}
	return dir, nil
}

func longTrial(dir string, args []string, code int) (outcome, error) {
	s, err := serve("")
	if err != nil {
		return outcome{}, err
	}
	defer s.end()
	o := envseal(dir, s.env, args...)
	errs := []error{o.within(slack)}
	if o.code != code {
		errs = append(errs, fmt.Errorf("exit code %d, want %d", o.code, code))
	}
	if o.rss == 0 {
		errs = append(errs, errors.New("its memory was not measured"))
	}
	return o, errors.Join(errs...)
}
