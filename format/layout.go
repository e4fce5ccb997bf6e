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

// check refuses a layout that no header has. So no later sum overflows: chunks of 2^52 bytes in all
// are below 2^53 with their tags.
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

// MaxChunks is how many chunks a file may have: [MaxChunks] of them, and [MaxChunkBytes] in all.
// The result is 0 if the chunk size is not positive.
func (l Layout) MaxChunks() int64 {
	if l.ChunkSize <= 0 {
		return 0
	}
	return min(MaxChunks, MaxChunkBytes/int64(l.ChunkSize))
}

// Chunks counts the chunks of plain bytes: all full ones, and the last, which is shorter and may be
// empty. The result is 0 if plain is negative or the chunk size is not positive. The limit is not
// checked; SealedSize does that.
func (l Layout) Chunks(plain int64) int64 {
	if plain < 0 || l.ChunkSize <= 0 {
		return 0
	}
	return plain/int64(l.ChunkSize) + 1
}

// SealedSize is the exact size of the sealed file. It fails for a negative size, and with
// [ErrTooLarge] for one of more than [Layout.MaxChunks] chunks.
func (l Layout) SealedSize(plain int64) (int64, error) {
	if err := l.check(); err != nil {
		return 0, err
	}
	if plain < 0 {
		return 0, fmt.Errorf("plaintext size %d is negative", plain)
	}
	chunks := l.Chunks(plain)
	if chunks > l.MaxChunks() {
		return 0, fmt.Errorf("%w: plaintext of %d bytes in chunks of %d, a file holds %d",
			ErrTooLarge, plain, l.ChunkSize, l.MaxChunks()*int64(l.ChunkSize)-1)
	}
	return l.HeaderLen + plain + chunks*TagSize, nil
}

// PlaintextSize is the inverse of SealedSize. It fails for a size that no sealed file has: with
// [ErrTruncated] where the last chunk is missing, with [ErrDamaged] otherwise. The size is not
// authentic before the last chunk has been opened.
func (l Layout) PlaintextSize(sealed int64) (int64, error) {
	if err := l.check(); err != nil {
		return 0, err
	}
	body, full := sealed-l.HeaderLen, int64(l.ChunkSize)+TagSize
	if sealed < l.HeaderLen || body%full == 0 {
		return 0, fmt.Errorf("payload is %w: the last chunk is missing", ErrTruncated)
	}
	if last := body % full; last < TagSize {
		return 0, fmt.Errorf("payload is %w: its last chunk would have %d bytes: "+
			"cut off, or something was appended", ErrDamaged, last)
	}
	chunks := body/full + 1
	if chunks > l.MaxChunks() {
		return 0, fmt.Errorf("payload is %w: %d bytes are more than %d chunks of %d",
			ErrDamaged, body, l.MaxChunks(), full)
	}
	return body - chunks*TagSize, nil
}

// Offset is the position of a chunk's first byte in the sealed file, for a chunk from 0 to
// [MaxChunks]. Its plaintext starts at chunk * ChunkSize.
func (l Layout) Offset(chunk int64) int64 {
	return l.HeaderLen + chunk*(int64(l.ChunkSize)+TagSize)
}

// LeastChunkSize is the smallest chunk size, as the power of two, with which a file holds plain
// bytes; 0 if none does.
func LeastChunkSize(plain int64) (log2 uint8) {
	for log2 = MinChunkSizeLog2; log2 <= MaxChunkSizeLog2; log2++ {
		if l := (Layout{ChunkSize: 1 << log2}); l.Chunks(plain) <= l.MaxChunks() {
			return log2
		}
	}
	return 0
}

// PutNonce writes the nonce of a chunk: the base nonce of the file XOR the chunk's index, which is
// big-endian. A writer uses each index once for a payload key. A shorter base panics.
func PutNonce(n *[NonceSize]byte, base []byte, chunk uint64) {
	copy(n[:], base[:NonceSize])
	tail := n[NonceSize-8:]
	binary.BigEndian.PutUint64(tail, binary.BigEndian.Uint64(tail)^chunk)
}
