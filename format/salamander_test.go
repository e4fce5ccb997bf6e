package format_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math/big"
	"testing"
)

// AES-GCM does not commit to its key: for any two keys there is a ciphertext with one tag that
// opens under both, the invisible salamander (Grubbs, Lu and Ristenpart, Message Franking via
// Committing Authenticated Encryption, 2017; Dodis and others, Fast Message Franking, 2018). With
// both keys fixed the tags are linear in the ciphertext, so one free block makes them equal.

// twoKeyChunk makes the only chunk of a file so that it opens under both keys, which have their
// base nonces behind them. Under the first key its plaintext begins with first, under the other its
// second block is second. Both have 16 bytes.
func twoKeyChunk(t testing.TB, key, otherKey, first, second []byte) []byte {
	t.Helper()
	a, b := newGHASH(t, key), newGHASH(t, otherKey)
	ciphertext := append(a.stream(1, first), b.stream(2, second)...)
	// With C1, C2, C3 and the length block L: tag = C1 H^4 + C2 H^3 + C3 H^2 + L H + mask. Equal tags
	// give (Ha^2 + Hb^2) C3 = what the rest differs by.
	rest := new(big.Int).Xor(a.tag(append(bytes.Clone(ciphertext), make([]byte, 16)...)),
		b.tag(append(bytes.Clone(ciphertext), make([]byte, 16)...)))
	factor := new(big.Int).Xor(multiply(a.h, a.h), multiply(b.h, b.h))
	ciphertext = append(ciphertext, blockOf(multiply(rest, inverse(factor)))...)
	if a.tag(ciphertext).Cmp(b.tag(ciphertext)) != 0 {
		t.Fatal("the tags differ")
	}
	return append(ciphertext, blockOf(a.tag(ciphertext))...)
}

// openChunk opens the only chunk of a file with AES-GCM as it is.
func openChunk(key, chunk []byte) ([]byte, error) {
	block, err := aes.NewCipher(key[:32])
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return gcm.Open(nil, key[32:], chunk, nil)
}

// ghash is AES-GCM (NIST SP 800-38D) in terms of its polynomials, for the nonce of the only chunk.
type ghash struct {
	block cipher.Block
	h     *big.Int
	nonce []byte
}

func newGHASH(t testing.TB, key []byte) ghash {
	t.Helper()
	block, err := aes.NewCipher(key[:32])
	if err != nil {
		t.Fatal(err)
	}
	h := make([]byte, 16)
	block.Encrypt(h, h)
	return ghash{block, elementOf(h), key[32:]}
}

// counter gives the key stream for block i of the plaintext, counted from 1, and for 0 the tag's
// mask.
func (g ghash) counter(i uint32) []byte {
	b := binary.BigEndian.AppendUint32(bytes.Clone(g.nonce), i+1)
	g.block.Encrypt(b, b)
	return b
}

func (g ghash) stream(i uint32, plain []byte) []byte {
	b := g.counter(i)
	for j := range b {
		b[j] ^= plain[j]
	}
	return b
}

func (g ghash) tag(ciphertext []byte) *big.Int {
	sum := new(big.Int)
	lengths := binary.BigEndian.AppendUint64(make([]byte, 8), uint64(8*len(ciphertext)))
	for b := append(bytes.Clone(ciphertext), lengths...); len(b) > 0; b = b[16:] {
		sum = multiply(sum.Xor(sum, elementOf(b[:16])), g.h)
	}
	return sum.Xor(sum, elementOf(g.counter(0)))
}

// elementOf reads a block as an element of GF(2^128). The first bit is the coefficient of x^0,
// which is the lowest bit here.
func elementOf(b []byte) *big.Int {
	v := new(big.Int)
	for i := range 128 {
		v.SetBit(v, i, uint(b[i/8]>>(7-i%8)&1))
	}
	return v
}

func blockOf(v *big.Int) []byte {
	b := make([]byte, 16)
	for i := range 128 {
		b[i/8] |= byte(v.Bit(i)) << (7 - i%8)
	}
	return b
}

// multiply reduces by x^128 + x^7 + x^2 + x + 1.
func multiply(a, b *big.Int) *big.Int {
	product, shifted := new(big.Int), new(big.Int).Set(a)
	modulus := new(big.Int).SetBit(big.NewInt(0x87), 128, 1)
	for i := range 128 {
		if b.Bit(i) == 1 {
			product.Xor(product, shifted)
		}
		if shifted.Lsh(shifted, 1); shifted.Bit(128) == 1 {
			shifted.Xor(shifted, modulus)
		}
	}
	return product
}

// inverse is a^(2^128-2).
func inverse(a *big.Int) *big.Int {
	result, power := big.NewInt(1), a
	for range 127 {
		power = multiply(power, power)
		result = multiply(result, power)
	}
	return result
}

// TestSalamander: for any two data keys there is a chunk that opens under both payload keys. With
// the data key that the file commits to, a reader opens it. With the other, it refuses the file
// before it looks at the chunk.
func TestSalamander(t *testing.T) {
	for i := range 20 {
		m := &maker{t: t}
		p, other, chunk := m.salamander(fmt.Sprint("salamander ", i), fmt.Sprint("other salamander ", i))
		p.chunks, other.chunks = [][]byte{chunk}, [][]byte{chunk}
		for _, c := range []struct {
			file, key *plan
			want      string
		}{{p, p, "opens"}, {p, other, "damaged"}, {other, other, "opens"}, {other, p, "damaged"}} {
			v := &vector{form: "file", body: c.file.file(),
				decrypt:  []answer{{exampleKMSKey, c.file.context, c.file.blob(), c.key.dataKey}},
				released: []released{releasedOf(nil)}}
			if v.expect = c.want; c.want == "opens" {
				v.released[0] = releasedOf(c.file.content)
			} else {
				v.reason = "commitment"
			}
			for _, r := range vectorReaders {
				if r.fits(v) {
					checkReader(t, v, r)
				}
			}
			checkSecondReader(t, v)
		}
	}
}
