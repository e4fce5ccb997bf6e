package stream

import "fmt"

// pageSize is what buffers are rounded up to; right or a divisor of the right one everywhere that
// matters.
const pageSize = 4096

// Buffer is page-aligned memory outside the Go heap where the system has it, so that the plaintext
// in it is not moved or kept by the collector and can be given back at once. It is for the data of
// a stream; keys live in package secret.
type Buffer struct{ b []byte }

// NewBuffer makes room for n bytes, zeroed. Pages count against memory only once they are touched.
// Where the system has no memory, it fails; the heap would end the process.
func NewBuffer(n int) (*Buffer, error) {
	size := (n + pageSize - 1) / pageSize * pageSize
	b, err := newMemory(size)
	if err != nil {
		return nil, fmt.Errorf("buffer of %d bytes: %w", size, err)
	}
	return &Buffer{b: b[:n]}, nil
}

// Bytes are the n bytes of the buffer, valid until Free.
func (b *Buffer) Bytes() []byte { return b.b }

// Free wipes the buffer's first used bytes, those that ever held data, and gives it back.
func (b *Buffer) Free(used int) {
	if b.b == nil {
		return
	}
	clear(b.b[:min(used, len(b.b))])
	freeMemory(b.b[:cap(b.b)])
	b.b = nil
}
