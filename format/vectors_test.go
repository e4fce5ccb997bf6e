package format_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const vectorsPath = "../testdata/vectors"

// kinds are what a vector can be expected to do.
var kinds = []string{"opens", "foreign", "newer", "pre-release", "damaged", "no key", "too large"}

var writeVectors = flag.Bool("write-vectors", false, "write testdata/vectors again")

// makeVectors makes all of them.
func makeVectors(t *testing.T) []*vector {
	t.Helper()
	m := &maker{t: t}
	m.headers()
	m.contexts()
	m.slotLists()
	m.pairs()
	m.payloads()
	m.streams()
	m.armors()
	m.detachedHeaders()
	m.rewraps()
	m.salamanders()
	m.keyFiles()
	return m.all
}

// readVectors reads what is in testdata/vectors.
func readVectors(t testing.TB) (all []*vector) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(vectorsPath, "*.vector"))
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 200 {
		t.Fatalf("%d vectors, want 200", len(names))
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		v, err := parseVector(strings.TrimSuffix(filepath.Base(name), ".vector"), b)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

// TestVectorsAreCurrent: testdata/vectors holds what is made here, byte for byte. With
// -write-vectors the test writes it.
func TestVectorsAreCurrent(t *testing.T) {
	made, all := map[string][]byte{}, makeVectors(t)
	for _, v := range all {
		if made[v.name+".vector"] != nil {
			t.Fatalf("two vectors are called %s", v.name)
		}
		made[v.name+".vector"] = v.encode()
	}
	if there := len(readVectors(t)); there != len(made) && !*writeVectors {
		t.Errorf("%d vectors in %s, %d are made", there, vectorsPath, len(made))
	}
	made["vectors.json"] = encodeJSON(t, all)
	if *writeVectors {
		rewriteVectors(t, made)
	}
	for name, want := range made {
		got, err := os.ReadFile(filepath.Join(vectorsPath, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what is made: %v", name, err)
		}
	}
}

func rewriteVectors(t *testing.T, made map[string][]byte) {
	t.Helper()
	old, err := filepath.Glob(filepath.Join(vectorsPath, "*.vector"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	for name, b := range made {
		if err := os.WriteFile(filepath.Join(vectorsPath, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestVectors has every vector read by all readers of envseal, and by the one written from the
// specification.
func TestVectors(t *testing.T) {
	counts := map[string]int{}
	for _, v := range readVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			counts[v.expect]++
			if v.comment == "" || !slices.Contains(kinds, v.expect) {
				t.Fatalf("expect %q, comment %q", v.expect, v.comment)
			}
			if strings.HasSuffix(v.form, "key file") || v.form == "pair file" {
				checkKeyFile(t, v)
				return
			}
			for _, r := range vectorReaders {
				if r.fits(v) {
					checkReader(t, v, r)
				}
			}
			if v.options["max-size"] == "" { // the second reader knows no such limit
				checkSecondReader(t, v)
			}
		})
	}
	for _, kind := range kinds {
		if counts[kind] == 0 {
			t.Errorf("no vector is %s", kind)
		}
	}
	t.Log(counts)
}

// checkReader compares what one of envseal's readers does with what the vector says.
func checkReader(t *testing.T, v *vector, r vectorReader) {
	t.Helper()
	out, err := r.read(context.Background(), v)
	if got := kindOf(err); got != v.expect {
		t.Errorf("%s: %s, want %s: %v", r.name, got, v.expect, err)
	}
	if got := reasonOf(err); v.reason != "" && r.inOrder && got != v.reason {
		t.Errorf("%s: the reason is %s, want %s: %v", r.name, got, v.reason, err)
	}
	if r.releases && !v.allows(out) {
		sum := sha256.Sum256(out)
		t.Errorf("%s: %d bytes came out with hash %s, not one of %v",
			r.name, len(out), hex.EncodeToString(sum[:]), v.released)
	}
}

// checkSecondReader does the same for the reader that was written from the specification.
func checkSecondReader(t *testing.T, v *vector) {
	t.Helper()
	out, err := v.readBySpec()
	if got := specKindOf(err); got != v.expect || err == nil && !v.allows(out) {
		t.Errorf("second reader: %s, want %s: %d bytes, %v", got, v.expect, len(out), err)
	}
}

// specKindOf tells what an error of the second reader says in the words of the vectors.
func specKindOf(err error) string {
	switch {
	case err == nil:
		return "opens"
	case errors.Is(err, errForeign):
		return "foreign"
	case errors.Is(err, errPreRelease):
		return "pre-release"
	case errors.Is(err, errNewer):
		return "newer"
	case errors.Is(err, errNoKey):
		return "no key"
	case errors.Is(err, errRefused):
		return "damaged"
	}
	return fmt.Sprint("failed: ", err)
}

// readBySpec is the second reader on a vector.
func (v *vector) readBySpec() ([]byte, error) {
	head, file := v.files()
	o := specOptions{maxSlots: 64, header: head, noDecompress: v.options["no-decompress"] != ""}
	if v.options["max-slots"] != "" {
		o.maxSlots = int(v.limit("max-slots"))
	}
	if v.form == "armor" {
		if len(file) > 0 && file[0] == '-' {
			var err error
			if file, err = armorBySpec(string(file)); err != nil {
				return nil, err
			}
		}
	}
	damaged := false
	plain, err := openBySpecWith(file, func(slot specSlot, context, digest []byte) []byte {
		dataKey, ok := v.unwrapBySpec(slot, context, digest)
		damaged = damaged || !ok
		return dataKey
	}, o)
	if damaged && errors.Is(err, errNoKey) {
		err = fmt.Errorf("%w: the slot of a pair", errRefused)
	}
	return plain, err
}

// unwrapBySpec plays the key service, and opens the slots of pairs. ok is false for a damaged slot:
// another one may do.
func (v *vector) unwrapBySpec(slot specSlot, context, digest []byte) (dataKey []byte, ok bool) {
	if slot.kind == 1 {
		f, _ := fields(slot.body, 2)
		return v.answerTo(string(f[0]), context, f[1]), true
	}
	if slot.kind != 2 || slot.body[0] < 1 || slot.body[0] > 6 {
		return nil, true
	}
	f, _ := slot.pairFields()
	der := v.answerTo(string(f[1]), f[3], f[2])
	if der == nil {
		return nil, true
	}
	private, err := parsePrivateKey(der)
	if err != nil || !slot.namesKey(private) {
		return nil, false
	}
	dataKey, err = openPair(slot.body[0], private,
		slices.Concat([]byte("envseal/v1 pair"), digest), f[0])
	return dataKey, err == nil && len(dataKey) >= 32
}

// answerTo is Decrypt: nil where the key service refuses.
func (v *vector) answerTo(keyID string, context, blob []byte) []byte {
	for _, a := range v.decrypt {
		if a.keyID == keyID && bytes.Equal(a.context, context) && bytes.Equal(a.blob, blob) {
			return append([]byte{}, a.plaintext...)
		}
	}
	return nil
}
