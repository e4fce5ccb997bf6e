package envelope

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/envseal/envseal/envelope/internal/secret"
	"github.com/envseal/envseal/format"
)

// ReaderAt gives random access to the plaintext of a sealed file. It is safe for concurrent use but for Close.
type ReaderAt struct {
	src    io.ReaderAt
	header *format.Header
	layout format.Layout
	aead   *secret.AEAD
	chunks int64
	size   int64
	runs   sync.Pool // *[]byte, sealed bytes of up to readRun chunks
}

// readRun is how many sealed bytes one read of the source takes at the most, unless a chunk is larger.
const readRun = 1 << 20

// OpenAt opens a sealed file of size bytes for random access. It opens the last chunk first, so Size is authentic before anything is read.
// Compressed files are ErrCompression. The caller owes a Close.
func OpenAt(ctx context.Context, src io.ReaderAt, size int64, opts OpenOptions, ids ...Identity) (*ReaderAt, error) {
	h, err := format.ReadHeader(io.NewSectionReader(src, 0, size), format.Limits{MaxSlots: opts.MaxSlots})
	if err != nil {
		return nil, err
	}
	layout := h.Layout()
	plain, err := layout.PlaintextSize(size)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTruncated, err)
	}
	aead, err := unlock(ctx, h, opts, ids)
	if err != nil {
		return nil, err
	}
	r := &ReaderAt{src: src, header: h, layout: layout, aead: aead, chunks: layout.Chunks(plain), size: plain}
	r.runs.New = func() any {
		b := make([]byte, max(1, readRun/r.sealedChunk())*r.sealedChunk())
		return &b
	}
	if err := r.checkEnd(); err != nil {
		aead.Destroy()
		return nil, err
	}
	return r, nil
}

// Size is the plaintext's length in bytes.
func (r *ReaderAt) Size() int64 { return r.size }

// Header is the file's header. It must not be changed.
func (r *ReaderAt) Header() *format.Header { return r.header }

// Close wipes the key. No ReadAt may be running or follow.
func (r *ReaderAt) Close() error {
	r.aead.Destroy()
	return nil
}

func (r *ReaderAt) sealedChunk() int { return r.layout.ChunkSize + format.TagSize }

// checkEnd opens the last chunk.
func (r *ReaderAt) checkEnd() error {
	last := r.chunks - 1
	buf := make([]byte, r.layout.ChunkSize)
	defer clear(buf)
	_, err := r.readChunks(buf, last, last)
	return err
}

// ReadAt reads plaintext at off as io.ReaderAt says. All bytes it returns are authentic; an altered chunk is ErrTampered.
func (r *ReaderAt) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	if off >= r.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > r.size-off
	if short {
		p = p[:r.size-off]
	}
	chunk := int64(r.layout.ChunkSize)
	perRun := int64(max(1, readRun/r.sealedChunk()))
	for len(p) > 0 {
		first := off / chunk
		last := min((off+int64(len(p))-1)/chunk, first+perRun-1)
		m, err := r.readRun(p, off-first*chunk, first, last)
		n += m
		if err != nil {
			return n, err
		}
		p, off = p[m:], off+int64(m)
	}
	if short {
		return n, io.EOF
	}
	return n, nil
}

// readRun opens chunks first..last and copies what lies behind skip bytes to p.
func (r *ReaderAt) readRun(p []byte, skip, first, last int64) (int, error) {
	size := int64(r.layout.ChunkSize)
	whole := (last - first + 1) * size
	if skip == 0 && int64(len(p)) >= whole {
		return r.readChunks(p[:whole], first, last)
	}
	plain := make([]byte, whole)
	defer clear(plain)
	n, err := r.readChunks(plain, first, last)
	if err != nil {
		return 0, err
	}
	return copy(p, plain[skip:n]), nil
}

// readChunks opens chunks first..last into dst, which has room for whole ones.
func (r *ReaderAt) readChunks(dst []byte, first, last int64) (n int, err error) {
	pooled := r.runs.Get().(*[]byte)
	defer r.runs.Put(pooled)
	unit := r.sealedChunk()
	begin := r.layout.Offset(first)
	length := int64(unit) * (last - first + 1)
	if last == r.chunks-1 {
		end, err := r.layout.SealedSize(r.size)
		if err != nil {
			return 0, err
		}
		length = end - begin
	}
	sealed := (*pooled)[:length]
	if m, err := r.src.ReadAt(sealed, begin); m < len(sealed) {
		if err == io.EOF {
			err = ErrTruncated
		}
		return 0, err
	}
	secret.Quiet(func() { n, err = r.openChunks(dst, sealed, first, last) })
	return n, err
}

// openChunks opens chunks first..last, which follow each other in sealed.
func (r *ReaderAt) openChunks(dst, sealed []byte, first, last int64) (n int, err error) {
	unit := r.sealedChunk()
	opener := chunkOpener{aead: r.aead}
	for i := first; i <= last; i++ {
		exp := inside
		if i == r.chunks-1 {
			exp = ending
		}
		m := min(unit, len(sealed))
		plain, _, err := opener.open(dst[n:n], sealed[:m], uint64(i), exp)
		if err != nil {
			return n, fmt.Errorf("chunk %d: %w", i, err)
		}
		n, sealed = n+len(plain), sealed[m:]
	}
	return n, nil
}
