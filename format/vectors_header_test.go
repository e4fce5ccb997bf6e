package format_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
	"slices"
)

// headerFields are fixed fields of the header that somebody changed.
var headerFields = []struct {
	name, comment, expect string
	edit                  func(p *plan)
}{
	{"suite-0", "suite 0", "newer", func(p *plan) { p.suite = 0 }},
	{"suite-1", "suite 1, of the time before the first release", "pre-release",
		func(p *plan) { p.suite = 1 }},
	{"suite-3", "suite 3", "newer", func(p *plan) { p.suite = 3 }},
	{"suite-255", "suite 255", "newer", func(p *plan) { p.suite = 255 }},
	{"suite-1-rotten", "suite 1 and a wrong checksum", "damaged",
		func(p *plan) { p.suite, p.checksum = 1, plusOne }},
	{"suite-3-rotten", "suite 3 and a wrong checksum: a rotten byte must not pass for a newer version",
		"damaged", func(p *plan) { p.suite, p.checksum = 3, plusOne }},
	{"compression-2", "compression 2", "newer", func(p *plan) { p.compression = 2 }},
	{"compression-255", "compression 255", "newer", func(p *plan) { p.compression = 255 }},
	{"compression-2-rotten", "compression 2 and a wrong checksum", "damaged",
		func(p *plan) { p.compression, p.checksum = 2, plusOne }},
	{"compression-set", "compression said to be zstd by somebody without the key", "damaged",
		func(p *plan) { c, _ := p.keys(); p.chunks = p.sealed(); p.commitment, p.compression = c, 1 }},
	{"chunk-size-0", "chunks of 2^0 bytes", "newer", func(p *plan) { p.log = 0 }},
	{"chunk-size-11", "chunks of 2^11 bytes, one below the least", "newer",
		func(p *plan) { p.log = 11 }},
	{"chunk-size-25", "chunks of 2^25 bytes, one above the most", "newer",
		func(p *plan) { p.log = 25 }},
	{"chunk-size-25-rotten", "chunks of 2^25 bytes and a wrong checksum", "damaged",
		func(p *plan) { p.log, p.checksum = 25, plusOne }},
	{"chunk-size-64", "chunks of 2^64 bytes", "newer", func(p *plan) { p.log = 64 }},
	{"chunk-size-255", "chunks of 2^255 bytes", "newer", func(p *plan) { p.log = 255 }},
	{"chunk-size-changed", "another chunk size than the file was sealed with", "damaged",
		func(p *plan) { c, _ := p.keys(); p.chunks = p.sealed(); p.commitment, p.log = c, 13 }},
	{"reserved-1", "the reserved byte is 1", "newer", func(p *plan) { p.reserved = 1 }},
	{"reserved-1-rotten", "the reserved byte is 1, and a wrong checksum", "damaged",
		func(p *plan) { p.reserved, p.checksum = 1, plusOne }},
	{"reserved-128", "the reserved byte is 0x80", "newer", func(p *plan) { p.reserved = 0x80 }},
	{"file-id-changed", "one bit of the file id was changed after sealing", "damaged", func(p *plan) {
		c, _ := p.keys()
		p.chunks, p.commitment, p.fileID = p.sealed(), c,
			slices.Concat([]byte{p.fileID[0] ^ 1}, p.fileID[1:])
	}},
	{"commitment-zero", "a commitment of zeros", "damaged",
		func(p *plan) { p.commitment = make([]byte, 32) }},
	{"commitment-flipped", "one bit of the commitment changed", "damaged",
		func(p *plan) { p.commitment, _ = p.keys(); p.commitment[31] ^= 1 }},
	{"commitment-first-half", "only the first half of the commitment is right", "damaged",
		func(p *plan) { p.commitment, _ = p.keys(); clear(p.commitment[16:]) }},
	{"checksum-off-by-one", "the checksum is one more", "damaged",
		func(p *plan) { p.checksum = plusOne }},
	{"checksum-zero", "a checksum of zero", "damaged",
		func(p *plan) { p.checksum = func(uint32) uint32 { return 0 } }},
	{"checksum-little-endian", "the checksum is little-endian", "damaged",
		func(p *plan) { p.checksum = bits.ReverseBytes32 }},
	{"checksum-not-inverted", "a CRC-32C without the final XOR", "damaged",
		func(p *plan) { p.checksum = func(right uint32) uint32 { return ^right } }},
	{"checksum-ieee", "the CRC-32 of IEEE 802.3 instead of CRC-32C", "damaged", func(p *plan) {
		h := p.header()
		p.checksum = func(uint32) uint32 { return crc32.ChecksumIEEE(h[:len(h)-4]) }
	}},
	{"checksum-of-all-but-padding", "the checksum leaves out the padding", "damaged", func(p *plan) {
		h := bytes.TrimRight(p.header()[:508], "\x00")
		p.checksum = func(uint32) uint32 { return crc32.Checksum(h, crc32.MakeTable(crc32.Castagnoli)) }
	}},
}

// headers are vectors about the header as a whole and the fixed fields of the descriptor.
func (m *maker) headers() {
	m.beginnings()
	for i, c := range headerFields {
		p := m.plan(fmt.Sprintf("header-%02d-%s", i, c.name))
		c.edit(p)
		reason := "header"
		if p.commitment != nil {
			reason = "commitment"
		}
		if c.expect != "damaged" {
			reason = ""
		}
		m.refused(c.expect, reason, c.comment, p, p.file(), 0)
	}
	for log := byte(12); log <= 24; log++ {
		p := m.plan(fmt.Sprintf("chunk-size-%d", log))
		p.log = log
		m.opens(fmt.Sprintf("chunks of 2^%d bytes", log), p)
	}
	m.lengths()
}

func plusOne(right uint32) uint32 { return right + 1 }

// beginnings are about the first bytes, and about headers that end too early.
func (m *maker) beginnings() {
	raw := func(name, comment, expect string, body []byte) {
		p := m.plan(name)
		p.answers = nil
		m.refused(expect, "", comment, p, body, 0)
	}
	raw("magic-empty", "an empty file", "foreign", nil)
	raw("magic-zeros", "zeros", "foreign", make([]byte, 600))
	raw("magic-text", "text", "foreign", []byte("envsea, almost\n"))
	raw("magic-upper-case", "the magic in upper case", "foreign",
		[]byte("ENVSEAL\x01"+string(make([]byte, 600))))
	raw("magic-behind-byte-order-mark", "a UTF-8 byte order mark before the magic", "foreign",
		append([]byte("\xef\xbb\xbf"), m.plan("bom").file()...))
	raw("magic-one-byte", "the first byte of the magic", "damaged", []byte("e"))
	raw("magic-without-version", "the magic without the version byte", "damaged", []byte("envseal"))
	for _, version := range []byte{0, 2, 255} {
		p := m.plan(fmt.Sprintf("version-%d", version))
		p.magic = "envseal" + string([]byte{version})
		m.refused("newer", "", fmt.Sprintf("version byte %d", version), p, p.file(), 0)
	}
	p := m.plan("version-2-short")
	m.refused("newer", "", "version 2, and nothing behind it: nothing more can be said", p,
		[]byte("envseal\x02"), 0)
	whole := m.plan("header-cut").file()
	for _, cut := range []struct {
		at   int
		what string
	}{
		{8, "the magic"}, {9, "the suite"}, {10, "the chunk size"}, {11, "the compression"},
		{12, "the reserved byte"}, {30, "half of the file id"}, {44, "the file id"},
		{46, "half of the context length"}, {48, "the context length"}, {49, "half of the context"},
		{50, "the context"}, {66, "half of the commitment"}, {82, "the commitment"},
		{84, "half of the header length"}, {86, "the header length"}, {88, "the slot count"},
		{89, "the slot type"}, {93, "the length of the slot"}, {130, "a piece of the slot"},
		{300, "a piece of the padding"}, {508, "the padding"},
		{511, "all but the last byte of the header"}, {512, "the header"},
	} {
		p := m.plan(fmt.Sprintf("header-cut-%03d", cut.at))
		p.answers = m.plan("header-cut").answers
		m.refused("damaged", "truncated", "the file ends behind "+cut.what, p, whole[:cut.at], 0)
	}
}

// lengths are about header length, slot count and padding.
func (m *maker) lengths() {
	size := func(name, comment string, edit func(p *plan)) {
		p := m.plan(name)
		edit(p)
		m.opens(comment, p)
	}
	size("header-smallest", "a header of 256 bytes, the least",
		func(p *plan) { p.padding = make([]byte, 256-208) })
	size("header-no-padding", "no byte of padding", func(p *plan) { p.fill() })
	size("header-large-padding", "16 KiB of header, most of them padding",
		func(p *plan) { p.size = 16 << 10 })
	bad := func(name, comment string, length int) {
		p := m.plan("header-length-" + name)
		p.headerLen = length
		reason := "header"
		if length > 512 && length%256 == 0 && length <= 16<<20 {
			reason = "truncated"
		}
		m.damaged(reason, comment, p)
	}
	bad("0", "header length 0", 0)
	bad("256", "a header length that ends inside a slot", 256)
	bad("511", "a header length that is no multiple of 256", 511)
	bad("less-than-fields", "a header length that the fields before the slots do not fit into", 0x50)
	bad("16MiB", "16 MiB of header, the most; they are not there", 16<<20)
	bad("over-16MiB", "256 bytes more than the most", 16<<20+256)
	bad("all-ones", "header length 2^32-1", 1<<32-1)
	bad("top-256", "header length 2^32-256, a multiple of 256", 1<<32-256)
	bad("swapped", "a little-endian header length: 0x00020000", 0x00020000)
	for at, name := range map[int]string{0: "first", 100: "middle", -1: "last"} {
		p := m.plan("padding-" + name + "-byte")
		p.padding = make([]byte, 512-4-len(p.descriptor())-32-6-len(p.slots[0]))
		p.padding[(at+len(p.padding))%len(p.padding)] = 1
		m.damaged("header", "the "+name+" byte of the padding is not zero", p)
	}
	p := m.plan("padding-of-ones")
	p.padding = bytes.Repeat([]byte{0xff}, 512-4-len(p.descriptor())-32-6-len(p.slots[0]))
	m.damaged("header", "all bytes of the padding are 0xff", p)
	m.moved()
}

// moved is about a header length that is well-formed, but moves the payload.
func (m *maker) moved() {
	p := m.plan("header-length-takes-payload")
	p.content = stuff(p.name, 4096)
	h := p.header()
	payload := p.payload()
	// the header length grows over the first 256 bytes of the payload, and their last four become a
	// right checksum
	longer := append(bytes.Clone(h[:len(h)-4]), payload[:256+4]...)
	binary.BigEndian.PutUint32(longer[82:], uint32(len(h)+256))
	longer = withChecksum(longer[:len(h)+256-4])
	m.refused("damaged", "header",
		"the header length takes in the first 256 bytes of the payload: they are no padding", p,
		append(longer, payload[256:]...), 0)

	p = m.plan("header-length-gives-payload")
	p.size = 1024
	h = p.header()
	shorter := bytes.Clone(h[:764])
	binary.BigEndian.PutUint32(shorter[82:], 768)
	shorter = withChecksum(shorter)
	m.refused("damaged", "altered",
		"the header length leaves the last 256 bytes of the header to the payload", p,
		slices.Concat(shorter, h[768:], p.payload()), 0)
}

// fill makes the slot as long as it takes for the header to need no padding.
func (p *plan) fill() {
	used := len(p.descriptor()) + 32 + 6 + len(p.slots[0]) + 4
	missing := (256 - used%256) % 256
	blob := append(bytes.Clone(p.blob()), bytes.Repeat([]byte{'+'}, missing)...)
	p.slots = [][]byte{rawSlot(1, u16(u16(nil, []byte(exampleKMSKey)), blob))}
	p.answers = []answer{{exampleKMSKey, p.context, blob, p.dataKey}}
	p.padding = []byte{}
}
