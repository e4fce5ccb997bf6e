package format_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
)

// pairSlot is the body of a slot of type 2 in its parts.
type pairSlot struct {
	scheme       byte
	id           []byte
	sealed, blob []byte
	keyID        string
	context      []byte
}

func (s pairSlot) body() []byte {
	b := u16(append([]byte{s.scheme}, s.id...), s.sealed)
	return u16(u16(u16(b, []byte(s.keyID)), s.blob), s.context)
}

// pairPlan begins a file with the slot of one scheme. Its descriptor is that of the worked example,
// to which the examples of all schemes are sealed.
func (m *maker) pairPlan(name string, scheme int) (*plan, pairSlot) {
	ex, example := readExample(m.t), readPairExamples(m.t).Schemes[scheme-1]
	p := m.plan("pair-" + name)
	p.log, p.fileID, p.dataKey, p.context = 16, ex["file-id"], ex["data-key"],
		rawContext("app", "web", "env", "prod")
	id, err := hex.DecodeString(example.PublicKeyID)
	if err != nil {
		m.t.Fatal(err)
	}
	s := pairSlot{byte(scheme), id, example.SealedDataKey, fixed("private key blob", example.Name),
		examplePairKey, rawContext("team", "backup")}
	p.answers = []answer{{s.keyID, s.context, s.blob, example.PrivateKey}}
	p.slots = [][]byte{rawSlot(2, s.body())}
	return p, s
}

// pairs are vectors about slots of data key pairs.
func (m *maker) pairs() {
	for scheme := 1; scheme <= 6; scheme++ {
		name := readPairExamples(m.t).Schemes[scheme-1].Name
		p, _ := m.pairPlan(name, scheme)
		m.opens("a slot of scheme "+name, p)

		p, s := m.pairPlan(name+"-sealed-altered", scheme)
		s.sealed = bytes.Clone(s.sealed)
		s.sealed[len(s.sealed)-1] ^= 1
		p.slots = [][]byte{rawSlot(2, s.body())}
		m.damaged("", "the last bit of the sealed data key was changed", p)

		p, _ = m.pairPlan(name+"-moved", scheme)
		p.fileID = fixed("file id", p.name)
		m.damaged("", "the slot is sealed for another file: info has D", p)

		p, s = m.pairPlan(name+"-cut", scheme)
		s.sealed = s.sealed[:len(s.sealed)-1]
		p.slots = [][]byte{rawSlot(2, s.body())}
		m.damaged("", "the sealed data key is one byte short", p)
	}
	m.pairCompany()
	m.pairFields()
	m.pairKeys()
	m.pairPoints()
	m.pairRSA()
	m.foreignPairs()
}

// pairCompany are files in which the slot of a pair is not alone, or not the one that opens.
func (m *maker) pairCompany() {
	with := func(name, comment string, edit func(p *plan, s pairSlot)) {
		p, s := m.pairPlan(name, 2)
		edit(p, s)
		m.opens(comment, p)
	}
	kms := func(p *plan) []byte {
		slot := rawSlot(1, u16(u16(nil, []byte(exampleKMSKey)), p.blob()))
		p.answers = append(p.answers, answer{exampleKMSKey, p.context, p.blob(), p.dataKey})
		return slot
	}
	with("and-kms", "a KMS slot and one of a pair, both of which open",
		func(p *plan, _ pairSlot) { p.slots = append(p.slots, kms(p)) })
	with("kms-refused", "the key service knows the private key, and not the KMS slot",
		func(p *plan, _ pairSlot) {
			p.slots = append([][]byte{kms(p)}, p.slots...)
			p.answers = p.answers[:1]
		})
	with("refused-kms-opens", "the key service refuses the private key, and opens the KMS slot",
		func(p *plan, _ pairSlot) {
			p.slots = append(p.slots, kms(p))
			p.answers = p.answers[1:]
		})
	for _, scheme := range []byte{0, 7, 255} {
		with(fmt.Sprintf("scheme-%d-skipped", scheme),
			fmt.Sprintf("scheme %d, which version 1 does not have, and a KMS slot", scheme),
			func(p *plan, s pairSlot) {
				s.scheme = scheme
				p.slots, p.answers = [][]byte{rawSlot(2, s.body()), kms(p)}, p.answers[1:]
			})
	}
	with("context-empty", "a pair that was made with the empty context", func(p *plan, s pairSlot) {
		s.context = rawContext()
		p.slots, p.answers[0].context = [][]byte{rawSlot(2, s.body())}, s.context
	})
	with("limits",
		"KeyId and PrivateKeyCiphertextBlob as long as they may be, in a slot beside the one that opens",
		func(p *plan, s pairSlot) {
			s.keyID, s.blob = string(bytes.Repeat([]byte{'k'}, 2048)), stuff("private key blob", 6144)
			p.slots = append(p.slots, rawSlot(2, s.body()))
		})
}

// pairFields are slots that are malformed, which a reader finds before it asks anybody.
func (m *maker) pairFields() {
	bad := func(name, comment string, edit func(s *pairSlot)) {
		p, s := m.pairPlan(name, 2)
		edit(&s)
		p.slots = [][]byte{rawSlot(2, s.body())}
		m.damaged("header", comment, p)
	}
	bad("sealed-0", "an empty sealed data key", func(s *pairSlot) { s.sealed = nil })
	bad("key-id-0", "an empty KeyId", func(s *pairSlot) { s.keyID = "" })
	bad("key-id-2049", "a KeyId of 2 049 bytes",
		func(s *pairSlot) { s.keyID = string(bytes.Repeat([]byte{'k'}, 2049)) })
	bad("key-id-escape", "a KeyId with an escape character",
		func(s *pairSlot) { s.keyID = "\x1b[31m" + s.keyID })
	bad("blob-0", "an empty PrivateKeyCiphertextBlob", func(s *pairSlot) { s.blob = nil })
	bad("blob-6145", "a PrivateKeyCiphertextBlob of 6 145 bytes",
		func(s *pairSlot) { s.blob = stuff("private key blob", 6145) })
	bad("context-no-bytes", "a pair context of no bytes", func(s *pairSlot) { s.context = nil })
	bad("context-order", "a pair context that is out of order",
		func(s *pairSlot) { s.context = rawContext("b", "1", "a", "2") })
	bad("context-byte-behind", "a zero byte behind the pair context",
		func(s *pairSlot) { s.context = append(s.context, 0) })
	bad("scheme-7-context-order", "an unknown scheme keeps the layout, so its context counts, too",
		func(s *pairSlot) { s.scheme, s.context = 7, rawContext("b", "1", "a", "2") })
	bad("scheme-0-malformed", "an unknown scheme keeps the layout, so its fields count, too",
		func(s *pairSlot) { s.scheme, s.keyID = 0, "" })
	raw := func(name, comment string, body func(b []byte) []byte) {
		p, s := m.pairPlan(name, 2)
		p.slots = [][]byte{rawSlot(2, body(s.body()))}
		m.damaged("header", comment, p)
	}
	raw("byte-behind", "a byte behind the last field", func(b []byte) []byte { return append(b, 0) })
	raw("byte-missing", "the last byte of the body is missing",
		func(b []byte) []byte { return b[:len(b)-1] })
	raw("no-body", "no body", func([]byte) []byte { return nil })
	raw("id-cut", "the body ends in the public key id", func(b []byte) []byte { return b[:20] })
	raw("sealed-too-long", "the length of the sealed data key goes beyond the body",
		func(b []byte) []byte {
			b = bytes.Clone(b)
			binary.BigEndian.PutUint16(b[33:], 0xffff)
			return b
		})
}

// pairKeys are about private keys that are not those of the slot.
func (m *maker) pairKeys() {
	examples := readPairExamples(m.t).Schemes
	for scheme := 1; scheme <= 6; scheme++ {
		other := scheme%6 + 1
		p, _ := m.pairPlan(fmt.Sprintf("%s-key-of-%s",
			examples[scheme-1].Name, examples[other-1].Name), scheme)
		p.answers[0].plaintext = examples[other-1].PrivateKey
		m.damaged("", "the key service answers with a private key of another scheme", p)

		p, s := m.pairPlan(fmt.Sprintf("%s-called-%s",
			examples[scheme-1].Name, examples[other-1].Name), scheme)
		s.scheme = byte(other)
		p.slots = [][]byte{rawSlot(2, s.body())}
		m.damaged("", "the slot names another scheme than that of its key", p)
	}
	answered := func(name, comment string, scheme int, key func(der []byte) []byte) {
		p, _ := m.pairPlan(name, scheme)
		p.answers[0].plaintext = key(bytes.Clone(p.answers[0].plaintext))
		m.damaged("", comment, p)
	}
	answered("key-empty", "the key service answers with nothing", 2,
		func([]byte) []byte { return nil })
	answered("key-cut", "the private key is cut off", 2, func(b []byte) []byte { return b[:len(b)/2] })
	answered("key-text", "the private key is no DER", 2,
		func([]byte) []byte { return []byte("-----BEGIN PRIVATE KEY-----") })
	answered("key-other-scalar", "another private key of the same kind", 2, func(b []byte) []byte {
		return replaceOnce(m, b, bytes.Repeat([]byte{0x42}, 32), bytes.Repeat([]byte{0x43}, 32))
	})
	answered("key-mlkem-without-seed",
		"an ML-KEM private key that is not in the seed form: tag 0x04 instead of 0x80", 5,
		func(b []byte) []byte { return replaceOnce(m, b, []byte{0x80, 0x40}, []byte{0x04, 0x40}) })
}

// pairPoints are about slots whose fields are well-formed, and good for nothing.
func (m *maker) pairPoints() {
	p, s := m.pairPlan("p256-point-not-on-curve", 2)
	s.sealed = slices.Concat([]byte{4}, bytes.Repeat([]byte{7}, 64), s.sealed[65:])
	p.slots = [][]byte{rawSlot(2, s.body())}
	m.damaged("", "enc is no point of the curve", p)
	p, s = m.pairPlan("p256-compressed-point", 2)
	s.sealed = slices.Concat([]byte{2 + s.sealed[64]&1}, s.sealed[1:33], s.sealed[65:])
	p.slots = [][]byte{rawSlot(2, s.body())}
	m.damaged("", "enc is a compressed point", p)
	p, s = m.pairPlan("public-key-id", 2)
	id := sha256.Sum256([]byte("another"))
	s.id = id[:]
	p.slots = [][]byte{rawSlot(2, s.body())}
	m.damaged("", "the public key id is not that of the private key", p).option("level", "should")
	p, s = m.pairPlan("scheme-unknown-only", 2)
	s.scheme, p.answers = 7, nil
	p.slots = [][]byte{rawSlot(2, s.body())}
	m.refused("no key", "", "the only slot has a scheme that version 1 does not have", p, p.file(), 0)
	p, _ = m.pairPlan("private-key-refused", 2)
	p.answers = nil
	m.refused("no key", "", "the key service refuses the private key", p, p.file(), 0)
}

func replaceOnce(m *maker, b, from, to []byte) []byte {
	if bytes.Count(b, from) != 1 {
		m.t.Fatalf("%x is in %x %d times", from, b, bytes.Count(b, from))
	}
	return bytes.Replace(b, from, to, 1)
}
