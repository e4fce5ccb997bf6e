package zstdseek

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"
)

// Reader cuts a stream into its frames, in order, and checks the seek table when it arrives. It is
// used by one goroutine at a time.
//
// It remembers no frame. A hash of the entries that the table must have takes their place, so a
// stream of countless tiny frames costs no memory.
type Reader struct {
	src    *source
	frames uint32
	want   hash.Hash // of the entries of the frames that went by
	entry  [entrySize + entryChecksumSize]byte
}

// NewReader reads from r through buf, which is the caller's to wipe.
func NewReader(r io.Reader, buf []byte) *Reader {
	return &Reader{src: &source{r: r, buf: buf}, want: sha256.New()}
}

// Next reads one frame into dst, which has room for MaxFrame bytes, and tells its length and that
// of its content. The content is not checked. It returns as soon as the frame's last byte is there.
//
// io.EOF comes after a good seek table with nothing behind it. If the stream stops anywhere else,
// the error is ErrMalformed. An error of the underlying reader comes as it is, never as an end.
func (r *Reader) Next(dst []byte) (frame, content int, err error) {
	head := dst[:fixedHeader]
	if err := r.src.full(head[:4]); err != nil {
		return 0, 0, err
	}
	if binary.LittleEndian.Uint32(head) == tableMagic {
		copy(r.entry[:], head[:4])
		return 0, 0, r.table()
	}
	if r.frames == MaxFrames {
		return 0, 0, malformed("more than %d frames", MaxFrames)
	}
	if frame, content, err = r.frame(dst); err != nil {
		return 0, 0, err
	}
	binary.LittleEndian.PutUint32(r.entry[0:], uint32(frame))
	binary.LittleEndian.PutUint32(r.entry[4:], uint32(content))
	r.want.Write(r.entry[:entrySize])
	r.frames++
	return frame, content, nil
}

// Buffered is how much of the buffer has ever held data.
func (r *Reader) Buffered() int { return r.src.used }

// frame reads the frame whose magic is in dst.
func (r *Reader) frame(dst []byte) (n, content int, err error) {
	if err := r.src.full(dst[4:fixedHeader]); err != nil {
		return 0, 0, err
	}
	n = headerSize(dst)
	if err := r.src.full(dst[fixedHeader:n]); err != nil {
		return 0, 0, err
	}
	h, err := parseHeader(dst[:n])
	if err != nil {
		return 0, 0, err
	}
	for last := false; !last; {
		if err := r.more(dst, &n, blockHeader); err != nil {
			return 0, 0, err
		}
		var size int
		if size, last, err = h.parseBlock(dst[n-blockHeader:]); err != nil {
			return 0, 0, err
		}
		if last && h.checksum {
			size += checksumSize
		}
		if err := r.more(dst, &n, size); err != nil {
			return 0, 0, err
		}
	}
	return n, h.content, nil
}

// more reads the next size bytes of a frame behind the n that are in dst.
func (r *Reader) more(dst []byte, n *int, size int) error {
	if *n+size > MaxFrame {
		return malformed("a frame of more than %d bytes", MaxFrame)
	}
	*n += size
	return r.src.full(dst[*n-size : *n])
}

// table reads the seek table whose magic is in r.entry, and the end after it. It returns io.EOF if
// all is well.
func (r *Reader) table() error {
	if err := r.src.full(r.entry[4:tableHeader]); err != nil {
		return err
	}
	body := uint64(binary.LittleEndian.Uint32(r.entry[4:]))
	entry := entrySize
	if r.frames > 0 && body > uint64(r.frames)*entrySize+tableFooter {
		entry += entryChecksumSize
	}
	err := checkTableHeader(r.entry[:tableHeader], uint64(r.frames)*uint64(entry)+tableFooter)
	if err != nil {
		return err
	}
	got := sha256.New()
	for range r.frames {
		if err := r.src.full(r.entry[:entry]); err != nil {
			return err
		}
		got.Write(r.entry[:entrySize])
	}
	if !bytes.Equal(got.Sum(nil), r.want.Sum(nil)) {
		return malformed("the seek table is not that of the frames before it")
	}
	if err := r.src.full(r.entry[:tableFooter]); err != nil {
		return err
	}
	frames, flagged, err := parseFooter(r.entry[:tableFooter])
	if err != nil {
		return err
	}
	if frames != r.frames || frames > 0 && flagged != entry {
		return malformed("the seek table contradicts itself")
	}
	return r.src.end()
}
