package format

import (
	"encoding/binary"
	"fmt"
)

// Layout is the arithmetic of a payload: which chunk lies where, and how sizes follow from each
// other. "Plaintext" is what the chunks hold: for a compressed file, the compressed stream. All
// sizes are in bytes.
type Layout struct {
	HeaderLen int64 // where the payload starts: Header.Length, or 0 if the header is detached
	ChunkSize int   // plaintext bytes of a full chunk, a power of two from 2^12 to 2^24
}

// Layout gives the layout of a file with this header. The header must have been read or marshalled:
// before that its length is 0.
func (h *Header) Layout() Layout { return Layout{HeaderLen: h.Length, ChunkSize: h.ChunkSize()} }

// check refuses a layout that no header has. So no later sum overflows: 2^32 chunks of 2^24+16
// bytes are below 2^57.
func (l Layout) check() error {
	if l.ChunkSize < 1<<MinChunkSizeLog2 || l.ChunkSize > 1<<MaxChunkSizeLog2 ||
		l.ChunkSize&(l.ChunkSize-1) != 0 {
		return fmt.Errorf("chunk size of %d bytes is not a power of two from 2^%d to 2^%d",
			l.ChunkSize, MinChunkSizeLog2, MaxChunkSizeLog2)
	}
	if l.HeaderLen < 0 || l.HeaderLen > MaxHeader {
		return fmt.Errorf("header length of %d bytes is not between 0 and %d", l.HeaderLen, MaxHeader)
	}
	return nil
}

// Chunks counts the chunks of plain bytes. An empty plaintext has one, empty chunk. The result is 0
// if plain is negative or the chunk size is not positive. [MaxChunks] is not checked; SealedSize
// does that.
func (l Layout) Chunks(plain int64) int64 {
	if plain < 0 || l.ChunkSize <= 0 {
		return 0
	}
	return max(1, (plain-1)/int64(l.ChunkSize)+1)
}

// SealedSize is the exact size of the sealed file. It fails for a negative size, and for one of
// more than [MaxChunks] chunks.
func (l Layout) SealedSize(plain int64) (int64, error) {
	if err := l.check(); err != nil {
		return 0, err
	}
	if plain < 0 {
		return 0, fmt.Errorf("plaintext size %d is negative", plain)
	}
	chunks := l.Chunks(plain)
	if chunks > MaxChunks {
		return 0, fmt.Errorf("plaintext of %d bytes: more than %d chunks of %d bytes",
			plain, int64(MaxChunks), l.ChunkSize)
	}
	return l.HeaderLen + plain + chunks*TagSize, nil
}

// PlaintextSize is the inverse of SealedSize. It fails for a size that no sealed file has: with
// [ErrTruncated] where one tag has no room, with [ErrDamaged] otherwise. The size is not authentic:
// a file that was cut between two chunks has a size that another file could have. Only the last
// chunk's flag tells.
func (l Layout) PlaintextSize(sealed int64) (int64, error) {
	if err := l.check(); err != nil {
		return 0, err
	}
	if sealed < l.HeaderLen+TagSize {
		return 0, fmt.Errorf("payload is %w: the file has %d bytes, at least %d are needed",
			ErrTruncated, sealed, l.HeaderLen+TagSize)
	}
	body, full := sealed-l.HeaderLen, int64(l.ChunkSize)+TagSize
	chunks := (body-1)/full + 1
	if chunks > MaxChunks {
		return 0, fmt.Errorf("payload is %w: %d bytes are more than %d chunks of %d",
			ErrDamaged, body, int64(MaxChunks), full)
	}
	if last := body - (chunks-1)*full; chunks > 1 && last <= TagSize {
		return 0, fmt.Errorf("payload is %w: its last chunk would have %d bytes, no file ends so",
			ErrDamaged, last)
	}
	return body - chunks*TagSize, nil
}

// Offset is the position of a chunk's first byte in the sealed file, for a chunk from 0 to
// [MaxChunks]. Its plaintext starts at chunk * ChunkSize.
func (l Layout) Offset(chunk int64) int64 {
	return l.HeaderLen + chunk*(int64(l.ChunkSize)+TagSize)
}

// PutNonce writes the nonce of a chunk: its index as 11 bytes, big-endian, then 1 for the last
// chunk of the file and 0 for the others. A writer uses each index once for a payload key.
func PutNonce(n *[12]byte, chunk uint64, last bool) {
	n[0], n[1], n[2] = 0, 0, 0
	binary.BigEndian.PutUint64(n[3:11], chunk)
	n[11] = 0
	if last {
		n[11] = 1
	}
}
