package stream

// pageSize is what buffers are rounded up to; right or a divisor of the right one everywhere that matters.
const pageSize = 4096

// Buffer is page-aligned memory outside the Go heap where the system has it, so that the plaintext in it is not moved or kept by the collector
// and can be given back at once. It is for the data of a stream; keys live in package secret.
type Buffer struct {
	b      []byte
	mapped bool
}

// NewBuffer makes room for n bytes, zeroed. Pages count against memory only once they are touched.
func NewBuffer(n int) (*Buffer, error) {
	size := (n + pageSize - 1) / pageSize * pageSize
	if b, err := mapMemory(size); err == nil {
		return &Buffer{b: b[:n], mapped: true}, nil
	}
	return &Buffer{b: make([]byte, n, size)}, nil
}

// Bytes are the n bytes of the buffer, valid until Free.
func (b *Buffer) Bytes() []byte { return b.b }

// Free wipes the buffer's first used bytes, those that ever held data, and gives it back.
func (b *Buffer) Free(used int) {
	if b.b == nil {
		return
	}
	clear(b.b[:min(used, len(b.b))])
	if b.mapped {
		unmapMemory(b.b[:cap(b.b)])
	}
	b.b = nil
}
