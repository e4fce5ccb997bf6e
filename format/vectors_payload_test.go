package format_test

import (
	"bytes"
	"fmt"
	"slices"
)

const specChunk = 4096 // plaintext of a chunk in most vectors

// payloads are vectors about chunks: sizes, cuts, order, nonces, damage.
func (m *maker) payloads() {
	for _, size := range []int{0, 1, 15, 16, 17, specChunk - 1, specChunk, specChunk + 1,
		2*specChunk - 1, 2 * specChunk, 2*specChunk + 1, 3 * specChunk, 3*specChunk + 100} {
		p := m.plan(fmt.Sprintf("size-%d", size))
		p.content = stuff(p.name, size)
		m.opens(fmt.Sprintf("a plaintext of %d bytes in chunks of 4 KiB", size), p)
	}
	p := m.plan("size-8193-chunks-8KiB")
	p.log, p.content = 13, stuff(p.name, 8193)
	m.opens("8 193 bytes in chunks of 8 KiB", p)
	for _, size := range []int{65535, 65536, 65537} {
		p := m.plan(fmt.Sprintf("size-%d-chunks-64KiB", size))
		p.log, p.content = 16, stuff(p.name, size)
		m.opens(fmt.Sprintf("a plaintext of %d bytes in chunks of 64 KiB", size), p)
	}
	m.cuts()
	m.tails()
	m.orders()
	m.nonces()
	m.altered()
}

// chunked is a plan with so many bytes of content, and its sealed chunks.
func (m *maker) chunked(name string, size int) (p *plan, chunks [][]byte) {
	p = m.plan(name)
	p.content = stuff("chunked", size)
	return p, p.sealed()
}

// arranged adds a vector with these chunks, of which good are in their place.
func (m *maker) arranged(reason, comment string, p *plan, chunks [][]byte, good int) {
	m.refused("damaged", reason, comment, p, slices.Concat(p.header(), bytes.Join(chunks, nil)), good)
}

// cuts are files that end too early, or so that no file can have that size.
func (m *maker) cuts() {
	const unit = specChunk + 16
	for _, c := range []struct {
		what       string
		size, keep int // bytes of content, bytes of payload
		reason     string
		good       int
	}{
		{"behind the header", 2*specChunk + 100, 0, "truncated", 0},
		{"behind one byte of chunk 0", 2*specChunk + 100, 1, "altered", 0},
		{"behind 15 bytes of chunk 0", 2*specChunk + 100, 15, "altered", 0},
		{"behind 16 bytes of chunk 0", 2*specChunk + 100, 16, "altered", 0},
		{"in the middle of chunk 0", 2*specChunk + 100, 2000, "altered", 0},
		{"one byte before the end of chunk 0", 2*specChunk + 100, unit - 1, "altered", 0},
		{"at the end of chunk 0", 2*specChunk + 100, unit, "truncated", 1},
		{"behind one byte of chunk 1", 2*specChunk + 100, unit + 1, "altered", 1},
		{"behind 15 bytes of chunk 1", 2*specChunk + 100, unit + 15, "altered", 1},
		{"behind 16 bytes of chunk 1", 2*specChunk + 100, unit + 16, "altered", 1},
		{"behind 17 bytes of chunk 1", 2*specChunk + 100, unit + 17, "altered", 1},
		{"at the end of chunk 1", 2*specChunk + 100, 2 * unit, "truncated", 2},
		{"behind 16 bytes of the last chunk", 2*specChunk + 100, 2*unit + 16, "altered", 2},
		{"one byte before the end of the last chunk", 2*specChunk + 100, 2*unit + 115, "altered", 2},
		{"at the end of chunk 0 of two full ones", 2 * specChunk, unit, "truncated", 1},
		{"one byte before the end of two full ones", 2 * specChunk, 2*unit - 1, "altered", 1},
		{"before the empty last chunk", 2 * specChunk, 2 * unit, "truncated", 2},
		{"behind one byte of the empty last chunk", 2 * specChunk, 2*unit + 1, "altered", 2},
		{"one byte before the end of the empty last chunk", 2 * specChunk, 2*unit + 15, "altered", 2},
		{"before the chunk of an empty plaintext", 0, 0, "truncated", 0},
		{"behind 15 bytes of an empty plaintext", 0, 15, "altered", 0},
	} {
		p, chunks := m.chunked(fmt.Sprintf("payload-cut-%d-of-%d", c.keep, c.size), c.size)
		body := append(p.header(), bytes.Join(chunks, nil)[:c.keep]...)
		m.refused("damaged", c.reason, "the file ends "+c.what, p, body, c.good)
	}
}

// tails are files with something behind their end.
func (m *maker) tails() {
	for _, c := range []struct {
		name, comment string
		size          int
		tail          func(p *plan, chunks [][]byte) []byte
		reason        string
		good          int
	}{
		{"zero-behind-short", "a zero byte behind the last chunk", 100,
			func(*plan, [][]byte) []byte { return []byte{0} }, "altered", 0},
		{"line-feed-behind-short", "a line feed behind the last chunk", 100,
			func(*plan, [][]byte) []byte { return []byte{'\n'} }, "altered", 0},
		{"to-a-full-chunk", "zeros behind the last chunk, up to the size of a full one", 100,
			func(*plan, [][]byte) []byte { return make([]byte, specChunk-100) }, "altered", 0},
		{"zero-behind-full", "a zero byte behind the empty last chunk that follows a full one",
			specChunk, func(*plan, [][]byte) []byte { return []byte{0} }, "altered", 1},
		{"tag-size-behind-full", "16 zero bytes behind an empty last chunk", specChunk,
			func(*plan, [][]byte) []byte { return make([]byte, 16) }, "altered", 1},
		{"chunk-size-behind-full", "the size of a chunk in zeros behind an empty last chunk",
			specChunk, func(*plan, [][]byte) []byte { return make([]byte, specChunk+16) }, "altered", 1},
		{"zero-behind-empty", "a zero byte behind the chunk of an empty plaintext", 0,
			func(*plan, [][]byte) []byte { return []byte{0} }, "altered", 0},
		{"last-chunk-again", "the empty last chunk twice", 2 * specChunk,
			func(_ *plan, c [][]byte) []byte { return c[2] }, "altered", 2},
		{"full-chunk-again", "the last full chunk again, behind the empty last one", 2 * specChunk,
			func(_ *plan, c [][]byte) []byte { return c[1] }, "altered", 2},
		{"file-again", "the whole file twice", specChunk,
			func(p *plan, _ [][]byte) []byte { return p.file() }, "joined", 1},
		{"payload-again", "the payload twice", specChunk,
			func(p *plan, _ [][]byte) []byte { return p.payload() }, "altered", 1},
		{"another-file", "another file behind it", 100,
			func(*plan, [][]byte) []byte { return m.plan("another").file() }, "joined", 0},
		{"armored-file", "an armored file behind it", 100,
			func(*plan, [][]byte) []byte { return armorText(m.plan("another").file()) }, "joined", 0},
	} {
		p, chunks := m.chunked("trailing-"+c.name, c.size)
		m.refused("damaged", c.reason, c.comment, p, append(p.file(), c.tail(p, chunks)...), c.good)
	}
}

// orders are chunks that are not where they belong.
func (m *maker) orders() {
	_, foreign := m.chunked("order-foreign", 3*specChunk+100)
	for _, c := range []struct {
		name, comment string
		order         []int // below 0: chunk -n-1 of another file
		reason        string
		good          int
	}{
		{"without-first", "the first chunk is missing", []int{1, 2, 3}, "altered", 0},
		{"without-second", "the second chunk is missing", []int{0, 2, 3}, "altered", 1},
		{"without-second-last", "the last chunk but one is missing", []int{0, 1, 3}, "altered", 2},
		{"first-twice", "the first chunk twice", []int{0, 0, 1, 2, 3}, "altered", 1},
		{"second-twice", "the second chunk twice", []int{0, 1, 1, 2, 3}, "altered", 2},
		{"second-in-place-of-first", "the second chunk in place of the first",
			[]int{1, 1, 2, 3}, "altered", 0},
		{"first-two-swapped", "the first two chunks swapped", []int{1, 0, 2, 3}, "altered", 0},
		{"middle-swapped", "the chunks in the middle swapped", []int{0, 2, 1, 3}, "altered", 1},
		{"last-first", "the last chunk first", []int{3, 0, 1, 2}, "altered", 0},
		{"rotated", "the first chunk last", []int{1, 2, 3, 0}, "altered", 0},
		{"first-foreign", "the first chunk is that of another file", []int{-1, 1, 2, 3}, "altered", 0},
		{"second-foreign", "the second chunk is that of another file", []int{0, -2, 2, 3}, "altered", 1},
		{"last-foreign", "the last chunk is that of another file", []int{0, 1, 2, -4}, "altered", 3},
		{"all-foreign", "all chunks are those of another file with the same plaintext",
			[]int{-1, -2, -3, -4}, "altered", 0},
		{"one-more", "a chunk of another file before the last one", []int{0, 1, 2, -4, 3}, "altered", 3},
	} {
		p, chunks := m.chunked("order-"+c.name, 3*specChunk+100)
		var list [][]byte
		for _, i := range c.order {
			if i < 0 {
				list = append(list, foreign[-i-1])
			} else {
				list = append(list, chunks[i])
			}
		}
		m.arranged(c.reason, c.comment, p, list, c.good)
	}
	p, chunks := m.chunked("order-same-data-key", 2*specChunk)
	same, _ := m.chunked("order-same-data-key-other-file", 2*specChunk)
	same.dataKey = p.dataKey
	m.arranged("altered", "the second chunk of another file that was sealed with the same data key", p,
		[][]byte{chunks[0], same.sealed()[1]}, 1)
}

// nonces are chunks that were sealed with the right key, in a way that no writer may.
func (m *maker) nonces() {
	full, half := stuff("flags", specChunk), stuff("flags", 100)
	right := func(base []byte, i byte) []byte { return xor(base, []byte{11: i}) }
	for _, c := range []struct {
		name, comment string
		parts         []part
		reason        string
		good          int
	}{
		{"only-one-full", "a full chunk, and none behind it", []part{{full, 0, nil}}, "truncated", 1},
		{"full-not-followed", "two full chunks, and none behind them",
			[]part{{full, 0, nil}, {full, 1, nil}}, "truncated", 2},
		{"empty-twice", "two empty chunks behind a full one",
			[]part{{full, 0, nil}, {nil, 1, nil}, {nil, 2, nil}}, "altered", 1},
		{"empty-behind-short", "an empty chunk behind one that is not full",
			[]part{{half, 0, nil}, {nil, 1, nil}}, "altered", 0},
		{"empty-inside", "an empty chunk before a full one",
			[]part{{nil, 0, nil}, {full, 1, nil}, {nil, 2, nil}}, "altered", 0},
		{"short-inside", "a first chunk that is not full",
			[]part{{half, 0, nil}, {half, 1, nil}}, "altered", 0},
		{"too-large", "a chunk of one byte more than the chunk size",
			[]part{{stuff("flags", specChunk+1), 0, nil}}, "altered", 0},
		{"index-1", "the first chunk has index 1", []part{{half, 1, nil}}, "altered", 0},
		{"index-repeated", "both chunks have index 0",
			[]part{{full, 0, nil}, {half, 0, nil}}, "altered", 1},
		{"index-skipped", "the second chunk has index 2",
			[]part{{full, 0, nil}, {half, 2, nil}}, "altered", 1},
		{"index-little-endian", "the index of the second chunk is little-endian, in eight bytes",
			[]part{{full, 0, nil}, {half, 1 << 56, nil}}, "altered", 1},
		{"index-2-32", "the first chunk has index 2^32", []part{{half, 1 << 32, nil}}, "altered", 0},
		{"nonce-without-base", "the index alone is the nonce", []part{{half, 0,
			func([]byte) []byte { return make([]byte, 12) }}}, "altered", 0},
		{"nonce-of-suite-1", "the nonce is that of suite 1: index, then a byte for the last chunk",
			[]part{{half, 0, func([]byte) []byte { return []byte{11: 1} }}}, "altered", 0},
		{"nonce-with-flag", "the first byte of the nonce says that it is the last chunk",
			[]part{{half, 0, func(base []byte) []byte { return xor(base, []byte{0: 1, 11: 0}) }}},
			"altered", 0},
		{"nonce-index-first", "the index is in the first bytes of the nonce", []part{{full, 0, nil},
			{half, 1, func(base []byte) []byte { return xor(base, []byte{0: 1, 11: 0}) }}}, "altered", 1},
		{"nonce-added", "the index is added to the base nonce, not XORed", []part{{full, 0, nil},
			{full, 1, nil}, {half, 2, func(base []byte) []byte {
				n := bytes.Clone(base)
				if n[11] += 2; bytes.Equal(n, right(base, 2)) { // then 6 would be no different
					panic("another name, please")
				}
				return n
			}}}, "altered", 2},
	} {
		p := m.plan("chunk-" + c.name)
		p.parts, p.content = c.parts, nil
		for _, part := range c.parts {
			p.content = append(p.content, part.plain...)
		}
		m.refused("damaged", c.reason, c.comment, p, p.file(), c.good)
	}
}

// altered are chunks with wrong bytes, and chunks under a wrong key.
func (m *maker) altered() {
	for _, c := range []struct {
		name, comment string
		chunk, at     int // byte, from the end where below 0
		good          int
	}{
		{"first-byte", "the first bit of the first chunk", 0, 0, 0},
		{"first-tag", "the last bit of the tag of the first chunk", 0, -1, 0},
		{"second-byte", "a bit in the second chunk", 1, 1000, 1},
		{"last-byte", "the first bit of the last chunk", 2, 0, 2},
		{"last-tag", "the last bit of the file", 2, -1, 2},
	} {
		p, chunks := m.chunked("altered-"+c.name, 2*specChunk+100)
		b := bytes.Clone(chunks[c.chunk])
		b[(c.at+len(b))%len(b)] ^= 1
		chunks[c.chunk] = b
		m.arranged("altered", c.comment+" was changed", p, chunks, c.good)
	}
	p, chunks := m.chunked("altered-tag-of-zeros", 100)
	m.arranged("altered", "a tag of zeros", p,
		[][]byte{append(chunks[0][:100:100], make([]byte, 16)...)}, 0)
	p, chunks = m.chunked("altered-tag-of-12-bytes", 100)
	m.arranged("altered", "the tag has 12 bytes, as AES-GCM allows and this format does not", p,
		[][]byte{chunks[0][:112]}, 0)
	p, _ = m.chunked("altered-key-is-data-key", 100)
	_, right := p.keys()
	base := right[32:]
	under := func(key, base []byte) [][]byte {
		return sealParts(m.t, slices.Concat(key, base), partsOf(p.content, specChunk))
	}
	m.arranged("altered", "sealed with the data key itself", p, under(p.dataKey, base), 0)
	p, _ = m.chunked("altered-key-is-commitment", 100)
	commitment, right := p.keys()
	m.arranged("altered", "sealed with the commitment as key", p, under(commitment, right[32:]), 0)
	p, _ = m.chunked("altered-key-without-digest", 100)
	_, _, key := rawKeys(m.t, p.dataKey, p.fileID, nil)
	m.arranged("altered", "sealed with a payload key whose info lacks D", p,
		under(key[:32], key[32:]), 0)
	p, _ = m.chunked("altered-base-nonce", 100)
	_, right = p.keys()
	m.arranged("altered", "the right payload key with the base nonce of another file", p,
		under(right[:32], base), 0)
}
