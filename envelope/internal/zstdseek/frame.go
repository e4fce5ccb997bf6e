package zstdseek

import (
	"encoding/binary"
	"math"
)

const (
	fixedHeader  = 4 + 1             // magic and frame header descriptor
	maxHeader    = 4 + 1 + 1 + 4 + 8 // with window, dictionary id and content size
	blockHeader  = 3
	checksumSize = 4
)

// frameHeader is what this package asks of a frame header (RFC 8878, section 3.1.1.1).
type frameHeader struct {
	content  int // bytes, at most MaxContent
	block    int // the most that a block may hold
	checksum bool
}

// headerSize is the length of the frame header that begins with b. b has fixedHeader bytes of it.
func headerSize(b []byte) int {
	descriptor := b[4]
	return fixedHeader + windowSize(descriptor) + dictionarySize(descriptor) + contentSize(descriptor)
}

func singleSegment(descriptor byte) bool { return descriptor&0x20 != 0 }

func windowSize(descriptor byte) int {
	if singleSegment(descriptor) {
		return 0
	}
	return 1
}

func dictionarySize(descriptor byte) int { return [...]int{0, 1, 2, 4}[descriptor&3] }

func contentSize(descriptor byte) int {
	if descriptor>>6 == 0 && singleSegment(descriptor) {
		return 1
	}
	return [...]int{0, 2, 4, 8}[descriptor>>6]
}

// parseHeader reads a whole frame header, of headerSize bytes, and refuses one over the bounds.
func parseHeader(b []byte) (h frameHeader, err error) {
	descriptor := b[4]
	if binary.LittleEndian.Uint32(b) != frameMagic {
		return h, malformed("no frame begins where one should")
	}
	if descriptor&0x08 != 0 {
		return h, malformed("a frame has the reserved bit set")
	}
	window := uint64(math.MaxUint64)
	b = b[fixedHeader:]
	if n := windowSize(descriptor); n > 0 {
		base := uint64(1) << (10 + b[0]>>3)
		window = base + base/8*uint64(b[0]&7)
		b = b[n:]
	}
	n := dictionarySize(descriptor)
	if littleEndian(b[:n]) != 0 {
		return h, malformed("a frame needs a dictionary")
	}
	if b = b[n:]; len(b) == 0 {
		return h, malformed("a frame does not state its content size")
	}
	content := littleEndian(b)
	if len(b) == 2 {
		content += 256
	}
	if content == 0 {
		return h, malformed("a frame has no content")
	}
	if content > MaxContent {
		return h, malformed("a frame has %d bytes of content, more than %d", content, MaxContent)
	}
	if singleSegment(descriptor) {
		window = content
	}
	if window > MaxWindow {
		return h, malformed("a frame has a window of %d bytes, more than %d", window, MaxWindow)
	}
	return frameHeader{content: int(content), block: int(min(window, rawBlock)),
		checksum: descriptor&0x04 != 0}, nil
}

func littleEndian(b []byte) (v uint64) {
	for i, c := range b {
		v |= uint64(c) << (8 * i)
	}
	return v
}

// parseBlock reads a block header (RFC 8878, section 3.1.1.2) and tells how many bytes follow it.
func (h *frameHeader) parseBlock(b []byte) (size int, last bool, err error) {
	v := littleEndian(b[:blockHeader])
	last, size = v&1 != 0, int(v>>3)
	if size > h.block {
		return 0, false, malformed("a block of %d bytes, more than %d", size, h.block)
	}
	switch v >> 1 & 3 {
	case 1: // one byte, repeated
		return 1, last, nil
	case 3:
		return 0, false, malformed("a block of the reserved type")
	}
	return size, last, nil
}

// checkFrame checks that b is one whole frame within the bounds, and gives its content size.
func checkFrame(b []byte) (content int, err error) {
	if len(b) < fixedHeader || len(b) < headerSize(b) {
		return 0, malformed("a frame of %d bytes ends in its header", len(b))
	}
	n := headerSize(b)
	h, err := parseHeader(b[:n])
	if err != nil {
		return 0, err
	}
	for last := false; !last; {
		if len(b)-n < blockHeader {
			return 0, malformed("a frame ends where a block should begin")
		}
		var size int
		if size, last, err = h.parseBlock(b[n:]); err != nil {
			return 0, err
		}
		n += blockHeader + size
	}
	if h.checksum {
		n += checksumSize
	}
	if n != len(b) {
		return 0, malformed("a frame has %d bytes, %d belong to it", len(b), n)
	}
	return h.content, nil
}
