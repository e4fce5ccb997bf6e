//go:build interop

package format_test

import (
	"bytes"
	"crypto/mlkem"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"
)

// mlkemAnswer is what the reader's ML-KEM says, in hex.
type mlkemAnswer struct{ EK, DK, C, K, Error string }

// kem is one of crypto/mlkem's.
type kem struct {
	ek          []byte
	encapsulate func() (shared, ciphertext []byte)
	decapsulate func(ciphertext []byte) ([]byte, error)
}

func newKEM(t *testing.T, set int, seed []byte) kem {
	t.Helper()
	if set == 768 {
		k, err := mlkem.NewDecapsulationKey768(seed)
		if err != nil {
			t.Fatal(err)
		}
		public := k.EncapsulationKey()
		return kem{public.Bytes(), public.Encapsulate, k.Decapsulate}
	}
	k, err := mlkem.NewDecapsulationKey1024(seed)
	if err != nil {
		t.Fatal(err)
	}
	public := k.EncapsulationKey()
	return kem{public.Bytes(), public.Encapsulate, k.Decapsulate}
}

// TestInteropPythonMLKEM compares the reader's ML-KEM with Go's: fresh seeds, ciphertexts as they
// are and altered.
func TestInteropPythonMLKEM(t *testing.T) {
	p := startPython(t)
	for range 50 {
		for _, set := range []int{768, 1024} {
			seed := make([]byte, mlkem.SeedSize)
			rand.Read(seed)
			k := newKEM(t, set, seed)
			shared, c := k.encapsulate()
			checkMLKEM(t, p, set, seed, k, c, shared)
			c[int(seed[0])*len(c)/256] ^= 1 << (seed[1] & 7)
			rejected, err := k.decapsulate(c)
			if err != nil || bytes.Equal(rejected, shared) {
				t.Fatalf("%x, %v", rejected, err)
			}
			checkMLKEM(t, p, set, seed, k, c, rejected)
		}
	}
}

func checkMLKEM(t *testing.T, p *python, set int, seed []byte, k kem, c, shared []byte) {
	t.Helper()
	var got mlkemAnswer
	p.ask(map[string]any{"op": "mlkem", "set": set, "seed": hex.EncodeToString(seed),
		"c": hex.EncodeToString(c)}, &got)
	if got.EK != hex.EncodeToString(k.ek) || got.K != hex.EncodeToString(shared) {
		t.Errorf("ML-KEM-%d with the seed %x: %v, want %x", set, seed, got, shared)
	}
}

// TestInteropPythonMLKEMWycheproof: key generation, decapsulation with a seed and with a key, and
// encapsulation, which decapsulation does again.
func TestInteropPythonMLKEMWycheproof(t *testing.T) {
	p, counts := startPython(t), map[string]int{}
	for _, set := range []int{768, 1024} {
		for _, kind := range []string{"keygen_seed_", "", "semi_expanded_decaps_", "encaps_"} {
			for _, c := range readWycheproof(t, fmt.Sprintf("mlkem_%d_%stest.json", set, kind)) {
				if kind == "encaps_" && c["result"] != "valid" {
					continue // keys that a sender must refuse; the reader has its own
				}
				counts[kind]++
				checkMLKEMCase(t, p, set, kind, c)
			}
		}
	}
	t.Log(counts)
}

func readWycheproof(t *testing.T, name string) (all []map[string]any) {
	t.Helper()
	var doc struct {
		TestGroups []struct{ Tests []map[string]any }
	}
	b, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err == nil {
		err = json.Unmarshal(b, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range doc.TestGroups {
		all = append(all, g.Tests...)
	}
	return all
}

func checkMLKEMCase(t *testing.T, p *python, set int, kind string, c map[string]any) {
	t.Helper()
	request := map[string]any{"op": "mlkem", "set": set}
	given, result := []string{"seed", "c", "dk"}, map[string]bool{"k": true}
	switch kind {
	case "keygen_seed_":
		given, result = given[:1], map[string]bool{"ek": true, "dk": true}
	case "encaps_":
		given, result = []string{"ek", "m"}, map[string]bool{"k": true, "c": true}
	case "":
		result["ek"] = true
	}
	for _, field := range given {
		if c[field] != nil {
			request[field] = c[field]
		}
	}
	var got mlkemAnswer
	p.ask(request, &got)
	same := got.Error == ""
	for field, value := range map[string]string{"ek": got.EK, "dk": got.DK, "c": got.C, "k": got.K} {
		want := c[field]
		if field == "k" {
			want = c["K"]
		}
		same = same && (!result[field] || value == want)
	}
	if same != (c["result"] == "valid") {
		t.Errorf("ML-KEM-%d, %scase %v is %v: %v", set, kind, c["tcId"], c["result"], got)
	}
}

// TestInteropPythonHKDFWycheproof: the reader has an HKDF of its own.
func TestInteropPythonHKDFWycheproof(t *testing.T) {
	p := startPython(t)
	for _, hash := range []string{"sha256", "sha384", "sha512"} {
		cases := readWycheproof(t, "hkdf_"+hash+"_test.json")
		for _, c := range cases {
			var got struct{ OKM, Error string }
			p.ask(map[string]any{"op": "hkdf", "hash": hash, "salt": c["salt"], "ikm": c["ikm"],
				"info": c["info"], "size": c["size"]}, &got)
			if same := got.Error == "" && got.OKM == c["okm"]; same != (c["result"] == "valid") {
				t.Errorf("%s, case %v is %v: %v", hash, c["tcId"], c["result"], got)
			}
		}
		t.Log(hash, len(cases))
	}
}
