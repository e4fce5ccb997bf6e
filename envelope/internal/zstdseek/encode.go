package zstdseek

import (
	"encoding/binary"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	frameMagic = 0xfd2fb528
	// rawBlock is the most that a block holds.
	rawBlock = 128 << 10
	// sniff is how many bytes of each block are compressed to find out whether it is worth it.
	sniff = 4 << 10
)

// Encoder makes frames, one at a time. Its memory, one to some MiB with the level, is kept for the
// next one. Pieces of the content stay in it: unlike keys, they cannot be wiped.
type Encoder struct {
	zstd  *zstd.Encoder
	level Level
	trial [sniff + sniff/2]byte
}

var encoders [levels]sync.Pool

// NewEncoder gets an encoder. The caller owes a Release.
func NewEncoder(l Level) (*Encoder, error) {
	if l >= levels {
		return nil, errLevel
	}
	if e, ok := encoders[l].Get().(*Encoder); ok {
		return e, nil
	}
	z, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel([...]zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault,
			zstd.SpeedBetterCompression}[l]),
		// EncodeAll works on its caller's goroutine, with one set of tables
		zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(FrameContent),
		zstd.WithSingleSegment(true), // and so small frames state their size, too
		zstd.WithEncoderCRC(true),
		zstd.WithLowerEncoderMem(true),
	)
	if err != nil {
		return nil, err
	}
	return &Encoder{zstd: z, level: l}, nil
}

// Release gives the encoder back. It must not be used any more.
func (e *Encoder) Release() { encoders[e.level].Put(e) }

// AppendFrame appends the frame of content to dst. If dst has no room for EncodedRoom bytes, it is
// moved. content has 1 to FrameContent bytes.
//
// Content that does not look as if it could be made smaller is stored, and its compression not
// tried.
func (e *Encoder) AppendFrame(dst, content []byte) []byte {
	if e.incompressible(content) {
		return appendStored(dst, content)
	}
	return e.zstd.EncodeAll(content, dst)
}

// incompressible compresses a sample of every block. It is enough that one becomes smaller by a
// sixteenth. A sample cannot show content that repeats itself over longer distances only.
func (e *Encoder) incompressible(content []byte) bool {
	if len(content) < 4*sniff {
		return false
	}
	for len(content) > 0 {
		block := content[:min(rawBlock, len(content))]
		content = content[len(block):]
		at := max(0, len(block)-sniff) / 2
		sample := block[at:min(at+sniff, len(block))]
		if len(e.zstd.EncodeAll(sample, e.trial[:0])) < len(sample)-len(sample)/16 {
			return false
		}
	}
	return true
}

// appendStored appends a frame of raw blocks (RFC 8878, section 3.1.1.2).
func appendStored(dst, content []byte) []byte {
	dst = appendHeader(dst, len(content))
	for rest := content; ; {
		block := rest[:min(rawBlock, len(rest))]
		rest = rest[len(block):]
		head := uint32(len(block)) << 3
		if len(rest) == 0 {
			head |= 1 // the last block
		}
		dst = append(dst, byte(head), byte(head>>8), byte(head>>16))
		dst = append(dst, block...)
		if len(rest) == 0 {
			return binary.LittleEndian.AppendUint32(dst, checksum(content))
		}
	}
}

// appendHeader appends a frame header with checksum, single segment, and the content size in its
// shortest form.
func appendHeader(dst []byte, content int) []byte {
	const singleSegment, hasChecksum = 1 << 5, 1 << 2
	dst = binary.LittleEndian.AppendUint32(dst, frameMagic)
	switch {
	case content < 256:
		return append(dst, 0<<6|singleSegment|hasChecksum, byte(content))
	case content < 65536+256:
		return binary.LittleEndian.AppendUint16(append(dst, 1<<6|singleSegment|hasChecksum),
			uint16(content-256))
	}
	return binary.LittleEndian.AppendUint32(append(dst, 2<<6|singleSegment|hasChecksum),
		uint32(content))
}
