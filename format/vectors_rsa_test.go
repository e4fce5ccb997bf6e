package format_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"math/big"
)

// mgf1 is MGF1 with SHA-256 (RFC 8017, B.2.1).
func mgf1(seed []byte, size int) []byte {
	var mask []byte
	for i := uint32(0); len(mask) < size; i++ {
		sum := sha256.Sum256(binary.BigEndian.AppendUint32(bytes.Clone(seed), i))
		mask = append(mask, sum[:]...)
	}
	return mask[:size]
}

func xor(a, b []byte) []byte {
	out := bytes.Clone(a)
	for i := range out {
		out[i] ^= b[i]
	}
	return out
}

// sealRSA is RSAES-OAEP (RFC 8017, 7.1.1) with a given seed, which package rsa does not take.
func sealRSA(public *rsa.PublicKey, label, seed, dataKey []byte) []byte {
	size := public.Size()
	hash := sha256.Sum256(label)
	db := make([]byte, size-1-len(seed))
	copy(db, hash[:])
	copy(db[len(db)-len(dataKey):], dataKey)
	db[len(db)-len(dataKey)-1] = 1
	db = xor(db, mgf1(seed, len(db)))
	message := append(xor(seed, mgf1(db, len(seed))), db...)
	number := new(big.Int).SetBytes(message)
	return number.Exp(number, big.NewInt(int64(public.E)), public.N).FillBytes(make([]byte, size))
}

// rsaPlan is a plan with the pair of scheme 1, and its public key.
func (m *maker) rsaPlan(name string) (*plan, pairSlot, *rsa.PublicKey) {
	p, s := m.pairPlan(name, 1)
	public, err := x509.ParsePKIXPublicKey(readPairExamples(m.t).Schemes[0].PublicKey)
	if err != nil {
		m.t.Fatal(err)
	}
	return p, s, public.(*rsa.PublicKey)
}

// pairRSA are about the size of a sealed data key of scheme 1, which may be small as a number, and
// about sizes of data keys.
func (m *maker) pairRSA() {
	info := readExample(m.t)["info"]
	edited := func(name string, edit func(sealed []byte, n *big.Int) []byte) *plan {
		p, s, public := m.rsaPlan("rsa-" + name)
		for i := 0; i == 0 || s.sealed[0] != 0; i++ { // one of 256 begins so
			s.sealed = sealRSA(public, info, fixed("seed", fmt.Sprint("leading zero ", i)), p.dataKey)
		}
		s.sealed = edit(s.sealed, public.N)
		p.slots = [][]byte{rawSlot(2, s.body())}
		return p
	}
	m.opens("the sealed data key begins with a zero byte",
		edited("leading-zero", func(b []byte, _ *big.Int) []byte { return b }))
	m.damaged("", "the sealed data key lacks its leading zero byte: the same number, but not of the size of the modulus",
		edited("leading-zero-missing", func(b []byte, _ *big.Int) []byte { return b[1:] }))
	m.damaged("",
		"a zero byte before the sealed data key: the same number, but not of the size of the modulus",
		edited("zero-before", func(b []byte, _ *big.Int) []byte { return append([]byte{0}, b...) }))
	m.damaged("",
		"the modulus was added to the sealed data key: of the right size, but not below the modulus",
		edited("plus-modulus", func(b []byte, n *big.Int) []byte {
			// panics if it does not fit
			return new(big.Int).Add(new(big.Int).SetBytes(b), n).FillBytes(make([]byte, len(b)))
		}))
	sized := func(n int) *plan {
		p, s, public := m.rsaPlan(fmt.Sprintf("rsa-data-key-%d", n))
		p.dataKey = stuff(p.name, n)
		s.sealed = sealRSA(public, info, fixed("seed", p.name), p.dataKey)
		p.slots = [][]byte{rawSlot(2, s.body())}
		return p
	}
	m.opens("a data key of 190 bytes, the most that RSA_2048 takes", sized(190))
	for _, n := range []int{0, 31} {
		m.damaged("", fmt.Sprintf("a data key of %d bytes, sealed to a pair: the file was sealed with it, and must not be opened with it", n), sized(n))
	}
}

// foreignPairs are about slots of pairs that do not give the file's data key, before one that does.
func (m *maker) foreignPairs() {
	p, s, public := m.rsaPlan("foreign-first")
	own := s.body()
	s.sealed = sealRSA(public, readExample(m.t)["info"], fixed("seed", p.name),
		fixed("data key", p.name+" foreign"))
	p.slots = [][]byte{rawSlot(2, s.body()), rawSlot(2, own)}
	m.opens("the first slot opens to a data key that is not the file's, sealed to the same pair; the second is right", p).option("level", "should")

	p, s, _ = m.rsaPlan("altered-first")
	own = s.body()
	s.sealed = bytes.Clone(s.sealed)
	s.sealed[len(s.sealed)-1] ^= 1
	p.slots = [][]byte{rawSlot(2, s.body()), rawSlot(2, own)}
	m.opens(
		"the first slot does not open: a bit of its sealed data key was changed; the second is right",
		p).option("level", "should")
}
