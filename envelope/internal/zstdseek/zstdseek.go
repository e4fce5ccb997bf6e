// Package zstdseek reads and writes zstd streams in the seekable format: zstd frames (RFC 8878) that do not depend on each other, then a seek table.
// It is the codec only: it starts no goroutine, so that the caller decides what runs in parallel. The stream is specified in
// format/README.md, section "Compression"; the seekable format is version 0.1.0, published with zstd in contrib/seekable_format.
//
// The frames' insides are the work of klauspost/compress. The rest is here and not taken from one of the libraries for the seekable format, because
// those need the table before they read (we read streams too), keep all of it in memory, and allocate anew for every frame.
//
// Nothing that a stream says is believed before it is bounded: an input can come from whoever may use the key, and that is not its reader.
package zstdseek

import (
	"errors"
	"fmt"
)

// Bounds of a stream, in bytes. A reader refuses what is over them before it allocates.
const (
	MaxContent = 1 << 20             // of a frame, decompressed
	MaxFrame   = MaxContent + 64<<10 // of a frame as it is in the stream; the worst that a writer needs is less than 100 bytes over the content
	MaxWindow  = 8 << 20
	MaxFrames  = 1 << 27 // in a stream: 128 TiB of content in full frames. It is the limit of the format's authors
)

// ErrMalformed wraps all errors that say that a stream is not what the format allows.
var ErrMalformed = errors.New("compressed stream is malformed")

// ErrTooManyFrames: the content needs more than MaxFrames frames.
var ErrTooManyFrames = errors.New("too many frames for a seek table")

var errLevel = errors.New("unknown compression level")

func malformed(words string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(words, args...))
}

// Level is how hard an Encoder tries.
type Level uint8

// The levels. There is none above: that of the library has written undecodable data in two of its releases.
const (
	Fastest Level = iota
	Default
	Better
	levels
)
