package memscan

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// FIPS 197, appendix A.1 and A.3: the first and last words that the expansion makes.
func TestRoundKeys(t *testing.T) {
	for _, c := range []struct{ key, first, last string }{
		{"2b7e151628aed2a6abf7158809cf4f3c", "a0fafe17", "b6630ca6"},
		{"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", "9ba35411", "706c631e"},
	} {
		key, err := hex.DecodeString(c.key)
		if err != nil {
			t.Fatal(err)
		}
		got := roundKeys(key)
		if rounds := len(key)/4 + 6; len(got) != 16*(rounds+1) {
			t.Fatalf("%d-byte key: schedule of %d bytes", len(key), len(got))
		}
		if !bytes.Equal(got[:len(key)], key) {
			t.Errorf("%d-byte key: the schedule does not begin with the key", len(key))
		}
		if first := hex.EncodeToString(got[len(key) : len(key)+4]); first != c.first {
			t.Errorf("%d-byte key: first word %s, want %s", len(key), first, c.first)
		}
		if last := hex.EncodeToString(got[len(got)-4:]); last != c.last {
			t.Errorf("%d-byte key: last word %s, want %s", len(key), last, c.last)
		}
	}
}

func TestKeyPatterns(t *testing.T) {
	key := []byte("0123456789abcdefghijklmnopqrstuv")
	got := map[string]string{}
	for _, p := range KeyPatterns("k", key) {
		got[p.Name] = string(p.Bytes)
	}
	for name, want := range map[string]string{
		"k raw":                          string(key),
		"k first half":                   "0123456789abcdef",
		"k second half":                  "ghijklmnopqrstuv",
		"k first half in 4-byte words":   "32107654ba98fedc",
		"k second half in 4-byte words":  "jihgnmlkrqpovuts",
		"k first half in 8-byte words":   "76543210fedcba98",
		"k second half in 8-byte words":  "nmlkjihgvutsrqpo",
		"k base64":                       "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY",
		"k base64 first part":            "MzQ1Njc4OWFiY2RlZmd",
		"k base64 second part":           "oaWprbG1ub3BxcnN0dXY",
		"k round key 2":                  string(roundKeys(key)[32:48]),
		"k round key 14 in 4-byte words": string(swapWords(roundKeys(key)[224:240], 4)),
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	if n := len(got); n != 3+4+3+2*13+2 {
		t.Errorf("%d patterns", n)
	}
}

func TestHMACPatterns(t *testing.T) {
	key := bytes.Repeat([]byte("abcdefgh"), 8)
	found := map[string]bool{}
	for _, p := range HMACPatterns("prk", key) {
		found[string(p.Bytes)] = true
	}
	inner, outer := []byte("abcdefghabcdefgh"), []byte("hgfedcbahgfedcba")
	for i := range inner {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	for _, want := range []string{"abcdefghabcdefgh", "hgfedcbahgfedcba",
		string(inner), string(outer)} {
		if !found[want] {
			t.Errorf("no pattern %q", want)
		}
	}
}

func TestSearch(t *testing.T) {
	s, err := newSearch([]Pattern{{"whole", []byte("secretsecret")}, {"half", []byte("secret")},
		{"other", []byte("seal")}})
	if err != nil {
		t.Fatal(err)
	}
	memory := []byte("seal secretsecret, secret, secre")
	found := s.outermost(s.in(memory, len(memory), 1000))
	want := []match{{2, 1000}, {0, 1005}, {1, 1019}}
	if len(found) != len(want) {
		t.Fatalf("found %v, want %v", found, want)
	}
	for i := range want {
		if found[i] != want[i] {
			t.Errorf("match %d: %v, want %v", i, found[i], want[i])
		}
	}
	if border := s.in(memory, 5, 0); len(border) != 1 {
		t.Errorf("matches that begin in the first 5 bytes: %v", border)
	}
}

func TestPatternSizes(t *testing.T) {
	for name, ps := range map[string][]Pattern{
		"none": nil, "short": {{"short", []byte("abc")}}, "long": {{"long", make([]byte, maxPattern+1)}},
	} {
		if _, err := newSearch(ps); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
