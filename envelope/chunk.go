package envelope

import (
	"crypto/cipher"

	"github.com/envseal/envseal/format"
)

// expectation is what a reader knows of a chunk's place before it opens it.
type expectation uint8

const (
	inside  expectation = iota // something follows it
	ending                     // nothing follows it
	unknown                    // it is not known yet whether something follows
)

// tampered is the error for a chunk in this place that does not authenticate.
func (e expectation) tampered() error {
	if e == ending {
		return ErrTamperedEnd
	}
	return ErrTampered
}

// chunkOpener opens chunks for one goroutine.
type chunkOpener struct {
	aead  cipher.AEAD
	nonce [12]byte // here and not on a stack, from which it would escape to the heap once a chunk
}

// open opens chunk i into dst, which has room and does not overlap sealed. It returns the
// plaintext, and whether the chunk is the file's last.
//
// That is part of the nonce, so both can be tried: to find out where the place is unknown, and
// elsewhere to tell a cut or lengthened file from an altered one. Either way, and with ErrTruncated
// or ErrTrailing too, the plaintext is authentic for chunk i.
func (c *chunkOpener) open(dst, sealed []byte, i uint64,
	exp expectation) (plain []byte, last bool, err error) {
	if len(sealed) < format.TagSize {
		return nil, false, ErrTruncated
	}
	if i >= format.MaxChunks || len(sealed) == format.TagSize && i > 0 {
		return nil, false, exp.tampered() // no writer makes such a chunk
	}
	last = exp == ending
	if plain, err = c.try(dst, sealed, i, last); err != nil {
		last = !last
		if plain, err = c.try(dst, sealed, i, last); err != nil {
			return nil, false, exp.tampered()
		}
	}
	switch {
	case exp == ending && !last:
		return plain, false, ErrTruncated
	case exp == inside && last:
		return plain, true, ErrTrailing
	}
	return plain, last, nil
}

// try opens with one value of the last flag.
func (c *chunkOpener) try(dst, sealed []byte, i uint64, last bool) ([]byte, error) {
	format.PutNonce(&c.nonce, i, last)
	return c.aead.Open(dst, c.nonce[:], sealed, nil)
}
