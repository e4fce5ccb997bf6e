package format_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

const otherKMSKey = "arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555"

// slotLists are vectors about slot count, slots of KMS keys and slots that no reader knows.
func (m *maker) slotLists() {
	good := func(name, comment string, edit func(p *plan)) {
		m.goodSlots("slots-"+name, comment, edit)
	}
	refusedSlot, unknown := refusedSlot(), unknownSlot
	good("two-keys", "two KMS keys, both of which open",
		func(p *plan) { p.slots = append(p.slots, p.kms(otherKMSKey)) })
	good("same-key-twice", "the same slot twice",
		func(p *plan) { p.slots = append(p.slots, p.slots[0]) })
	good("first-refused", "the key service refuses the first slot and opens the second",
		func(p *plan) { p.slots = append([][]byte{refusedSlot}, p.slots...) })
	good("second-refused", "the key service opens the first slot and would refuse the second",
		func(p *plan) { p.slots = append(p.slots, refusedSlot) })
	good("unknown-first", "a slot of type 3 before the KMS slot: skipped",
		func(p *plan) { p.slots = append([][]byte{unknown(3, 40)}, p.slots...) })
	good("unknown-last", "a slot of type 255 behind the KMS slot: skipped",
		func(p *plan) { p.slots = append(p.slots, unknown(255, 40)) })
	good("unknown-empty", "a slot of type 77 without a body",
		func(p *plan) { p.slots = append(p.slots, unknown(77, 0)) })
	good("unknown-type-0", "a slot of type 0: it has no meaning, so it is skipped like any other",
		func(p *plan) { p.slots = append([][]byte{unknown(0, 7)}, p.slots...) })
	good("count-takes-padding", "five bytes of the padding count as a slot of type 0 without a body",
		func(p *plan) { p.count = 2 })
	good("unknown-large", "a slot of type 100 with 70 000 bytes",
		func(p *plan) { p.slots = append([][]byte{rawSlot(100, make([]byte, 70000))}, p.slots...) })
	good("unknown-like-a-broken-one", "a slot of type 3 whose body would be no KMS slot",
		func(p *plan) { p.slots = append(p.slots, rawSlot(3, []byte("\xff\xff"))) })
	m.privateSlots()
	m.slotCounts()
	m.slotBodies()
	m.dataKeys()
	m.foreignSlots()
	p := m.plan("slots-unknown-only")
	p.slots, p.answers = [][]byte{unknown(3, 40)}, nil
	m.refused("no key", "", "no slot of a type that version 1 has", p, p.file(), 0)
	p = m.plan("slots-refused-only")
	p.slots, p.answers = [][]byte{refusedSlot}, nil
	m.refused("no key", "", "the key service refuses the only slot", p, p.file(), 0)
}

// privateSlots are of the types for private use, which are nobody's here. A reader skips them.
func (m *maker) privateSlots() {
	named := func(kind byte, name, rest string) []byte {
		return rawSlot(kind, append(append([]byte{byte(len(name))}, name...), rest...))
	}
	for _, c := range []struct {
		name, comment string
		slot          []byte
	}{
		{"128", "a slot of type 128, the first for private use, with the name keys.example",
			named(128, "keys.example", "what its owner puts there")},
		{"255-shortest", "a slot of type 255 with a name of three bytes and nothing behind it",
			named(255, "a.b", "")},
		{"longest-name", "a name of 255 bytes", named(200, strings.Repeat("n", 251)+".org", "x")},
		{"no-name", "a private slot without a body: a writer must not, a reader skips it",
			rawSlot(128, nil)},
		{"name-of-2", "a name of two bytes", named(128, "a.", "x")},
		{"name-beyond", "a name that goes beyond the body", rawSlot(128, []byte("\x0dkeys.example"))},
		{"name-not-visible", "a name with an escape character", named(128, "keys\x1b[2J.example", "x")},
	} {
		m.goodSlots("slots-private-"+c.name, c.comment+"; a KMS slot behind it",
			func(p *plan) { p.slots = append([][]byte{c.slot}, p.slots...) })
	}
	p := m.plan("slots-private-only")
	p.slots, p.answers = [][]byte{named(128, "keys.example", "data key?")}, nil
	m.refused("no key", "", "a private slot alone", p, p.file(), 0)
}

func refusedSlot() []byte {
	return rawSlot(1, u16(u16(nil, []byte(otherKMSKey)), stuff("refused", 100)))
}

func unknownSlot(kind byte, size int) []byte { return rawSlot(kind, stuff("unknown", size)) }

func (m *maker) goodSlots(name, comment string, edit func(p *plan)) *vector {
	p := m.plan(name)
	edit(p)
	return m.opens(comment, p)
}

func (m *maker) badSlots(name, comment string, edit func(p *plan)) *vector {
	p := m.plan(name)
	edit(p)
	return m.damaged("header", comment, p)
}

// slotCounts are about how many slots there are, and how many there are said to be.
func (m *maker) slotCounts() {
	good, bad := m.goodSlots, m.badSlots
	crowd := func(n int) func(p *plan) {
		return func(p *plan) {
			p.slots = append(p.slots, slices.Repeat([][]byte{unknownSlot(9, 0)}, n-1)...)
		}
	}
	good("slots-64", "64 slots, the most that a reader takes unasked", crowd(64))
	good("slots-65-allowed", "65 slots, and the reader was told to take so many",
		crowd(65)).option("max-slots", "65")
	good("slots-1000-allowed", "1 000 slots, and the reader was told to take so many",
		crowd(1000)).option("max-slots", "1000")
	bad("slots-66-allowed-65", "66 slots, and the reader was told to take 65",
		crowd(66)).option("max-slots", "65")
	bad("slots-65", "65 slots, one more than a reader takes unasked", crowd(65))
	bad("slots-count-0", "no slot", func(p *plan) { p.slots, p.answers = nil, nil })
	bad("slots-count-0-with-slot", "the count says 0, and there is a slot",
		func(p *plan) { p.count = 0 })
	bad("slots-count-one-less", "the count says 1, and there are two: the second is no padding",
		func(p *plan) { p.slots, p.count = append(p.slots, refusedSlot()), 1 })
	bad("slots-count-over-the-end", "the count says 64, and there is room for 60 slots without a body",
		func(p *plan) { p.count = 64 })
	bad("slots-count-65535", "the count says 65 535",
		func(p *plan) { p.count = 65535 }).option("max-slots", "65535")
}

// slotBodies are about the insides of a slot of type 1.
func (m *maker) slotBodies() {
	beside := func(name, comment, keyID string) { // the key service is not asked for what is no ARN
		p := m.plan("kms-key-id-" + name)
		p.slots = append([][]byte{rawSlot(1, u16(u16(nil, []byte(keyID)), []byte("blob")))}, p.slots...)
		m.opens(comment+", in a slot beside the one that opens", p)
	}
	beside("1", "a KeyId of one byte", "k")
	beside("2048", "a KeyId of 2 048 bytes, the most", strings.Repeat("k", 2048))
	beside("all-visible", "a KeyId of the edges of what is visible, 0x21 to 0x7e",
		"!\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~")
	for _, n := range []int{1, 6144} {
		p := m.plan(fmt.Sprintf("kms-blob-%d", n))
		blob := stuff(p.name, n)
		p.slots = [][]byte{rawSlot(1, u16(u16(nil, []byte(exampleKMSKey)), blob))}
		p.answers = []answer{{exampleKMSKey, p.context, blob, p.dataKey}}
		m.opens(fmt.Sprintf("a CiphertextBlob of %d bytes", n), p)
	}
	m.brokenBodies()
	length := func(name, comment string, n uint32) {
		m.badSlots("kms-length-"+name, comment,
			func(p *plan) { binary.BigEndian.PutUint32(p.slots[0][1:], n) })
	}
	length("beyond-header", "a slot that goes beyond the header", 512)
	length("into-checksum", "a slot that takes in the first byte of the checksum", 512-4-88-5+1)
	length("all-ones", "a slot of 2^32-1 bytes", 1<<32-1)
	length("one-less", "a body length of one less: the body does not end with its last field",
		uint32(2+75+2+32-1))
	length("one-more", "a body length of one more", uint32(2+75+2+32+1))
}

// brokenBodies are slots whose fields are outside their limits, or do not fill the body.
func (m *maker) brokenBodies() {
	body := func(name, comment string, body []byte) {
		m.badSlots("kms-"+name, comment, func(p *plan) { p.slots = [][]byte{rawSlot(1, body)} })
	}
	key, blob := []byte(exampleKMSKey), stuff("blob", 32)
	body("no-body", "a KMS slot without a body", nil)
	body("key-id-0", "an empty KeyId", u16(u16(nil, nil), blob))
	body("key-id-2049", "a KeyId of 2 049 bytes", u16(u16(nil, bytes.Repeat([]byte{'k'}, 2049)), blob))
	body("blob-0", "an empty CiphertextBlob", u16(u16(nil, key), nil))
	body("blob-6145", "a CiphertextBlob of 6 145 bytes", u16(u16(nil, key), stuff("blob", 6145)))
	body("no-blob", "the body ends behind the KeyId", u16(nil, key))
	body("byte-behind", "a zero byte behind the CiphertextBlob", append(u16(u16(nil, key), blob), 0))
	body("blob-too-long", "the length of the CiphertextBlob goes one byte beyond the body",
		binary.BigEndian.AppendUint16(u16(nil, key), 1))
	body("key-id-too-long", "the length of the KeyId goes beyond the body", []byte{255, 255, 'k'})
	for name, c := range map[string]byte{"space": ' ', "line-feed": '\n', "escape": 0x1b, "nul": 0,
		"delete": 0x7f, "0x80": 0x80, "0xff": 0xff} {
		body("key-id-"+name, fmt.Sprintf("a KeyId with the byte 0x%02x", c),
			u16(u16(nil, append(append([]byte("arn:"), c), key...)), blob))
	}
}

// dataKeys are about what the key service answers.
func (m *maker) dataKeys() {
	for _, n := range []int{32, 33, 64, 1024} {
		p := m.plan(fmt.Sprintf("data-key-%d", n))
		p.dataKey = stuff(p.name, n)
		m.opens(fmt.Sprintf("a data key of %d bytes", n), p.bind())
	}
	for _, n := range []int{0, 1, 16, 31, 1025} {
		p := m.plan(fmt.Sprintf("data-key-%d", n))
		p.dataKey = stuff(p.name, n)
		p.bind()
		m.refused("no key", "", fmt.Sprintf(
			"a data key of %d bytes: the file was sealed with it, and must not be opened with it", n), p,
			p.file(), 0)
	}
	p := m.plan("data-key-wrong")
	p.answers[0].plaintext = fixed("data key", "another")
	m.damaged("commitment", "the key service answers with another data key", p)
	p = m.plan("data-key-longer")
	p.answers[0].plaintext = append(bytes.Clone(p.dataKey), 0)
	m.damaged("commitment", "the right data key and a zero byte: HMAC would take both for one up to its block size, were the key not its message", p)
	p = m.plan("data-key-swapped-with-file-id")
	p.answers[0].plaintext = p.fileID
	m.damaged("commitment", "the file id instead of the data key", p)
}

// foreign is a slot put in by somebody who may encrypt under a key that the reader may use. It
// opens to a data key that is not the file's.
func (p *plan) foreign(keyID, what string, dataKey []byte) []byte {
	blob := fixed("blob", p.name+" "+what)
	p.answers = append(p.answers, answer{keyID, p.context, blob, dataKey})
	return rawSlot(1, u16(u16(nil, []byte(keyID)), blob))
}

// foreignSlots are about slots that give a data key that is not the file's. The file's own slot
// opens it all the same. Without that one, nothing does.
func (m *maker) foreignSlots() {
	another := func(p *plan, what string) []byte { return fixed("data key", p.name+" "+what) }
	good := func(name, comment string, slots func(p *plan) [][]byte) {
		m.goodSlots("slots-foreign-"+name, comment,
			func(p *plan) { p.slots = append(slots(p), p.slots...) }).option("level", "should")
	}
	good("first", "the first slot opens to a data key that is not the file's, under another key of the reader; the second is right", func(p *plan) [][]byte {
		return [][]byte{p.foreign(otherKMSKey, "foreign", another(p, "foreign"))}
	})
	good("of-same-key", "the first slot opens to a data key that is not the file's, under the file's own key; the second is right", func(p *plan) [][]byte {
		return [][]byte{p.foreign(exampleKMSKey, "foreign", another(p, "foreign"))}
	})
	good("two",
		"the first two slots open to two data keys that are not the file's; the third is right",
		func(p *plan) [][]byte {
			return [][]byte{p.foreign(otherKMSKey, "one", another(p, "one")),
				p.foreign(exampleKMSKey, "two", another(p, "two"))}
		})
	good("of-another-file",
		"the first slot was taken from another file with the same context; the second is right",
		func(p *plan) [][]byte {
			other := m.plan(p.name + " other")
			p.answers = append(p.answers, other.answers...)
			return other.slots
		})
	good("no-data-key", "the first slot opens to 16 bytes, which are no data key; the second is right",
		func(p *plan) [][]byte {
			return [][]byte{p.foreign(otherKMSKey, "foreign", another(p, "foreign")[:16])}
		})
	alone := func(name, comment string, slots func(p *plan) [][]byte) {
		p := m.plan("slots-foreign-" + name)
		p.answers = nil
		p.slots = slots(p)
		m.damaged("commitment", comment, p)
	}
	alone("only", "two slots, and neither opens to the file's data key", func(p *plan) [][]byte {
		return [][]byte{p.foreign(otherKMSKey, "one", another(p, "one")),
			p.foreign(exampleKMSKey, "two", another(p, "two"))}
	})
	alone("and-refused", "the first slot opens to a data key that is not the file's, and the key service refuses the second: the first has more to say", func(p *plan) [][]byte {
		return [][]byte{p.foreign(exampleKMSKey, "foreign", another(p, "foreign")), refusedSlot()}
	})
}
