package envelope

import (
	"bytes"
	"context"
	"errors"
	"fmt"

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
	h, aead, err := begin(ctx, key, opts)
	if err != nil {
		return dst, nil, err
	}
	defer aead.Destroy()
	raw, err := layOut(h, opts)
	if err != nil {
		return dst, nil, err
	}
	size, err := h.Layout().SealedSize(int64(len(plain)))
	if err != nil {
		return dst, nil, fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	out := append(grow(dst, int(size)), raw...)
	secret.Quiet(func() {
		var nonce [12]byte
		for i := uint64(0); ; i++ {
			n := min(h.ChunkSize(), len(plain))
			last := n == len(plain)
			format.PutNonce(&nonce, i, last)
			out = aead.Seal(out, nonce[:], plain[:n], nil)
			if plain = plain[n:]; last {
				return
			}
		}
	})
	return out, h, nil
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
	aead, err := unlock(ctx, h, opts, ids)
	if err != nil {
		return dst, h, err
	}
	defer aead.Destroy()
	sealed = sealed[len(sealed)-src.Len():]
	out := grow(dst, len(sealed))
	secret.Quiet(func() { out, err = appendChunks(out, sealed, aead, h.ChunkSize()+format.TagSize) })
	if err != nil {
		return dst, h, err
	}
	return out, h, nil
}

// appendChunks opens all chunks, of unit bytes but for the last, to the end of out, which has room.
func appendChunks(out, sealed []byte, aead *secret.AEAD, unit int) ([]byte, error) {
	opener := chunkOpener{aead: aead}
	for i := uint64(0); ; i++ {
		n := min(unit, len(sealed))
		exp := inside
		if n == len(sealed) {
			exp = ending
		}
		plain, _, err := opener.open(out[len(out):], sealed[:n], i, exp)
		if err != nil {
			return out, fmt.Errorf("chunk %d: %w", i, err)
		}
		out = out[:len(out)+len(plain)]
		if sealed = sealed[n:]; len(sealed) == 0 {
			return out, nil
		}
	}
}

// grow gives b room for n more bytes.
func grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	return append(make([]byte, 0, len(b)+n), b...)
}
