package memscan

import (
	"crypto/aes"
	"encoding/base64"
	"fmt"
	"slices"
)

// KeyPatterns returns the shapes in which a key of at least 16 bytes shows up in memory: raw, its
// two halves, its halves in words of the other byte order (4 and 8 bytes, as ciphers and SHA-512
// load them), base64 whole and in parts, and, for a key of 16 or 32 bytes, every AES round key in
// both byte orders and the key that GCM takes for its hash, in both directions.
func KeyPatterns(name string, key []byte) []Pattern {
	half := len(key) / 2 &^ 7
	ps := []Pattern{
		{name + " raw", slices.Clone(key)},
		{name + " first half", slices.Clone(key[:half])},
		{name + " second half", slices.Clone(key[half:])},
	}
	for _, word := range []int{4, 8} {
		if len(key)%word == 0 {
			swapped := swapWords(key, word)
			ps = append(ps,
				Pattern{fmt.Sprintf("%s first half in %d-byte words", name, word), swapped[:half]},
				Pattern{fmt.Sprintf("%s second half in %d-byte words", name, word), swapped[half:]})
		}
	}
	ps = append(ps, base64Patterns(name, key)...)
	if len(key) == 16 || len(key) == 32 {
		ps = append(ps, roundKeyPatterns(name, key)...)
	}
	return ps
}

// base64Patterns leaves the first and last characters out of the parts: a decoder working in
// place overwrites the beginning, and the end may be padded.
func base64Patterns(name string, key []byte) []Pattern {
	text := []byte(base64.RawStdEncoding.EncodeToString(key))
	middle := (len(text) + 4) / 2
	return []Pattern{
		{name + " base64", text},
		{name + " base64 first part", text[4:middle]},
		{name + " base64 second part", text[middle:]},
	}
}

func roundKeyPatterns(name string, key []byte) []Pattern {
	var ps []Pattern
	schedule := roundKeys(key)
	for at := len(key); at < len(schedule); at += 16 {
		k := schedule[at : at+16]
		ps = append(ps,
			Pattern{fmt.Sprintf("%s round key %d", name, at/16), k},
			Pattern{fmt.Sprintf("%s round key %d in 4-byte words", name, at/16), swapWords(k, 4)})
	}
	hashKey := make([]byte, aes.BlockSize)
	if block, err := aes.NewCipher(key); err == nil { // the caller has checked the size
		block.Encrypt(hashKey, hashKey)
	}
	return append(ps,
		Pattern{name + " GCM hash key", hashKey},
		Pattern{name + " GCM hash key reversed", swapWords(hashKey, aes.BlockSize)})
}

// HMACPatterns returns the shapes of an HMAC key of at least 32 bytes, such as HKDF's pseudorandom
// key: its quarters raw and within the inner and outer pad, each also in 8-byte words of the other
// byte order, as SHA-512 holds them.
func HMACPatterns(name string, key []byte) []Pattern {
	var ps []Pattern
	quarter := len(key) / 4 &^ 7
	for form, x := range map[string]byte{"": 0, " inner pad": 0x36, " outer pad": 0x5c} {
		for i := range 4 {
			part := slices.Clone(key[i*quarter : (i+1)*quarter])
			for j := range part {
				part[j] ^= x
			}
			n := fmt.Sprintf("%s%s quarter %d", name, form, i)
			ps = append(ps, Pattern{n, part}, Pattern{n + " in 8-byte words", swapWords(part, 8)})
		}
	}
	return ps
}

// swapWords reverses the bytes of each word of b, whose length is a multiple of word.
func swapWords(b []byte, word int) []byte {
	out := slices.Clone(b)
	for at := 0; at < len(out); at += word {
		slices.Reverse(out[at : at+word])
	}
	return out
}
