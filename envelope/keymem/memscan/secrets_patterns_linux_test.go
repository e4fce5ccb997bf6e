//go:build secrets

package memscan_test

import (
	"context"
	"crypto/hkdf"
	"crypto/sha512"
	"encoding"
	"slices"
	"testing"

	"github.com/envseal/envseal/envelope/keymem/memscan"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
)

// dataKeyOf asks the key service itself for the data key of a file: the program under test makes no
// copy for that.
func dataKeyOf(t testing.TB, service kmsclient.Client, h *format.Header) []byte {
	t.Helper()
	all := &keyring.Discovery{Client: func(kmsclient.ARN) (kmsclient.Client, error) {
		return service, nil
	}}
	key, err := all.Unwrap(context.Background(), h)
	must(t, err)
	defer key.Destroy()
	return slices.Clone(key.Bytes())
}

// schedule are the secrets that a file's keys consist of (format specification, Keys).
type schedule struct {
	dataKey, prk, payload, rest []byte
}

func scheduleOf(t testing.TB, h *format.Header, dataKey []byte) schedule {
	t.Helper()
	prk, err := hkdf.Extract(sha512.New, dataKey, h.FileID[:])
	must(t, err)
	block, err := payloadOf(h, dataKey)
	must(t, err)
	return schedule{dataKey: dataKey, prk: prk, payload: block[:32], rest: block[32:]}
}

// payloadOf gives the payload key, and behind it the rest of the block that HKDF makes for it.
func payloadOf(h *format.Header, dataKey []byte) ([]byte, error) {
	digest, err := h.Descriptor.Digest()
	if err != nil {
		return nil, err
	}
	return hkdf.Key(sha512.New, dataKey, h.FileID[:],
		"envseal/v1 payload"+string(digest[:]), sha512.Size)
}

// patterns are the shapes of a file's keys in memory.
func (s schedule) patterns() []memscan.Pattern {
	ps := memscan.KeyPatterns("data key", s.dataKey)
	ps = append(ps, memscan.HMACPatterns("pseudorandom key", s.prk)...)
	ps = append(ps, statePatterns("pseudorandom key", s.prk)...)
	ps = append(ps, memscan.KeyPatterns("payload key", s.payload)...)
	return append(ps, memscan.Pattern{Name: "rest of the output block", Bytes: s.rest})
}

// statePatterns are the states of SHA-512 behind the two pads of an HMAC key: whoever has them
// needs the key no more.
func statePatterns(name string, key []byte) (ps []memscan.Pattern) {
	for form, x := range map[string]byte{" inner state": 0x36, " outer state": 0x5c} {
		pad := make([]byte, sha512.BlockSize)
		copy(pad, key)
		for i := range pad {
			pad[i] ^= x
		}
		hash := sha512.New()
		hash.Write(pad)
		state, err := hash.(encoding.BinaryMarshaler).MarshalBinary()
		if err != nil {
			panic(err) // never: it is the standard library's own
		}
		state = state[4 : 4+sha512.Size] // behind the magic
		words := slices.Clone(state)
		for word := range slices.Chunk(words, 8) {
			slices.Reverse(word)
		}
		for i := 0; i < sha512.Size; i += 16 {
			ps = append(ps, memscan.Pattern{Name: name + form, Bytes: state[i : i+16]},
				memscan.Pattern{Name: name + form, Bytes: words[i : i+16]})
		}
	}
	return ps
}
