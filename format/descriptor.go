package format

import (
	"crypto/sha512"
	"encoding/binary"
	"fmt"
)

// descriptorFixed counts the bytes of a descriptor before its context: magic, suite, chunk size,
// compression, reserved, file id, context length.
const descriptorFixed = 8 + 1 + 1 + 1 + 1 + FileIDSize + 4

// Descriptor is the part of the header that says how the payload is made. It never changes after
// the file is written, and every key is derived from it (README, "Descriptor").
type Descriptor struct {
	Suite         Suite
	ChunkSizeLog2 uint8 // chunks have 1 << ChunkSizeLog2 bytes of plaintext
	Compression   Compression
	FileID        [FileIDSize]byte
	Context       Context
}

// AppendBinary appends the descriptor's bytes to b. It fails for a value that version 1 does not
// have, so the zero Descriptor is not valid. A descriptor that was read is written byte for byte as
// it was.
func (d *Descriptor) AppendBinary(b []byte) ([]byte, error) {
	if err := d.known(); err != nil {
		return nil, err
	}
	context, err := d.Context.AppendBinary(nil)
	if err != nil {
		return nil, err
	}
	b = append(b, magic...)
	b = append(b, Version, byte(d.Suite), d.ChunkSizeLog2, byte(d.Compression), 0)
	b = append(b, d.FileID[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(context)))
	return append(b, context...), nil
}

// known refuses the values that a later version may bring.
func (d *Descriptor) known() error {
	switch {
	case d.Suite == suitePreRelease:
		return fmt.Errorf("%w: %v is no longer read", ErrPreRelease, d.Suite)
	case d.Suite != SuiteHKDFSHA512AES256GCM:
		return fmt.Errorf("%w: %v is unknown", ErrVersion, d.Suite)
	case d.ChunkSizeLog2 < MinChunkSizeLog2 || d.ChunkSizeLog2 > MaxChunkSizeLog2:
		return fmt.Errorf("%w: chunk size 2^%d is not between 2^%d and 2^%d",
			ErrVersion, d.ChunkSizeLog2, MinChunkSizeLog2, MaxChunkSizeLog2)
	case d.Compression > CompressionZstd:
		return fmt.Errorf("%w: %v is unknown", ErrVersion, d.Compression)
	}
	return nil
}

// ChunkSize is the number of plaintext bytes in a full chunk.
func (d *Descriptor) ChunkSize() int { return 1 << d.ChunkSizeLog2 }

// Digest is D, the SHA-512 of the descriptor's bytes. It goes into every derived key (README,
// "Keys").
func (d *Descriptor) Digest() ([DigestSize]byte, error) {
	b, err := d.AppendBinary(nil)
	if err != nil {
		return [DigestSize]byte{}, err
	}
	return sha512.Sum512(b), nil
}

// parseDescriptor reads a descriptor whose magic was checked and whose context ends where b ends.
func parseDescriptor(b []byte) (Descriptor, error) {
	var d Descriptor
	fixed, context := b[len(magic)+1:descriptorFixed], b[descriptorFixed:]
	d.Suite, d.ChunkSizeLog2, d.Compression = Suite(fixed[0]), fixed[1], Compression(fixed[2])
	copy(d.FileID[:], fixed[4:])
	if err := d.known(); err != nil {
		return d, err
	}
	if fixed[3] != 0 {
		return d, fmt.Errorf("%w: reserved byte is %d", ErrVersion, fixed[3])
	}
	var err error
	if d.Context, err = ParseContext(context); err != nil {
		return d, fmt.Errorf("header: %w", err)
	}
	return d, nil
}
