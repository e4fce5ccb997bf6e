package format_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
)

// badTables are seek tables that a reader refuses.
func (m *maker) badTables() {
	frames := []zframe{stored([]byte("one ")), stored([]byte("two"))}
	stream, _ := joinFrames(frames)
	right := tableOf(frames, false)
	raw := func(name, comment string, tail []byte) {
		p := m.zstdPlan("table-"+name, append(bytes.Clone(stream), tail...))
		p.content = nil
		m.malformed(comment, p, frames)
	}
	raw("missing", "no seek table", nil)
	raw("cut", "the last byte of the seek table is missing", right.bytes()[:len(right.bytes())-1])
	raw("byte-behind", "a byte behind the seek table", append(right.bytes(), 0))
	raw("twice", "two seek tables", slices.Concat(right.bytes(), right.bytes()))
	raw("skippable-before", "a skippable frame between the frames and the table",
		slices.Concat([]byte("\x50\x2a\x4d\x18\x00\x00\x00\x00"), right.bytes()))
	raw("frame-behind", "a frame behind the seek table",
		append(right.bytes(), stored([]byte("three")).data...))
	raw("one-more", "an entry for a frame that is not there",
		tableOf(append(slices.Clone(frames), frames[0]), false).bytes())
	raw("one-fewer", "the second frame has no entry", tableOf(frames[:1], false).bytes())
	m.tableFields(frames, right, raw)
	p := m.zstdPlan("nothing", nil)
	p.content = nil
	m.malformed("nothing, not even a seek table", p, nil)
	p = m.zstdPlan("frame-cut", stored([]byte("a frame that is cut")).data[:15])
	p.content = nil
	m.malformed("a frame that is cut off, in a file that is whole", p, nil)
}

// tableFields are about the numbers in a seek table of two frames.
func (m *maker) tableFields(frames []zframe, right table,
	raw func(name, comment string, tail []byte)) {
	edit := func(name, comment string, change func(b []byte) []byte) {
		raw(name, comment, change(right.bytes()))
	}
	u32 := func(at int, v uint32) func(b []byte) []byte {
		return func(b []byte) []byte { binary.LittleEndian.PutUint32(b[at:], v); return b }
	}
	edit("wrong-magic", "the magic of another skippable frame",
		func(b []byte) []byte { b[0] = 0x5d; return b })
	edit("wrong-footer", "the magic in the footer is wrong",
		func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	edit("size-one-less", "the size in its header is one less", u32(4, 24))
	edit("size-all-ones", "the size in its header is 2^32-1", u32(4, 1<<32-1))
	edit("compressed-size", "the compressed size of the first frame is one less",
		u32(8, uint32(len(frames[0].data)-1)))
	edit("content-size", "the content size of the first frame is one less", u32(12, 3))
	edit("sizes-shifted",
		"a byte of compressed size goes from the first frame to the second: the sum is right",
		func(b []byte) []byte {
			return u32(16, uint32(len(frames[1].data)+1))(u32(8, uint32(len(frames[0].data)-1))(b))
		})
	edit("contents-swapped", "the content sizes are swapped: the sum is right",
		func(b []byte) []byte { return u32(20, 4)(u32(12, 3)(b)) })
	edit("count-one-less", "the number of frames is 1", u32(24, 1))
	edit("count-0", "the number of frames is 0", u32(24, 0))
	edit("count-over-2-27", "the number of frames is 2^27+1", u32(24, 1<<27+1))
	edit("count-all-ones", "the number of frames is 2^32-1", u32(24, 1<<32-1))
	edit("flag-1", "an unknown flag, 0x01", func(b []byte) []byte { b[28] = 1; return b })
	edit("flag-checksums", "the flag says that there are checksums, and there are none",
		func(b []byte) []byte { b[28] = 0x80; return b })
	raw("big-endian", "the numbers are big-endian", func() []byte {
		b := right.bytes()
		for i := 4; i < 28; i += 4 {
			slices.Reverse(b[i : i+4])
		}
		return b
	}())
}

// streamOptions are about what a reader can be told, and about compressed files that are damaged.
func (m *maker) streamOptions() {
	frames := []zframe{zeros(8, 1<<20), stored([]byte("end"))}
	stream, content := joinFrames(frames)
	stream = append(stream, tableOf(frames, false).bytes()...)
	limited := func(name, comment string, limit int) *vector {
		p := m.zstdPlan(name, stream)
		p.content = content
		v := m.opens(comment, p)
		return v.option("max-size", strconv.Itoa(limit))
	}
	limited("max-size", "no more comes out than the reader was told to let out", len(content))
	v := limited("max-size-exceeded", "one byte more than the reader was told to let out",
		len(content)-1)
	v.expect, v.released = "too large", []released{releasedOf(nil), releasedOf(content[:1<<20])}
	p := m.zstdPlan("as-it-is", stream)
	p.content = stream
	m.opens("the stream is asked for as it is", p).option("no-decompress", "yes")
	p = m.zstdPlan("as-it-is-malformed", []byte("no zstd at all"))
	p.content = []byte("no zstd at all")
	m.opens("a malformed stream is asked for as it is", p).option("no-decompress", "yes")

	long := stored(stuff("zstd", 9000))
	whole := slices.Concat(long.data, tableOf([]zframe{long}, false).bytes())
	damaged := func(name, reason, comment string, change func(chunks [][]byte) [][]byte) {
		p := m.zstdPlan(name, whole)
		p.content = nil
		m.refused("damaged", reason, comment, p,
			slices.Concat(p.header(), bytes.Join(change(p.sealed()), nil)), 0)
	}
	damaged("chunk-missing", "truncated", "the last chunk of a compressed file is missing",
		func(c [][]byte) [][]byte { return c[:2] })
	damaged("chunk-altered", "altered", "a bit in the second chunk of a compressed file",
		func(c [][]byte) [][]byte { c[1][9] ^= 1; return c })
	damaged("chunks-swapped", "altered", "two chunks of a compressed file swapped",
		func(c [][]byte) [][]byte { return [][]byte{c[1], c[0], c[2]} })

	for limit, expect := range map[int]string{100: "opens", 99: "too large"} {
		p := m.plan("max-size-" + strconv.Itoa(limit))
		p.content = stuff(p.name, 100)
		v := m.opens("100 bytes, and the reader was told to let out "+strconv.Itoa(limit),
			p).option("max-size", strconv.Itoa(limit))
		if v.expect = expect; expect != "opens" {
			v.released = []released{releasedOf(nil)}
		}
	}
}
