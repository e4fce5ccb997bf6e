package zstdseek

import (
	"encoding/binary"
	"io"
	"sort"
)

// maxPoints bounds the memory of an index to 1 MiB: of a longer stream only every so many frames
// are remembered. A variable for the tests.
var maxPoints int64 = 64 << 10

const (
	minFrame    = fixedHeader + 1 + blockHeader // an empty frame
	indexBuffer = 128 << 10
)

// place is where a frame begins.
type place struct {
	stream  int64 // offset in the stream
	content int64 // offset in the content
}

// span is a frame: its place and its two lengths.
type span struct {
	place
	size   int
	length int
}

func (s span) next() place {
	return place{s.stream + int64(s.size), s.content + int64(s.length)}
}

// index finds the frame of an offset.
type index struct {
	src    io.ReaderAt
	table  int64 // offset of the first entry
	entry  int   // bytes of an entry
	frames int64
	step   int64
	points []place // of every step-th frame, then the end
}

// readIndex reads and checks the whole seek table of a stream of size bytes.
func readIndex(src io.ReaderAt, size int64) (*index, error) {
	if size < tableHeader+tableFooter {
		return nil, malformed("%d bytes are no seek table", size)
	}
	var foot [tableFooter]byte
	if err := readAt(src, foot[:], size-tableFooter); err != nil {
		return nil, err
	}
	frames, entry, err := parseFooter(foot[:])
	if err != nil {
		return nil, err
	}
	x := &index{src: src, entry: entry, frames: int64(frames), step: int64(frames)/maxPoints + 1}
	x.table = size - tableFooter - x.frames*int64(entry)
	if x.table < tableHeader {
		return nil, malformed("the seek table is longer than the stream")
	}
	var head [tableHeader]byte
	if err := readAt(src, head[:], x.table-tableHeader); err != nil {
		return nil, err
	}
	if err := checkTableHeader(head[:], uint64(size-x.table)); err != nil {
		return nil, err
	}
	return x, x.readPoints()
}

// readPoints reads all entries once.
func (x *index) readPoints() error {
	x.points = make([]place, 0, x.frames/x.step+2)
	var at place
	err := x.scan(0, x.frames, place{}, func(i int64, s span) bool {
		if i%x.step == 0 {
			x.points = append(x.points, s.place)
		}
		at = s.next()
		return true
	})
	if err != nil {
		return err
	}
	if at.stream != x.table-tableHeader {
		return malformed("the frames in the seek table have %d bytes, those in the stream %d",
			at.stream, x.table-tableHeader)
	}
	x.points = append(x.points, at)
	return nil
}

// scan reads the entries from first up to end, as long as visit says so. The first frame is at the
// given place.
func (x *index) scan(first, end int64, at place, visit func(i int64, s span) bool) error {
	length := (end - first) * int64(x.entry)
	src := source{
		r:   io.NewSectionReader(x.src, x.table+first*int64(x.entry), length),
		buf: make([]byte, min(indexBuffer, max(1, length))),
	}
	var entry [entrySize + entryChecksumSize]byte
	for i := first; i < end; i++ {
		if err := src.full(entry[:x.entry]); err != nil {
			return err
		}
		size, length := binary.LittleEndian.Uint32(entry[0:]), binary.LittleEndian.Uint32(entry[4:])
		if size < minFrame || size > MaxFrame || length == 0 || length > MaxContent {
			return malformed("the seek table has a frame of %d bytes for %d bytes of content", size, length)
		}
		s := span{place: at, size: int(size), length: int(length)}
		if !visit(i, s) {
			return nil
		}
		at = s.next()
	}
	return nil
}

// size is that of the content.
func (x *index) size() int64 { return x.points[len(x.points)-1].content }

// find gives the frame that holds the byte of the content at off, which is below size.
func (x *index) find(off int64) (found span, err error) {
	// the last point at or before off
	i := int64(sort.Search(len(x.points), func(i int) bool { return x.points[i].content > off })) - 1
	at := x.points[i]
	if x.step == 1 {
		next := x.points[i+1]
		return span{place: at, size: int(next.stream - at.stream),
			length: int(next.content - at.content)}, nil
	}
	err = x.scan(i*x.step, min((i+1)*x.step, x.frames), at, func(_ int64, s span) bool {
		found = s
		return s.next().content <= off
	})
	return found, err
}

// readAt fills p.
func readAt(src io.ReaderAt, p []byte, off int64) error {
	n, err := src.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF // the stream is shorter than its size was
	}
	return err
}
