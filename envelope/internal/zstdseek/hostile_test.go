package zstdseek

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"
)

// both reads a stream in order and by its table, and returns the error of each.
func both(stream []byte) (inOrder, byTable error) {
	_, inOrder = readAll(bytes.NewReader(stream))
	r, byTable := NewReaderAt(bytes.NewReader(stream), int64(len(stream)))
	if byTable == nil {
		_, byTable = io.Copy(io.Discard, io.NewSectionReader(r, 0, r.Size()))
	}
	return inOrder, byTable
}

func TestEveryCutIsMalformed(t *testing.T) {
	stream := build(t, text(3000), random(200), []byte{1})
	for n := range stream {
		inOrder, byTable := both(stream[:n])
		if !errors.Is(inOrder, ErrMalformed) || !errors.Is(byTable, ErrMalformed) {
			t.Fatalf("%d of %d bytes: %v; %v", n, len(stream), inOrder, byTable)
		}
	}
	inOrder, byTable := both(append(bytes.Clone(stream), 0))
	if !errors.Is(inOrder, ErrMalformed) || !errors.Is(byTable, ErrMalformed) {
		t.Errorf("one byte more: %v; %v", inOrder, byTable)
	}
}

// A reader that breaks is not a stream that ends, whatever it says.
func TestBrokenReader(t *testing.T) {
	stream := build(t, text(3000), random(200))
	for _, broken := range []error{io.ErrUnexpectedEOF, errors.New("input/output error")} {
		for n := range len(stream) + 1 {
			r := io.MultiReader(bytes.NewReader(stream[:n]), iotest.ErrReader(broken))
			if _, err := readAll(r); err != broken {
				t.Fatalf("after %d of %d bytes: %v, want %v", n, len(stream), err, broken)
			}
		}
	}
	for name, wrap := range map[string]func(io.Reader) io.Reader{"byte": iotest.OneByteReader,
		"half": iotest.HalfReader, "data with EOF": iotest.DataErrReader} {
		if got, err := readAll(wrap(bytes.NewReader(stream))); err != nil || len(got) != 3200 {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if _, err := readAll(silent{}); err != io.ErrNoProgress {
		t.Errorf("silent: %v", err)
	}
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

// withTable puts the right table behind frames that were made by hand.
func withTable(frames ...made) []byte {
	var stream bytes.Buffer
	var table Table
	for _, f := range frames {
		stream.Write(f.frame)
		_ = table.Add(len(f.frame), f.content)
	}
	_, _ = table.WriteTo(&stream)
	return stream.Bytes()
}

type made struct {
	frame   []byte
	content int
}

// frame puts together a frame: descriptor, what follows it, and blocks.
func frame(descriptor byte, fields []byte, blocks ...[]byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, frameMagic)
	return slices.Concat(append([][]byte{b, {descriptor}, fields}, blocks...)...)
}

// block makes a block with its header.
func block(kind, size int, last bool, data ...byte) []byte {
	v := size<<3 | kind<<1
	if last {
		v |= 1
	}
	return append([]byte{byte(v), byte(v >> 8), byte(v >> 16)}, data...)
}

const (
	raw = iota
	rle
	compressed
	reserved
)

var lots = []byte{0, 0, 0x40, 0} // a content size of 4 MiB

// lotsOfBlocks are the blocks of a frame of 4 MiB.
func lotsOfBlocks() (all [][]byte) {
	for i := range 32 {
		all = append(all, block(rle, 128<<10, i == 31, 5))
	}
	return all
}

// goodFrames are as no encoder here makes them.
func goodFrames() map[string]made {
	var empty [][]byte
	for range 1000 {
		empty = append(empty, block(raw, 0, false))
	}
	return map[string]made{
		"no checksum, one segment": {frame(0x20, []byte{3}, block(raw, 3, true, 1, 2, 3)), 3},
		"window of 8 MiB":          {frame(0x40, []byte{13 << 3, 0, 0}, block(rle, 256, true, 9)), 256},
		"dictionary number 0":      {frame(0x21, []byte{0, 2}, block(raw, 2, true, 1, 2)), 2},
		"content size in 8 bytes": {
			frame(0xe0, []byte{2, 0, 0, 0, 0, 0, 0, 0}, block(raw, 2, true, 1, 2)), 2},
		"4 MiB in 128 bytes": {frame(0xa0, lots, lotsOfBlocks()...), MaxContent},
		"many empty blocks, then data": {
			frame(0x40, []byte{0, 0, 0}, append(empty, block(rle, 256, true, 9))...), 256},
	}
}

func badFrames() map[string]made {
	zeros := make([]byte, 128<<10)
	allButOne := lotsOfBlocks()[:31:31]
	many := frame(0xa0, lots)
	for len(many) < MaxFrame {
		many = append(many, block(raw, 0, false)...)
	}
	return map[string]made{
		"window over 8 MiB":  {frame(0x40, []byte{13<<3 | 1, 0, 0}, block(rle, 256, true, 9)), 256},
		"window of 3.75 TiB": {frame(0x40, []byte{0xff, 0, 0}, block(rle, 256, true, 9)), 256},
		"content over 4 MiB": {frame(0xa0, []byte{1, 0, 0x40, 0},
			append(allButOne, block(rle, 128<<10, false, 5), block(raw, 1, true, 5))...), MaxContent + 1},
		"content of 16 EiB":       {frame(0xe0, bytes.Repeat([]byte{255}, 8), block(raw, 0, true)), 0},
		"content size not stated": {frame(0x00, []byte{0}, block(raw, 3, true, 1, 2, 3)), 3},
		"no content":              {frame(0x20, []byte{0}, block(raw, 0, true)), 0},
		"dictionary":              {frame(0x21, []byte{1, 2}, block(raw, 2, true, 1, 2)), 2},
		"reserved bit":            {frame(0x28, []byte{2}, block(raw, 2, true, 1, 2)), 2},
		"reserved block":          {frame(0x20, []byte{2}, block(reserved, 2, true, 1, 2)), 2},
		"block over its bound": {frame(0xa0, lots, block(raw, 128<<10+1, false, append(zeros, 0)...),
			block(raw, 0, true)), MaxContent},
		"block over the content": {frame(0x20, []byte{2}, block(raw, 3, true, 1, 2, 3)), 2},
		"more content than stated": {
			frame(0x20, []byte{2}, block(raw, 2, false, 1, 2), block(raw, 2, true, 3, 4)), 2},
		"less content than stated": {frame(0x20, []byte{4}, block(raw, 2, true, 1, 2)), 4},
		"a bomb in a frame": {frame(0xa0, lots, append(allButOne, block(rle, 128<<10, false, 5),
			block(rle, 128<<10, true, 5))...), MaxContent},
		"blocks without end": {many, MaxContent},
		"wrong checksum":     {frame(0x24, []byte{2}, block(raw, 2, true, 1, 2), []byte{1, 2, 3, 4}), 2},
		"garbage in a block": {frame(0x20, []byte{20}, block(compressed, 5, true, 1, 2, 3, 4, 5)), 20},
		"another magic": {append([]byte{1, 2, 3, 4},
			frame(0x20, []byte{3}, block(raw, 3, true, 1, 2, 3))[4:]...), 3},
		"a skippable frame": {append([]byte{0x50, 0x2a, 0x4d, 0x18, 9, 0, 0, 0}, make([]byte, 9)...), 1},
		"two frames that pass for one": {append(frame(0x20, []byte{1}, block(raw, 1, true, 1)),
			frame(0x20, []byte{1}, block(raw, 1, true, 1))...), 2},
	}
}

func TestFramesOfOthers(t *testing.T) {
	for name, f := range goodFrames() {
		stream := withTable(f)
		if inOrder, byTable := both(stream); inOrder != nil || byTable != nil {
			t.Errorf("%s: %v; %v", name, inOrder, byTable)
		}
	}
	for name, f := range badFrames() {
		stream := withTable(f)
		inOrder, byTable := both(stream)
		if !errors.Is(inOrder, ErrMalformed) || !errors.Is(byTable, ErrMalformed) && f.content > 0 {
			t.Errorf("%s: %v; %v", name, inOrder, byTable)
		}
	}
}

func TestTables(t *testing.T) {
	parts := [][]byte{text(3000), random(200), {1}}
	good := build(t, parts...)
	n := len(good)
	table := n - tableFooter - 3*entrySize - tableHeader
	// flagged is the stream with a table that has checksums.
	flagged := bytes.Clone(good[:table+tableHeader])
	flagged[table+4] += 3 * entryChecksumSize
	for i, p := range parts {
		at := table + tableHeader + i*entrySize
		flagged = append(flagged, good[at:at+entrySize]...)
		flagged = binary.LittleEndian.AppendUint32(flagged, checksum(p))
	}
	flagged = append(flagged, 3, 0, 0, 0, flagChecksums, 0xb1, 0xea, 0x92, 0x8f)
	if inOrder, byTable := both(flagged); inOrder != nil || byTable != nil {
		t.Errorf("table with checksums: %v; %v", inOrder, byTable)
	}
	bad := map[string]func(b []byte) []byte{
		"no table":       func(b []byte) []byte { return b[:table] },
		"nothing":        func([]byte) []byte { return nil },
		"one frame less": func(b []byte) []byte { b[n-9] = 2; return b },
		"one frame more": func(b []byte) []byte { b[n-9] = 4; return b },
		"2^32-1 frames": func(b []byte) []byte {
			copy(b[n-9:], []byte{255, 255, 255, 255})
			return b
		},
		"2^27+1 frames":          func(b []byte) []byte { copy(b[n-9:], []byte{1, 0, 0, 8}); return b },
		"unknown flag":           func(b []byte) []byte { b[n-5] = 1; return b },
		"flag without checksums": func(b []byte) []byte { b[n-5] = flagChecksums; return b },
		"checksums without flag": func([]byte) []byte {
			c := bytes.Clone(flagged)
			c[len(c)-5] = 0
			return c
		},
		"wrong end":         func(b []byte) []byte { b[n-1]++; return b },
		"wrong length":      func(b []byte) []byte { b[table+4]++; return b },
		"another skippable": func(b []byte) []byte { b[table]--; return b },
		"two tables":        func(b []byte) []byte { return append(b, b[table:]...) },
		"table first": func(b []byte) []byte {
			return append(bytes.Clone(b[table:]), b[:table]...)
		},
		"entries swapped": func(b []byte) []byte {
			at := table + tableHeader
			return slices.Concat(b[:at], b[at+8:at+16], b[at:at+8], b[at+16:])
		},
	}
	for i := table + tableHeader; i < n-tableFooter; i++ {
		bad[string(rune(i))] = func(b []byte) []byte { b[i]++; return b }
	}
	for name, change := range bad {
		inOrder, byTable := both(change(bytes.Clone(good)))
		if !errors.Is(inOrder, ErrMalformed) || !errors.Is(byTable, ErrMalformed) {
			t.Errorf("%s: %v; %v", name, inOrder, byTable)
		}
	}
}

// FuzzStream: whatever a stream holds, readers in order and by its table agree, stay in their
// bounds, and do not panic. The seeds are small: the fuzzer spends minutes on making larger ones
// smaller.
func FuzzStream(f *testing.F) {
	seeds := [][]byte{
		build(f), build(f, []byte("a")), build(f, text(900), random(100), []byte{1}),
		build(f, make([]byte, 300_000), text(500)),
		withTable(made{frame(0x40, []byte{13 << 3, 0, 0}, block(rle, 256, true, 9)), 256}),
	}
	for _, s := range seeds {
		if inOrder, byTable := both(s); inOrder != nil || byTable != nil {
			f.Fatalf("a seed is no good: %v; %v", inOrder, byTable)
		}
		f.Add(s, false)
		f.Add(s[:len(s)-len(s)%3], true)
	}
	f.Fuzz(func(t *testing.T, stream []byte, mend bool) {
		if mend { // as frames, for which the right table is made
			stream = mended(stream)
		}
		got, err := readAll(bytes.NewReader(stream))
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatal(err)
		}
		r, tableErr := NewReaderAt(bytes.NewReader(stream), int64(len(stream)))
		if err != nil {
			if tableErr == nil && r.Size() < 64<<20 {
				_, _ = io.Copy(io.Discard, io.NewSectionReader(r, 0, r.Size()))
			}
			return
		}
		if tableErr != nil || r.Size() != int64(len(got)) {
			t.Fatalf("in order %d bytes; by the table: %v", len(got), tableErr)
		}
		again, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
		if err != nil || !bytes.Equal(again, got) {
			t.Fatalf("in order %d bytes; by the table %d, %v", len(got), len(again), err)
		}
	})
}

// mended cuts b into frames as far as it can, and puts a table behind them.
func mended(b []byte) []byte {
	r := NewReader(bytes.NewReader(b), make([]byte, 100))
	dst := make([]byte, MaxFrame)
	var stream bytes.Buffer
	var table Table
	for {
		n, content, err := r.Next(dst)
		if err != nil {
			_, _ = table.WriteTo(&stream)
			return stream.Bytes()
		}
		stream.Write(dst[:n])
		_ = table.Add(n, content)
	}
}
