package zstdseek

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// ContentRoom is the capacity that the content of any frame needs. A little more than MaxContent
// lets the decoder take its fast path to the end.
const ContentRoom = MaxContent + decodeRoom

const decodeRoom = 64

// Decoder decompresses frames, one at a time. As with an Encoder, its memory is kept for the next
// one, and pieces of content stay in it.
type Decoder struct{ zstd *zstd.Decoder }

var decoders sync.Pool

// NewDecoder gets a decoder. The caller owes a Release.
func NewDecoder() (*Decoder, error) {
	if d, ok := decoders.Get().(*Decoder); ok {
		return d, nil
	}
	z, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1), // DecodeAll then works on the calling goroutine
		zstd.WithDecoderMaxWindow(MaxWindow),
		zstd.WithDecodeAllCapLimit(true),
	)
	if err != nil {
		return nil, err
	}
	return &Decoder{zstd: z}, nil
}

// Release gives the decoder back. It must not be used any more.
func (d *Decoder) Release() { decoders.Put(d) }

// Decode decompresses one frame into dst, which has room for size bytes or a little more, and
// returns the content: exactly size bytes, or an error. A frame checksum is checked. frame comes
// from a Reader or has been through its checks: Decode bounds the output, not the input.
func (d *Decoder) Decode(dst, frame []byte, size int) ([]byte, error) {
	content, err := d.zstd.DecodeAll(frame, dst[:0])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(content) != size {
		return nil, malformed("a frame has %d bytes of content, it should have %d", len(content), size)
	}
	return content, nil
}
