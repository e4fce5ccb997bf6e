package envelope

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"runtime"

	"github.com/envseal/envseal/format"
)

// batchSize is about how many plaintext bytes a worker takes at a time: both its buffers fit into a
// core's second-level cache.
const batchSize = 256 << 10

// SealOptions of Seal. The zero value is right for most files.
type SealOptions struct {
	// ChunkSizeLog2 is the size of a chunk, 12..24; 0 means format.DefaultChunkSizeLog2 (64 KiB).
	ChunkSizeLog2 uint8
	// Workers is how many batches are worked on at a time; 0 means one per core. With Compress, so
	// many are compressed and as many are sealed.
	Workers int
	// Compress makes the plaintext smaller first; LevelNone, the zero value, does not.
	Compress Level
	// LastUse destroys the data key as soon as the payload key is derived. It is for a data key that
	// seals one file.
	LastUse bool
	// Begun, if set, is called with the header before anything is written. It must not change it.
	Begun func(*format.Header)
	// Header, if set, gets the header, and dst the chunks alone. Such a detached header can be
	// re-wrapped later without touching the data.
	Header io.Writer
}

// Seal reads src to its end and writes a whole sealed file to dst: header, then chunks. It returns
// the header, which is the caller's.
//
// Every call makes a new file id, so a key may be used for many files. Less than one chunk of a
// slow source is held back. With Compress it is up to 1 MiB more, as a frame is compressed when it
// is full, however long that takes. After an error of src, even io.ErrUnexpectedEOF, the last chunk
// is not written: what is in dst can never pass for a whole file. Errors of src and dst come as
// they are.
//
// When dst fails or ctx is cancelled while a Read of src blocks, Seal waits for that Read, unless
// src has a method Interrupt(), which makes it fail soon.
func Seal(ctx context.Context, dst io.Writer, src io.Reader, key *DataKey,
	opts SealOptions) (*format.Header, error) {
	h, payload, err := begin(ctx, key, opts)
	if err != nil {
		return nil, err
	}
	defer payload.Destroy()
	if err := writeHeader(h, dst, opts); err != nil {
		return nil, err
	}
	seal := func(src io.Reader) error {
		return sealFlow(ctx, dst, src, payload, workers(opts.Workers))
	}
	if opts.Compress == LevelNone {
		err = seal(src)
	} else {
		err = sealCompressed(ctx, src, opts, seal)
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

// layOut gives the header's bytes.
func layOut(h *format.Header, opts SealOptions) ([]byte, error) {
	raw, err := h.MarshalBinary()
	if err == nil && opts.Begun != nil {
		opts.Begun(h)
	}
	return raw, err
}

// writeHeader writes the header, the first bytes of a file: to dst, or where a detached one goes.
func writeHeader(h *format.Header, dst io.Writer, opts SealOptions) error {
	raw, err := layOut(h, opts)
	if err != nil {
		return err
	}
	if opts.Header != nil {
		dst = opts.Header
	}
	_, err = dst.Write(raw)
	return err
}

func begin(ctx context.Context, key *DataKey,
	opts SealOptions) (*format.Header, *payloadKey, error) {
	d := format.Descriptor{
		Suite:         format.SuiteHKDFSHA512AES256GCM,
		ChunkSizeLog2: opts.ChunkSizeLog2,
		Context:       maps.Clone(key.context),
	}
	if d.ChunkSizeLog2 == 0 {
		d.ChunkSizeLog2 = format.DefaultChunkSizeLog2
	}
	if opts.Compress > LevelBetter {
		return nil, nil, fmt.Errorf("%v is unknown", opts.Compress)
	}
	if opts.Compress != LevelNone {
		d.Compression = format.CompressionZstd
	}
	if _, err := rand.Read(d.FileID[:]); err != nil {
		return nil, nil, err
	}
	h, payload, err := key.begin(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	if opts.LastUse {
		key.Destroy()
	}
	return h, payload, nil
}

func workers(n int) int {
	if n > 0 {
		return n
	}
	return runtime.GOMAXPROCS(0)
}
