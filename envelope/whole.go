package envelope

import (
	"bytes"
	"context"
	"errors"

	"github.com/envseal/envseal/envelope/internal/secret"
	"github.com/envseal/envseal/format"
)

// The two functions of this file are for small files, of which a tree may have millions. They start
// nothing, and need only two buffers that the caller has anyway. A file of 4 KiB takes a tenth of
// the time that a stream takes.

// ErrStreamOnly: compression and detached headers are for [Seal] and [Open] alone.
var ErrStreamOnly = errors.New("not for a file that is compressed or has its header apart")

// AppendSealed seals all of plain, as [Seal] does, and appends the sealed file to dst, which must
// not overlap plain. If dst has the room, nothing is allocated for the data. It ignores
// opts.Workers. Compression and a detached header are ErrStreamOnly.
func AppendSealed(ctx context.Context, dst, plain []byte, key *DataKey,
	opts SealOptions) ([]byte, *format.Header, error) {
	if opts.Header != nil || opts.Compress != LevelNone {
		return dst, nil, ErrStreamOnly
	}
	h, payload, err := begin(ctx, key, opts)
	if err != nil {
		return dst, nil, err
	}
	defer payload.Destroy()
	raw, err := layOut(h, opts)
	if err != nil {
		return dst, nil, err
	}
	size, err := h.Layout().SealedSize(int64(len(plain)))
	if err != nil {
		return dst, nil, err
	}
	out := append(grow(dst, int(size)), raw...)
	chunks := chunker{payloadKey: payload}
	secret.Quiet(func() { out, err = chunks.seal(out, plain, 0, true) })
	return out, h, err
}

// AppendOpened opens all of a sealed file, as [Open] does, and appends its plaintext to dst, which
// must not overlap sealed. On an error dst comes back as it was, but the room after it may hold
// plaintext. Like Open it returns the header as soon as there is one. A compressed file may hold
// any amount, so it is ErrStreamOnly before a key is asked for.
func AppendOpened(ctx context.Context, dst, sealed []byte, opts OpenOptions,
	ids ...Identity) ([]byte, *format.Header, error) {
	if opts.Header != nil {
		return dst, nil, ErrStreamOnly
	}
	src := bytes.NewReader(sealed)
	h, err := readHeader(src, opts)
	if err != nil {
		return dst, nil, err
	}
	if h.Compression != format.CompressionNone && !opts.NoDecompress {
		return dst, h, ErrStreamOnly
	}
	if plain, err := h.Layout().PlaintextSize(int64(len(sealed))); err == nil &&
		opts.MaxSize > 0 && plain > opts.MaxSize {
		return dst, h, ErrMaxSize
	}
	payload, err := unlock(ctx, h, opts, ids)
	if err != nil {
		return dst, h, err
	}
	defer payload.Destroy()
	sealed = sealed[len(sealed)-src.Len():]
	out, chunks := grow(dst, len(sealed)), chunker{payloadKey: payload}
	secret.Quiet(func() { out, err = chunks.open(out, sealed, 0, true) })
	if err != nil {
		return dst, h, err
	}
	return out, h, nil
}

// grow gives b room for n more bytes.
func grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	return append(make([]byte, 0, len(b)+n), b...)
}
