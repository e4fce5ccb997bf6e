package envelope

import (
	"fmt"

	"github.com/envseal/envseal/envelope/internal/secret"
	"github.com/envseal/envseal/format"
)

// payloadKey is what seals and opens the chunks of one file: the payload key, expanded, and the
// base nonce, both in locked memory. Several goroutines may use it at once.
type payloadKey struct {
	aead *secret.AEAD
	mem  *secret.Buffer
	base []byte // base nonce, in mem
	size int    // plaintext bytes in a full chunk
	most uint64 // chunks that a file has at the most
}

// newPayloadKey takes payload key and base nonce, one behind the other, and keeps mem. It is to be
// called inside secret.Do.
func newPayloadKey(mem *secret.Buffer, chunkSize int) (*payloadKey, error) {
	key, base := mem.Bytes()[:payloadKeySize], mem.Bytes()[payloadKeySize:]
	aead, err := secret.NewAESGCM(key)
	if err != nil {
		return nil, err
	}
	secret.Wipe(key)
	layout := format.Layout{ChunkSize: chunkSize}
	return &payloadKey{aead: aead, mem: mem, base: base, size: chunkSize,
		most: uint64(layout.MaxChunks())}, nil
}

// Destroy wipes the key. Nobody may be using it.
func (k *payloadKey) Destroy() {
	k.aead.Destroy()
	k.mem.Destroy()
}

// chunker seals or opens chunks for one goroutine.
type chunker struct {
	*payloadKey
	nonce [format.NonceSize]byte // not on a stack, from which it would escape once a chunk
}

// crypt is seal or open.
type crypt func(c *chunker, dst, src []byte, first uint64, final bool) ([]byte, error)

// seal appends the chunks of src to dst, from the one of index first on. The last chunk of the file
// is among them only if final, and only then may src end within a chunk.
func (c *chunker) seal(dst, src []byte, first uint64, final bool) ([]byte, error) {
	defer clear(c.nonce[:])
	for i := first; len(src) >= c.size || final; i++ {
		n := min(c.size, len(src))
		if n == c.size && i >= c.most-1 {
			return dst, ErrTooLarge // another has to follow
		}
		format.PutNonce(&c.nonce, c.base, i)
		dst = c.aead.Seal(dst, c.nonce[:], src[:n], nil)
		if n < c.size {
			break
		}
		src = src[n:]
	}
	return dst, nil
}

// open is the inverse of seal. With an error, too, what it has appended is authentic, in its place.
func (c *chunker) open(dst, src []byte, first uint64, final bool) ([]byte, error) {
	defer clear(c.nonce[:])
	unit := c.size + format.TagSize
	for i := first; len(src) >= unit || final; i++ {
		n := min(unit, len(src))
		if n == 0 {
			return dst, ErrTruncated
		}
		if n == unit && i >= c.most-1 {
			return dst, fmt.Errorf("%w: it goes on behind chunk %d, as no file does", ErrDamaged, i)
		}
		format.PutNonce(&c.nonce, c.base, i)
		plain, err := c.aead.Open(dst, c.nonce[:], src[:n], nil)
		if err != nil {
			return dst, fmt.Errorf("chunk %d: %w", i, tampered(src[:n], n < unit))
		}
		if dst = plain; n < unit {
			break
		}
		src = src[n:]
	}
	return dst, nil
}

// tampered is the error for a chunk that does not open.
func tampered(chunk []byte, short bool) error {
	switch {
	case format.HoldsBeginning(chunk):
		return ErrJoined
	case short:
		return ErrTamperedEnd
	}
	return ErrTampered
}
