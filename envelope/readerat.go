package envelope

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/envseal/envseal/envelope/internal/secret"
	"github.com/envseal/envseal/envelope/internal/zstdseek"
	"github.com/envseal/envseal/format"
)

// ReaderAt gives random access to the plaintext of a sealed file. It is safe for concurrent use,
// but for Close.
type ReaderAt struct {
	header *format.Header
	chunks *chunkReader
	frames *zstdseek.ReaderAt // nil unless compressed
	size   int64
}

// OpenAt opens a sealed file of size bytes for random access. It opens the last chunk first, so
// Size is authentic before anything is read. With opts.Header, src has the chunks alone. Of a
// compressed file it reads the whole seek table: 8 bytes for each MiB of plaintext. It keeps what
// was opened last, up to 32 MiB, so that a chunk read in pieces is opened once. The caller must
// Close it.
func OpenAt(ctx context.Context, src io.ReaderAt, size int64, opts OpenOptions,
	ids ...Identity) (*ReaderAt, error) {
	h, payload, layout, err := unlockAt(ctx, src, size, opts, ids)
	if err != nil {
		return nil, err
	}
	chunks, err := newChunkReader(src, layout, size, payload)
	if err != nil {
		payload.Destroy()
		return nil, err
	}
	r := &ReaderAt{header: h, chunks: chunks, size: chunks.size}
	if err := chunks.checkEnd(); err != nil {
		r.Close()
		return nil, err
	}
	if h.Compression == format.CompressionNone || opts.NoDecompress {
		return r, nil
	}
	if r.frames, err = zstdseek.NewReaderAt(chunks, chunks.size); err != nil {
		r.Close()
		return nil, asCompression(err)
	}
	r.size = r.frames.Size()
	return r, nil
}

// unlockAt reads the header of a file that can be read at any offset, and gets its payload key. It
// refuses a size that no whole file has before it asks for a key. It returns the header as soon as
// there is one. The caller must destroy the key.
func unlockAt(ctx context.Context, src io.ReaderAt, size int64, opts OpenOptions,
	ids []Identity) (*format.Header, *payloadKey, format.Layout, error) {
	h, err := readHeader(bufio.NewReader(io.NewSectionReader(src, 0, size)), opts)
	if err != nil {
		return nil, nil, format.Layout{}, err
	}
	layout := h.Layout()
	if opts.Header != nil {
		layout.HeaderLen = 0
	}
	if _, err := plaintextSize(layout, size); err != nil {
		return h, nil, layout, err
	}
	payload, err := unlock(ctx, h, opts, ids)
	return h, payload, layout, err
}

// plaintextSize is that of the layout, with the errors of a payload.
func plaintextSize(layout format.Layout, size int64) (int64, error) {
	plain, err := layout.PlaintextSize(size)
	switch {
	case errors.Is(err, format.ErrTruncated):
		err = fmt.Errorf("%w: %w", ErrTruncated, err)
	case err != nil:
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return plain, err
}

// Size is the plaintext's length in bytes.
func (r *ReaderAt) Size() int64 { return r.size }

// Header is the file's header. It must not be changed.
func (r *ReaderAt) Header() *format.Header { return r.header }

// ReadAt reads plaintext at off as io.ReaderAt says. All bytes it returns are authentic; an altered
// chunk is ErrTampered.
func (r *ReaderAt) ReadAt(p []byte, off int64) (n int, err error) {
	if r.frames == nil {
		return r.chunks.ReadAt(p, off)
	}
	n, err = r.frames.ReadAt(p, off)
	return n, asCompression(err)
}

// Close wipes the key and the plaintext kept. No ReadAt may be running or follow.
func (r *ReaderAt) Close() error {
	r.chunks.key.Destroy()
	r.chunks.windows.wipe()
	if r.frames != nil {
		r.frames.Wipe()
	}
	return nil
}

// chunkReader gives random access to what the chunks hold.
type chunkReader struct {
	src     io.ReaderAt
	layout  format.Layout
	key     *payloadKey
	end     int64 // of src
	chunks  int64
	size    int64
	perRun  int64     // chunks in a run at the most
	runs    sync.Pool // *[]byte, sealed bytes of a run
	windows windows   // plaintext of a run each
}

// readRun is how many sealed bytes one read of the source takes at most, unless a chunk is larger.
const readRun = 1 << 20

func newChunkReader(src io.ReaderAt, layout format.Layout, size int64,
	key *payloadKey) (*chunkReader, error) {
	plain, err := plaintextSize(layout, size)
	if err != nil {
		return nil, err
	}
	r := &chunkReader{src: src, layout: layout, key: key, end: size, chunks: layout.Chunks(plain),
		size: plain}
	r.perRun = int64(max(1, readRun/r.sealedChunk()))
	r.windows.size = int(r.perRun) * layout.ChunkSize
	r.runs.New = func() any {
		b := make([]byte, int(r.perRun)*r.sealedChunk())
		return &b
	}
	return r, nil
}

func (r *chunkReader) sealedChunk() int { return r.layout.ChunkSize + format.TagSize }

// checkEnd opens the last chunk.
func (r *chunkReader) checkEnd() error {
	w, err := r.openWindow(r.chunks-1, r.chunks-1)
	if err == nil {
		r.windows.put(w)
	}
	return err
}

// ReadAt is that of ReaderAt, but of the compressed stream if there is one.
func (r *chunkReader) ReadAt(p []byte, off int64) (n int, err error) {
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
	for len(p) > 0 {
		m, err := r.readSome(p, off)
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

// readSome reads at least one byte at off: all that one window or run has. Runs that are wanted
// whole take no detour.
func (r *chunkReader) readSome(p []byte, off int64) (int, error) {
	if n := r.windows.read(p, off); n > 0 {
		return n, nil
	}
	size := int64(r.layout.ChunkSize)
	first := off / size
	last := min((off+int64(len(p))-1)/size, first+r.perRun-1)
	whole := (last - first + 1) * size
	if off == first*size && int64(len(p)) >= whole {
		return r.readChunks(p[:whole], first, last)
	}
	w, err := r.openWindow(first, last)
	if err != nil {
		return 0, err
	}
	n := copy(p, w.plain[off-w.off:])
	r.windows.put(w)
	return n, nil
}

// openWindow opens chunks first..last in a window. The caller must put it.
func (r *chunkReader) openWindow(first, last int64) (*window, error) {
	w, err := r.windows.take()
	if err != nil {
		return nil, err
	}
	whole := int(last-first+1) * r.layout.ChunkSize
	w.used = max(w.used, whole)
	n, err := r.readChunks(w.mem.Bytes()[:whole], first, last)
	if err != nil {
		w.free()
		return nil, err
	}
	w.off, w.plain = first*int64(r.layout.ChunkSize), w.mem.Bytes()[:n]
	return w, nil
}

// readChunks opens chunks first..last into dst, which has room for whole ones.
func (r *chunkReader) readChunks(dst []byte, first, last int64) (n int, err error) {
	pooled := r.runs.Get().(*[]byte)
	defer r.runs.Put(pooled)
	at := r.layout.Offset(first)
	sealed := (*pooled)[:min(r.layout.Offset(last+1), r.end)-at]
	if err := readFull(r.src, sealed, at, ErrTruncated); err != nil {
		return 0, err
	}
	chunks := chunker{payloadKey: r.key}
	secret.Quiet(func() {
		dst, err = chunks.open(dst[:0], sealed, uint64(first), last == r.chunks-1)
	})
	return len(dst), err
}
