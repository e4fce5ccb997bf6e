package format_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
)

// Frames of hundredLines by the zstd program, version 1.5.4, at three levels.
var zstdLevels = map[string]string{
	"1":  "KLUv/WQYAoUDABLIEw/AtwG2/GcW2d29Ewcqzg2gdRBlEJB4VjR3M/GsaO5i4lnR3L3Es6K5a4lnRXO3Es+K5i4lnhXN3Uk8K5q7TzwrmrtOPCuaB1EGAQ6iDBJhqBDo7mfg1xA0H9lndv31rr/e9df70fvR+c2JpxSTgKHw",
	"3":  "KLUv/WQYAg0EAHLIExCwpdiO4JJAEVFmJm2JODgQQsSK5i6lVlFFc5dCo6CiuUuZTUzR3KV8jxfNXYrncNHcpXSNFs1dCsdg0dylyCSkaO5yW6xo7lKEDYBBQBBjqBDA3gzglcYQEusD7pAoCEbYkVAIjKgjkRAMsUOiIBhh6JWZxJI6sGRoFSCwU5OAofA=",
	"19": "KLUv/WQYAl0DAGIHEg/AtwG2/GcW2d29Ewcqzg2gdeJZ0dzNxLOiuYuJZ0Vz9xLPiuauJZ4Vzd1KPCuau5R4VjR3J/GsaO4+8axo7jrxrGgOHEQZJGOoEOhuBuDXEBLmAwxfk9vX5PY1uX1NRj3P8VzmVSClk4Ch8A==",
}

// hundredLines is "line 1" to "line 100", 792 bytes.
func hundredLines() (b []byte) {
	for i := range 100 {
		b = fmt.Appendf(b, "line %d\n", i+1)
	}
	return b
}

// zframe is a zstd frame and what is in it.
type zframe struct{ data, content []byte }

// zstdFrame puts a frame together: descriptor, the fields behind it, blocks.
func zstdFrame(descriptor byte, fields []byte, blocks ...[]byte) []byte {
	return slices.Concat([]byte{0x28, 0xb5, 0x2f, 0xfd, descriptor}, fields, bytes.Join(blocks, nil))
}

// zstdBlock makes a block: kind 0 as it is, 1 one byte repeated size times.
func zstdBlock(kind, size int, last bool, data ...byte) []byte {
	v := size<<3 | kind<<1
	if last {
		v |= 1
	}
	return append([]byte{byte(v), byte(v >> 8), byte(v >> 16)}, data...)
}

// stored is a frame of one raw block without checksum: one segment, content size in four bytes.
func stored(content []byte) zframe {
	fields := binary.LittleEndian.AppendUint32(nil, uint32(len(content)))
	return zframe{zstdFrame(0xa0, fields, zstdBlock(0, len(content), true, content...)), content}
}

// zeros is a frame of blocks of 128 KiB of zeros. It states another size if it is told to.
func zeros(blocks, stated int) zframe {
	var all [][]byte
	for i := range blocks {
		all = append(all, zstdBlock(1, 128<<10, i == blocks-1, 0))
	}
	return zframe{zstdFrame(0xa0, binary.LittleEndian.AppendUint32(nil, uint32(stated)), all...),
		make([]byte, min(blocks<<17, 4<<20))}
}

// table is a seek table in its parts.
type table struct {
	entries []byte
	frames  int
	flags   byte
}

func tableOf(frames []zframe, checksums bool) table {
	t := table{frames: len(frames)}
	if checksums {
		t.flags = 0x80
	}
	for _, f := range frames {
		t.entries = binary.LittleEndian.AppendUint32(t.entries, uint32(len(f.data)))
		t.entries = binary.LittleEndian.AppendUint32(t.entries, uint32(len(f.content)))
		if checksums {
			t.entries = append(t.entries, "sum?"...) // a reader may ignore them
		}
	}
	return t
}

func (t table) bytes() []byte {
	b := binary.LittleEndian.AppendUint32([]byte{0x5e, 0x2a, 0x4d, 0x18}, uint32(len(t.entries)+9))
	b = binary.LittleEndian.AppendUint32(append(b, t.entries...), uint32(t.frames))
	return append(b, t.flags, 0xb1, 0xea, 0x92, 0x8f)
}

func joinFrames(frames []zframe) (stream, content []byte) {
	for _, f := range frames {
		stream, content = append(stream, f.data...), append(content, f.content...)
	}
	return stream, content
}

// zstdPlan is a compressed file whose chunks hold stream. content is what a reader in order may
// get.
func (m *maker) zstdPlan(name string, stream []byte) *plan {
	p := m.plan("zstd-" + name)
	p.compression = 1
	p.parts = partsOf(stream, specChunk)
	return p
}

// streams are vectors about compression.
func (m *maker) streams() {
	good := func(name, comment string, frames ...zframe) *vector {
		stream, content := joinFrames(frames)
		p := m.zstdPlan(name, append(stream, tableOf(frames, false).bytes()...))
		p.content = content
		return m.opens(comment, p)
	}
	good("empty", "no frames: an empty plaintext")
	for _, level := range []string{"1", "3", "19"} {
		data, err := base64.StdEncoding.DecodeString(zstdLevels[level])
		if err != nil {
			m.t.Fatal(err)
		}
		good("level-"+level, "a frame of the zstd program at level "+level+", with a content checksum",
			zframe{data, hundredLines()})
	}
	small := []byte("small")
	good("stored", "a frame of one raw block", stored(small))
	good("two-frames", "two frames", stored(small), stored([]byte(" and smaller")))
	good("three-chunks", "a frame in three chunks", stored(stuff("zstd", 9000)))
	var many []zframe
	for i := range 1000 {
		many = append(many, stored([]byte{byte(i)}))
	}
	good("1000-frames", "a thousand frames of one byte", many...)
	good("1MiB", "a frame with 1 MiB of content, the most that a writer makes, in 41 bytes",
		zeros(8, 1<<20))
	good("4MiB", "a frame with 4 MiB of content, the most, in 137 bytes", zeros(32, 4<<20))
	// the seek table of one frame has 25 bytes, a stored frame 12 more than its content
	good("table-ends-a-chunk", "the seek table ends with a full chunk: the last one is empty",
		stored(stuff("zstd", specChunk-25-12)))
	good("table-in-two-chunks", "the seek table begins in the last chunk but one",
		stored(stuff("zstd", specChunk-12-12)))
	good("table-is-last-chunk", "the last chunk has the seek table alone",
		stored(stuff("zstd", specChunk-12)))
	good("window-8MiB", "a window of 8 MiB, the most",
		zframe{zstdFrame(0x40, []byte{13 << 3, 0, 0}, zstdBlock(1, 256, true, 'w')),
			bytes.Repeat([]byte{'w'}, 256)})
	good("dictionary-0", "a dictionary field that names none",
		zframe{zstdFrame(0x21, []byte{0, 2}, zstdBlock(0, 2, true, 'o', 'k')), []byte("ok")})
	good("content-size-8-bytes", "a content size in eight bytes", zframe{
		zstdFrame(0xe0, []byte{2, 0, 0, 0, 0, 0, 0, 0}, zstdBlock(0, 2, true, 'o', 'k')), []byte("ok")})
	good("empty-blocks", "empty blocks before the data", zframe{zstdFrame(0x20, []byte{2},
		zstdBlock(0, 0, false), zstdBlock(0, 0, false), zstdBlock(0, 2, true, 'o', 'k')), []byte("ok")})
	for _, frames := range [][]zframe{nil, {stored(small)}} {
		stream, content := joinFrames(frames)
		p := m.zstdPlan(fmt.Sprintf("table-with-checksums-%d", len(frames)),
			append(stream, tableOf(frames, true).bytes()...))
		p.content = content
		m.opens("a seek table that has checksums, which a reader may ignore", p)
	}
	m.badStreams()
	m.badTables()
	m.streamOptions()
}

// badStreams are frames that a reader refuses.
func (m *maker) badStreams() {
	ok := []byte("ok")
	bad := func(name, comment string, frames ...zframe) {
		stream, _ := joinFrames(frames)
		p := m.zstdPlan(name, append(stream, tableOf(frames, false).bytes()...))
		p.content = nil
		m.malformed(comment, p, nil)
	}
	level, err := base64.StdEncoding.DecodeString(zstdLevels["3"])
	if err != nil {
		m.t.Fatal(err)
	}
	level[len(level)-1] ^= 1
	bad("bad-content-checksum", "zstd's content checksum is wrong", zframe{level, hundredLines()})
	bad("over-4MiB", "a frame with 4 MiB and one byte of content",
		zframe{zstdFrame(0xa0, []byte{1, 0, 64, 0}, slices.Concat(zeros(32, 0).data[9:9+31*4],
			zstdBlock(1, 128<<10, false, 0), zstdBlock(1, 1, true, 0))), make([]byte, 4<<20+1)})
	bad("bomb", "32 KiB that would become 1 GiB: 8 192 blocks of 128 KiB", zeros(1<<13, 1<<30))
	bad("bomb-that-lies", "a frame of 2 MiB that states 1 MiB",
		zframe{zeros(16, 1<<20).data, make([]byte, 1<<20)})
	bad("content-less-than-stated", "a frame states 3 bytes and has 2",
		zframe{zstdFrame(0x20, []byte{3}, zstdBlock(0, 2, true, ok...)), []byte("ok?")})
	bad("content-more-than-stated", "a frame states 1 byte and has 2",
		zframe{zstdFrame(0x20, []byte{1}, zstdBlock(0, 2, true, ok...)), []byte("o")})
	bad("no-content-size", "a frame that does not state its content size",
		zframe{zstdFrame(0x00, []byte{0}, zstdBlock(0, 2, true, ok...)), ok})
	bad("window-over-8MiB", "a window of 9 MiB",
		zframe{zstdFrame(0x40, []byte{13<<3 | 1, 0, 0}, zstdBlock(1, 256, true, 'w')),
			bytes.Repeat([]byte{'w'}, 256)})
	bad("window-of-3.75TiB", "the largest window that zstd has",
		zframe{zstdFrame(0x40, []byte{0xff, 0, 0}, zstdBlock(1, 256, true, 'w')),
			bytes.Repeat([]byte{'w'}, 256)})
	bad("dictionary-7", "a frame that needs a dictionary",
		zframe{zstdFrame(0x21, []byte{7, 2}, zstdBlock(0, 2, true, ok...)), ok})
	bad("reserved-bit", "the reserved bit of the frame header is set",
		zframe{zstdFrame(0x28, []byte{2}, zstdBlock(0, 2, true, ok...)), ok})
	bad("reserved-block", "a block of the reserved type",
		zframe{zstdFrame(0x20, []byte{2}, zstdBlock(3, 2, true, ok...)), ok})
	bad("block-over-window", "a block of more than the window",
		zframe{zstdFrame(0x20, []byte{2}, zstdBlock(0, 3, true, 'o', 'k', '!')), ok})
	bad("skippable-first", "a skippable frame before the first frame",
		zframe{slices.Concat([]byte("\x50\x2a\x4d\x18\x04\x00\x00\x00skip"), stored(ok).data), ok})
	bad("skippable-alone", "a skippable frame that is no seek table",
		zframe{[]byte("\x50\x2a\x4d\x18\x04\x00\x00\x00skip"), ok})
	bad("legacy-magic", "the magic of zstd 0.7",
		zframe{append([]byte{0x27}, stored(ok).data[1:]...), ok})
	bad("gzip", "gzip", zframe{[]byte(
		"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\xcf\x06\x00\x47\xdd\xdc\x79\x02\x00\x00\x00"), ok})
	bad("text", "text that is not compressed", zframe{[]byte("This is no zstd.\n"), ok})
	bad("no-content", "a frame without content", stored(nil))
	bad("hidden-frame", "the seek table says of a frame that it has no content, and it has some",
		zframe{stored(ok).data, nil})
	hidden := m.all[len(m.all)-1]
	hidden.released = append(hidden.released, releasedOf(ok))
	bad("hidden-text", "the seek table says of some text that it is a frame without content",
		zframe{[]byte("This is no zstd.\n"), nil})
}

// malformed adds a vector of a stream that is authentic and wrong. A reader in order may have
// released what came before it, frame by frame.
func (m *maker) malformed(comment string, p *plan, frames []zframe) {
	v := m.refused("damaged", "compression", comment, p, p.file(), 0)
	var content []byte
	for _, f := range frames {
		content = append(content, f.content...)
		v.released = append(v.released, releasedOf(content))
	}
}
