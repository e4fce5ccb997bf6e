package format_test

import (
	"bytes"
	"slices"
)

// rewraps are about headers that were written again, rightly or by somebody who mixes files.
func (m *maker) rewraps() {
	slot := func(p *plan, keyID string) []byte { return p.kms(keyID) }
	good := func(name, comment string, change func(p *plan)) {
		p := m.plan("rewrap-" + name)
		p.content = stuff(p.name, specChunk+1)
		p.size = 1024
		change(p)
		m.opens(comment, p)
	}
	good("key-replaced", "another key in place of the first, in the same header length",
		func(p *plan) { p.answers = nil; p.slots = [][]byte{slot(p, otherKMSKey)} })
	good("key-added", "a key added, in the same header length",
		func(p *plan) { p.slots = append(p.slots, slot(p, otherKMSKey)) })
	good("header-longer", "a header of 8 KiB: the payload has moved", func(p *plan) { p.size = 8192 })
	good("header-shorter", "a header of 256 bytes less", func(p *plan) { p.size = 768 })
	good("unknown-kept", "a slot that the re-wrapper did not know, kept",
		func(p *plan) { p.slots = append([][]byte{rawSlot(42, []byte("kept"))}, p.slots...) })
	p := m.plan("rewrap-torn")
	p.size = 1024
	old := p.header()
	p.slots, p.answers = nil, nil
	p.slots = [][]byte{p.kms(otherKMSKey)}
	m.refused("damaged", "header",
		"the first 150 bytes of a new header over the old one: a crash in between", p,
		slices.Concat(p.header()[:150], old[150:], p.payload()), 0)

	m.mixed()
}

// mixed are files that somebody put together from two.
func (m *maker) mixed() {
	mixed := func(name, comment, reason string, good int, body func(p, other *plan) []byte) {
		p, other := m.plan("mixed-"+name), m.plan("mixed-other-"+name)
		p.content, other.content = stuff("mixed", specChunk+1), stuff("mixed other", specChunk+1)
		b := body(p, other)
		p.answers = append(p.answers, other.answers...) // whoever opens it holds the keys of both files
		m.refused("damaged", reason, comment, p, b, good)
	}
	mixed("slots", "the slots of another file", "commitment", 0,
		func(p, other *plan) []byte { p.slots = other.slots; return p.file() })
	mixed("header", "the whole header of another file", "altered", 0,
		func(p, other *plan) []byte { return append(other.header(), p.payload()...) })
	mixed("descriptor", "the descriptor of another file", "commitment", 0,
		func(p, other *plan) []byte {
			payload := p.payload()
			p.commitment, _ = p.keys()
			p.fileID = other.fileID
			return append(p.header(), payload...)
		})
	mixed("commitment", "the commitment of another file", "commitment", 0,
		func(p, other *plan) []byte { p.commitment, _ = other.keys(); return p.file() })
	mixed("slots-and-commitment", "slots and commitment of another file", "commitment", 0,
		func(p, other *plan) []byte {
			p.slots = other.slots
			p.commitment, _ = other.keys()
			return p.file()
		})
	mixed("descriptor-and-commitment", "descriptor and commitment of another file, so that its data key is the right one; the key service gives that of the slots",
		"commitment", 0, func(p, other *plan) []byte {
			payload := p.payload()
			p.commitment, _ = other.keys()
			p.fileID = other.fileID
			return append(p.header(), payload...)
		})
	mixed("payload-last-chunk", "the last chunk of another file", "altered", 1,
		func(p, other *plan) []byte {
			return slices.Concat(p.header(), p.sealed()[0], other.sealed()[1])
		})
}

// salamanders are files whose chunk opens under two keys.
func (m *maker) salamanders() {
	p, other, chunk := m.salamander("salamander-first-key", "salamander-second-key")
	p.chunks = [][]byte{chunk}
	m.opens(
		"the only chunk opens under two payload keys; this data key is the one that the file commits to",
		p)

	q := *p
	q.name = "salamander-key-service"
	q.answers = []answer{{exampleKMSKey, p.context, p.blob(), other.dataKey}}
	m.refused("damaged", "commitment", "the same file, and the key service answers with the second data key, under which the chunk opens, too", &q, p.file(), 0)

	q = *p
	q.name = "salamander-second-slot"
	q.slots = append([][]byte{rawSlot(1, u16(u16(nil, []byte(otherKMSKey)), []byte("second")))},
		p.slots...)
	q.answers = []answer{{otherKMSKey, p.context, []byte("second"), other.dataKey}}
	m.refused("damaged", "commitment",
		"a slot for each of the two data keys: who can open the second gets nothing", &q, q.file(), 0)

	q = *p
	q.name = "salamander-second-commitment"
	q.commitment, _ = other.keys()
	m.refused("damaged", "commitment",
		"the commitment is that of the second data key, the slot gives the first", &q, q.file(), 0)

	other.chunks = p.chunks
	m.opens("the file commits to the second data key: another plaintext comes out of the same chunk",
		other)
}

// salamander makes two plans with one descriptor, two data keys and one chunk that opens under
// both.
func (m *maker) salamander(name, second string) (p, other *plan, chunk []byte) {
	p = m.plan(name)
	other = m.plan(second)
	other.fileID, other.context = p.fileID, p.context
	_, key := p.keys()
	_, key2 := other.keys()
	chunk = twoKeyChunk(m.t, key, key2, []byte("Pay 10 to Alice."), []byte("Pay 99 to Mallo."))
	for _, x := range []struct {
		p   *plan
		key []byte
	}{{p, key}, {other, key2}} {
		plain, err := openChunk(x.key, chunk)
		if err != nil {
			m.t.Fatalf("%s: the chunk does not open: %v", x.p.name, err)
		}
		x.p.content = plain
	}
	if bytes.Equal(p.content, other.content) {
		m.t.Fatal("both keys give the same plaintext")
	}
	return p, other, chunk
}
