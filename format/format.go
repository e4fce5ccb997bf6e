// Package format reads and writes the bytes of an envseal file: its header, the key slots in it,
// and the arithmetic of its chunks.
//
// The specification is README.md in this folder; comments name its sections. The package knows
// shapes and limits, and no key: it does not encrypt, decrypt or verify a commitment. What it
// returns without an error is well-formed, and nothing more. A header is authentic only once its
// commitment has been compared with the one derived from the data key.
//
// Nothing here starts a goroutine or keeps state. Several goroutines may use a value as long as
// none of them changes it.
package format

import (
	"bytes"
	"errors"
	"fmt"
)

// Version is the format version, the last byte of the magic.
const Version = 1

// magic begins every file; the version byte follows it.
const magic = "envseal"

// Sizes in bytes, and the limits that a reader enforces before it allocates (README, "Limits").
const (
	TagSize           = 16       // AES-GCM tag behind every chunk
	NonceSize         = 12       // of AES-GCM; also of the base nonce
	FileIDSize        = 32       // random, fresh for every file
	CommitmentSize    = 32       // see README, "Keys"
	DigestSize        = 64       // of [Descriptor.Digest], SHA-512
	MinDataKeySize    = 32       // a reader refuses shorter ones before it derives anything
	MaxDataKeySize    = 1024     // the longest that KMS generates
	MaxHeader         = 16 << 20 // whole header
	MaxContext        = 65536    // serialised encryption context of a file
	MaxPairContext    = 65535    // serialised context of a pair slot: its length field has 16 bits
	MaxKeyID          = 2048     // KeyId of a slot
	MaxCiphertextBlob = 6144     // CiphertextBlob of a slot: the largest that KMS Decrypt takes
	DefaultMaxSlots   = 64       // that a reader accepts unless told otherwise
	MaxSlots          = 65535    // that the format can hold
	MaxChunks         = 1 << 32  // of a file
	MaxChunkBytes     = 1 << 52  // plaintext of all chunks, each counted as a full one
	MinPrivateName    = 3        // name in a slot of a type for private use
	MaxPrivateName    = 255
)

// The chunk size is a power of two. A file of the default size has chunks of 64 KiB of plaintext.
const (
	MinChunkSizeLog2     = 12
	MaxChunkSizeLog2     = 24
	DefaultChunkSizeLog2 = 16
)

// headerUnit divides every header length. A fresh header leaves at least headerRoom bytes free, so
// that a key can usually be replaced or added in place.
const (
	headerUnit = 256
	headerRoom = 256
)

// The reasons for which a header or a size is refused.
var (
	// ErrNotEnvseal: the input is empty, or does not begin with the magic.
	ErrNotEnvseal = errors.New("not an envseal file")
	// ErrArmored is a case of ErrNotEnvseal: the input begins as armor does. [Unarmored] reads that.
	ErrArmored = fmt.Errorf("%w, or an armored one", ErrNotEnvseal)
	// ErrVersion: a later version of the format, or version 1 with something in its descriptor that
	// only a later reader knows.
	ErrVersion = errors.New("made by a newer version of envseal")
	// ErrPreRelease is a case of ErrVersion: suite 1, which no released version ever wrote.
	ErrPreRelease error = special{"made by a pre-release of envseal", ErrVersion}
	// ErrDamaged: a checksum, length, limit or structure is wrong. [ErrTruncated] is a case of it.
	ErrDamaged = errors.New("damaged")
	// ErrTruncated: the input ends inside the header, or before the first chunk's tag. It is a case of
	// ErrDamaged: a caller that treats both alike asks for ErrDamaged only.
	ErrTruncated error = special{"truncated", ErrDamaged}
	// ErrTooManySlots: more key slots than [Limits] allow. It is a case of ErrDamaged too: no writer
	// makes more than [DefaultMaxSlots] unasked.
	ErrTooManySlots error = special{"too many key slots", ErrDamaged}
	// ErrTooLarge: more plaintext than the chunks of a file can hold.
	ErrTooLarge = errors.New("input is too large for this chunk size")
)

// HoldsBeginning tells whether a sealed file or an armored one seems to begin within b, by the
// 8 bytes of the magic or the first line of the armor.
func HoldsBeginning(b []byte) bool {
	return bytes.Contains(b, []byte(magic+string(rune(Version)))) ||
		bytes.Contains(b, []byte(armorBegin))
}

// special is a case of another error, with words of its own.
type special struct {
	words string
	of    error
}

func (s special) Error() string { return s.words }
func (s special) Unwrap() error { return s.of }

// damaged makes an error that wraps [ErrDamaged]; the words say what is wrong and where.
func damaged(words string, args ...any) error {
	return fmt.Errorf("header is %w: %s", ErrDamaged, fmt.Sprintf(words, args...))
}

// Suite names the algorithms of a file in one number: key derivation, chunk encryption, tag size.
type Suite uint8

// SuiteHKDFSHA512AES256GCM is HKDF with SHA-512 (RFC 5869) and AES-256-GCM with 16-byte tags (NIST
// SP 800-38D). suitePreRelease had the same, with other nonces.
const (
	suitePreRelease          Suite = 1
	SuiteHKDFSHA512AES256GCM Suite = 2
)

// String gives the suite's name, or its number where it has none.
func (s Suite) String() string {
	if s == SuiteHKDFSHA512AES256GCM {
		return "HKDF-SHA512-AES256-GCM"
	}
	return fmt.Sprintf("suite(%d)", uint8(s))
}

// Compression says what was done to the plaintext before it was cut into chunks.
type Compression uint8

// The compressions of version 1.
const (
	CompressionNone Compression = 0
	CompressionZstd Compression = 1 // zstd in the seekable format (README, "Compression")
)

// String gives "none", "zstd", or the number of an unknown one.
func (c Compression) String() string {
	switch c {
	case CompressionNone:
		return "none"
	case CompressionZstd:
		return "zstd"
	}
	return fmt.Sprintf("compression(%d)", uint8(c))
}
