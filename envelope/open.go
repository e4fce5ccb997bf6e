package envelope

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/envseal/envseal/envelope/internal/stream"
	"github.com/envseal/envseal/format"
)

// OpenOptions of Open, Verify and OpenAt. The zero value is right for most files.
type OpenOptions struct {
	// Workers is how many batches are worked on at a time; 0 means one per core.
	Workers int
	// MaxSlots is how many key slots a header may have; 0 means format.DefaultMaxSlots.
	MaxSlots int
	// Check, if set, sees the header before any identity does. Its error ends the call: here a policy
	// on keys or the encryption context refuses, before a key service is asked. Nothing in the header
	// is authenticated yet.
	Check func(*format.Header) error
	// Header, if set, has the detached header, which is read to its end. src then has the chunks
	// alone.
	Header io.Reader
	// MaxSize, if positive, is how many bytes may come out. What would go beyond is ErrMaxSize, and is
	// not written. It is for files of others: a small compressed one can hold any amount. OpenAt
	// ignores it, as its callers know the size before they read.
	MaxSize int64
	// NoDecompress hands out the zstd stream of a compressed file. For others it changes nothing.
	NoDecompress bool
}

// Open reads a sealed file from src to its end and writes its plaintext to dst. It returns the
// header as soon as there is one, also with an error.
//
// Identities are asked in their order until one gives the file's key. Every byte written has been
// authenticated, in its place. After an error dst holds a prefix of the plaintext, which must be
// discarded: whole chunks, or whole frames of at most 4 MiB if the file is compressed. No error
// means that all of the file was there, and nothing after it. A chunk or frame that has arrived
// whole is written without waiting for the next. As for Seal, a method Interrupt() of src lets Open
// fail at once while a Read blocks.
func Open(ctx context.Context, dst io.Writer, src io.Reader, opts OpenOptions,
	ids ...Identity) (*format.Header, error) {
	h, err := readHeader(src, opts)
	if err != nil {
		return nil, err
	}
	payload, err := unlock(ctx, h, opts, ids)
	if err != nil {
		return h, err
	}
	defer payload.Destroy()
	return h, openStream(ctx, dst, src, h, payload, opts)
}

// openStream opens the chunks of h, which src has, in order.
func openStream(ctx context.Context, dst io.Writer, src io.Reader, h *format.Header,
	payload *payloadKey, opts OpenOptions) error {
	if opts.MaxSize > 0 {
		dst = &boundedWriter{w: dst, left: opts.MaxSize}
	}
	open := func(dst io.Writer) error {
		return openFlow(ctx, dst, src, payload, workers(opts.Workers))
	}
	if h.Compression == format.CompressionNone || opts.NoDecompress {
		return open(dst)
	}
	return openCompressed(ctx, dst, src, opts, open)
}

// ReadHeader reads the header of a sealed file and runs opts.Check on it, as Open does before it
// asks for a key. Nothing in it is authenticated.
func ReadHeader(src io.Reader, opts OpenOptions) (*format.Header, error) {
	h, err := readHeader(src, opts)
	if err == nil && opts.Check != nil {
		err = opts.Check(h)
	}
	return h, err
}

// readHeader reads the header before the chunks, or a detached one.
func readHeader(src io.Reader, opts OpenOptions) (*format.Header, error) {
	limits := format.Limits{MaxSlots: opts.MaxSlots}
	if opts.Header == nil {
		return format.ReadHeader(src, limits)
	}
	h, err := format.ReadHeader(opts.Header, limits)
	if err != nil {
		return nil, fmt.Errorf("header file: %w", err)
	}
	var more [1]byte
	switch n, _, err := stream.ReadWhole(opts.Header, more[:]); {
	case n > 0:
		return nil, fmt.Errorf("header file: %w: it holds more than a header", format.ErrDamaged)
	case err != nil:
		return nil, fmt.Errorf("header file: %w", err)
	}
	return h, nil
}

// Verify reads and authenticates all of a sealed file and writes nothing.
func Verify(ctx context.Context, src io.Reader, opts OpenOptions,
	ids ...Identity) (*format.Header, error) {
	return Open(ctx, io.Discard, src, opts, ids...)
}

// unlock gets the data key from the header's slots, derives the payload key and checks it against
// the commitment. It asks the identities in their order until one gives the file's key. An identity
// without a slot says nothing about the file, so its error counts only if there is no other.
func unlock(ctx context.Context, h *format.Header, opts OpenOptions,
	ids []Identity) (*payloadKey, error) {
	if opts.Check != nil {
		if err := opts.Check(h); err != nil {
			return nil, err
		}
	}
	var failed, unmatched []error
	for _, id := range ids {
		payload, err := unlockBy(ctx, h, id)
		if err == nil {
			return payload, nil
		}
		if errors.Is(err, ErrNoMatch) {
			unmatched = append(unmatched, err)
		} else {
			failed = append(failed, err)
		}
	}
	switch {
	case len(failed) > 0:
		return nil, errors.Join(failed...)
	case len(unmatched) > 0:
		return nil, errors.Join(unmatched...)
	}
	return nil, ErrNoMatch
}

// unlockBy asks one identity.
func unlockBy(ctx context.Context, h *format.Header, id Identity) (*payloadKey, error) {
	key, err := id.Unwrap(ctx, h)
	if err != nil {
		return nil, err
	}
	defer key.Destroy()
	if err := checkDataKey(key); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCommitment, err)
	}
	payload, err := deriveChecked(key.Bytes(), h)
	if err == nil {
		confirm(key)
	}
	return payload, err
}

// confirm tells a key that it is right, if the key wants to know.
func confirm(key Secret) {
	if c, ok := key.(interface{ Confirmed() }); ok {
		c.Confirmed()
	}
}

// boundedWriter refuses the write that would go over the bound.
type boundedWriter struct {
	w    io.Writer
	left int64
}

func (b *boundedWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		return 0, ErrMaxSize
	}
	n, err := b.w.Write(p)
	b.left -= int64(n)
	return n, err
}
