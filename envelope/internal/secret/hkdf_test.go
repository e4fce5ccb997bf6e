package secret

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func counting(from, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(from + i)
	}
	return hex.EncodeToString(b)
}

// The inputs of RFC 5869, appendix A, with SHA-512; the outputs were computed with Python's hmac.
func TestHKDFVectors(t *testing.T) {
	for _, c := range []struct{ name, ikm, salt, info, prk, okm string }{
		{"basic", strings.Repeat("0b", 22), counting(0, 13), counting(0xf0, 10),
			"665799823737ded04a88e47e54a5890bb2c3d247c7a4254a8e61350723590a26c36238127d8661b88cf80ef802d57e2f7cebcf1e00e083848be19929c61b4237",
			"832390086cda71fb47625bb5ceb168e4c8e26a1a16ed34d9fc7fe92c1481579338da362cb8d9f925d7cb"},
		{"longer inputs", counting(0, 80), counting(0x60, 80), counting(0xb0, 80),
			"35672542907d4e142c00e84499e74e1de08be86535f924e022804ad775dde27ec86cd1e5b7d178c74489bdbeb30712beb82d4f97416c5a94ea81ebdf3e629e4a",
			"ce6c97192805b346e6161e821ed165673b84f400a2b514b2fe23d84cd189ddf1b695b48cbd1c8388441137b3ce28f16aa64ba33ba466b24df6cfcb021ecff235f6a2056ce3af1de44d572097a8505d9e7a93"},
		{"no salt, no info", strings.Repeat("0b", 22), "", "",
			"fd200c4987ac491313bd4a2a13287121247239e11c9ef82802044b66ef357e5b194498d0682611382348572a7b1611de54764094286320578a863f36562b0df6",
			"f5fa02b18298a72a8c23898a8703472c6eb179dc204c03425c970e3b164bf90fff22d04836d0e2343bac"},
		{"salt of more than a block", strings.Repeat("0c", 22), counting(0, 129), counting(0, 3),
			"e950f6ceb29bb2dc21324a094d25c5c5a52fc4d1b25aa2a5c19542b05c1a89b2977768570368968bec31b2b8cfa95e097cf1db5f37f42cd0c0784cff7b5068c1",
			"e8fe70fd3abb01bf50afa96ec227f7f9cee766424a2752c74256e6eda046cc6755ed024fde4f65f01e0e27bd4c141255071512ce88e884885cdb7f261c69d36bbdf085cf51a6d7c60f3270015745fee82379d8b0af2fc45f0efa909be715814ddf781fc87832579c1e38cc05fbdaf1d96356d82e225ca76fdc0b0957d2340e4ca46b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := NewHKDF(unhex(t, c.salt), unhex(t, c.ikm))
			if err != nil {
				t.Fatal(err)
			}
			defer h.Destroy()
			if got := hex.EncodeToString(h.state.prk[:]); got != c.prk {
				t.Errorf("PRK %s, want %s", got, c.prk)
			}
			okm := make([]byte, len(c.okm)/2)
			if err := h.Expand(okm, unhex(t, c.info)); err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(okm); got != c.okm {
				t.Errorf("OKM %s, want %s", got, c.okm)
			}
		})
	}
}

// Random inputs against crypto/hkdf; the info goes in as several parts, some of them empty.
func TestHKDFAgainstStandardLibrary(t *testing.T) {
	rnd := rand.New(rand.NewChaCha8([32]byte{1}))
	random := func(most int) []byte {
		b := make([]byte, rnd.IntN(most+1))
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		return b
	}
	for i := range 2000 {
		salt, ikm, info := random(300), append(random(200), 1), random(400)
		h, err := NewHKDF(salt, ikm)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // a second Expand must not depend on the first
			got := make([]byte, 1+rnd.IntN(300))
			cut := rnd.IntN(len(info) + 1)
			if err := h.Expand(got, info[:cut], nil, info[cut:]); err != nil {
				t.Fatal(err)
			}
			want, err := hkdf.Key(sha512.New, ikm, salt, string(info), len(got))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("input %d (salt %d, ikm %d, info %d, out %d bytes): differs from crypto/hkdf",
					i, len(salt), len(ikm), len(info), len(got))
			}
		}
		h.Destroy()
	}
}

func TestHKDFLimits(t *testing.T) {
	h, err := NewHKDF(nil, []byte("input keying material"))
	if err != nil {
		t.Fatal(err)
	}
	most := make([]byte, 255*64)
	if err := h.Expand(most); err != nil {
		t.Fatal(err)
	}
	want, _ := hkdf.Key(sha512.New, []byte("input keying material"), nil, "", len(most))
	if !bytes.Equal(most, want) {
		t.Error("the longest output differs from crypto/hkdf")
	}
	if err := h.Expand(make([]byte, 255*64+1)); err == nil {
		t.Error("no error for too much output")
	}
	if err := h.Expand(nil); err != nil {
		t.Errorf("empty output: %v", err)
	}
	h.Destroy()
	h.Destroy()
	if err := h.Expand(most[:1]); err == nil || !strings.Contains(err.Error(), "destroyed") {
		t.Errorf("Expand after Destroy: %v", err)
	}
}

// All state is in locked memory and is wiped: the pages are looked at after Destroy.
func TestHKDFWipesState(t *testing.T) {
	h, err := NewHKDF([]byte("salt"), []byte("input keying material"))
	if err != nil {
		t.Fatal(err)
	}
	if h.hashMem == nil {
		t.Fatal("the hash state of this toolchain is not flat: it stayed on the heap")
	}
	if err := h.Expand(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if !allZero(h.state.block[:]) {
		t.Error("the last output block was left behind")
	}
	state, digest := h.mem.inner, h.hashMem.inner
	if allZero(state) || allZero(digest) {
		t.Error("the state is somewhere else")
	}
	h.Destroy()
	if !allZero(state) || !allZero(digest) {
		t.Error("the state was not wiped")
	}
}

func TestHKDFAllocations(t *testing.T) {
	h, err := NewHKDF(nil, []byte("input keying material"))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Destroy()
	out, info := make([]byte, 64), []byte("info")
	// one: the list of info parts
	if n := testing.AllocsPerRun(100, func() { _ = h.Expand(out, info) }); n > 1 {
		t.Errorf("Expand allocates %v times", n)
	}
}

func BenchmarkHKDF(b *testing.B) {
	ikm, out, info := make([]byte, 32), make([]byte, 64), make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		h, err := NewHKDF(info, ikm)
		if err != nil {
			b.Fatal(err)
		}
		if err := h.Expand(out, info); err != nil {
			b.Fatal(err)
		}
		h.Destroy()
	}
}
