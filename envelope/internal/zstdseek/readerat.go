package zstdseek

import (
	"errors"
	"io"
	"slices"
	"sync"
)

// cachedFrames is how many decompressed frames a ReaderAt keeps for piecewise reading.
const cachedFrames = 4

// ReaderAt gives random access to the content of a stream. It is safe for concurrent use, but for
// Wipe. It takes some MiB: its cache, at most 1 MiB of index, and for every running call one frame
// and its content.
type ReaderAt struct {
	src    io.ReaderAt
	index  *index
	frames sync.Pool // *[]byte

	mu   sync.Mutex
	idle []*cached // least recently used first
}

// cached is the content of the frame at an offset of the stream.
type cached struct {
	stream  int64
	content []byte
}

func (c *cached) wipe() { clear(c.content[:cap(c.content)]) }

// NewReaderAt reads and checks the seek table of the stream of size bytes in src.
func NewReaderAt(src io.ReaderAt, size int64) (*ReaderAt, error) {
	x, err := readIndex(src, size)
	if err != nil {
		return nil, err
	}
	r := &ReaderAt{src: src, index: x}
	r.frames.New = func() any { return new([]byte) }
	return r, nil
}

// Size is the content's length in bytes, by the seek table; what is read is checked against it.
func (r *ReaderAt) Size() int64 { return r.index.size() }

// ReadAt reads content as io.ReaderAt says. A frame that is read whole into p takes no detour.
func (r *ReaderAt) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	for n < len(p) {
		if off >= r.Size() {
			return n, io.EOF
		}
		s, err := r.index.find(off)
		if err != nil {
			return n, err
		}
		m, err := r.readFrame(p[n:], int(off-s.content), s)
		n, off = n+m, off+int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// readFrame copies the content of one frame behind skip bytes to p.
func (r *ReaderAt) readFrame(p []byte, skip int, s span) (int, error) {
	if skip == 0 && len(p) >= s.length {
		content, err := r.decode(p[:0:len(p)], s)
		return len(content), err
	}
	c := r.take(s.stream)
	defer r.put(c)
	if c.stream != s.stream {
		c.stream = -1
		if room := s.length + decodeRoom; cap(c.content) < room {
			c.wipe()
			c.content = make([]byte, 0, room)
		}
		content, err := r.decode(c.content[:0], s)
		if err != nil {
			return 0, err
		}
		c.stream, c.content = s.stream, content
	}
	return copy(p, c.content[skip:]), nil
}

// decode decompresses a frame into dst, which has room for it.
func (r *ReaderAt) decode(dst []byte, s span) ([]byte, error) {
	pooled := r.frames.Get().(*[]byte)
	defer r.frames.Put(pooled)
	*pooled = slices.Grow((*pooled)[:0], s.size)
	frame := (*pooled)[:s.size]
	defer clear(frame)
	if err := readAt(r.src, frame, s.stream); err != nil {
		return nil, err
	}
	content, err := checkFrame(frame)
	if err != nil {
		return nil, err
	}
	if content != s.length {
		return nil, malformed("a frame states %d bytes of content, the seek table %d", content, s.length)
	}
	d, err := NewDecoder()
	if err != nil {
		return nil, err
	}
	defer d.Release()
	return d.Decode(dst, frame, s.length)
}

// take gets the frame at an offset of the stream out of the cache, or another one to be
// overwritten. It is the caller's alone until put.
func (r *ReaderAt) take(stream int64) *cached {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, c := range r.idle {
		if c.stream == stream {
			r.idle = append(r.idle[:i], r.idle[i+1:]...)
			return c
		}
	}
	if len(r.idle) < cachedFrames {
		return &cached{stream: -1}
	}
	c := r.idle[0]
	r.idle = append(r.idle[:0], r.idle[1:]...)
	return c
}

func (r *ReaderAt) put(c *cached) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.idle) < cachedFrames {
		r.idle = append(r.idle, c)
		return
	}
	c.wipe() // more calls at a time than frames in the cache
}

// Wipe clears the cache. No ReadAt may be running.
func (r *ReaderAt) Wipe() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.idle {
		c.wipe()
	}
	r.idle = nil
}
