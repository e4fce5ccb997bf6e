// Package zstdseek reads and writes zstd streams in the seekable format: zstd frames (RFC 8878)
// that do not depend on each other, then a seek table. It is the codec only: it starts no
// goroutine, so that the caller decides what runs in parallel. The stream is specified in
// format/README.md, section "Compression"; the seekable format is version 0.1.0, published with
// zstd in contrib/seekable_format.
//
// The frames' insides are the work of klauspost/compress. The rest is here because the libraries
// for the seekable format need the table before they read (we read streams too), keep all of it in
// memory, and allocate anew for every frame.
//
// Nothing that a stream says is believed before it is bounded: it may come from somebody who may
// use the key and is not its reader.
package zstdseek

import (
	"errors"
	"fmt"
)

// Bounds of a stream, in bytes. A reader refuses what is over them before it allocates.
const (
	MaxContent = 4 << 20 // of a frame, decompressed
	// of a frame in the stream; a writer needs less than 100 bytes over the content
	MaxFrame = MaxContent + 64<<10
	// what an Encoder is made for: frames have so much content, all but the last
	FrameContent = 1 << 20
	EncodedRoom  = FrameContent + 64<<10
	MaxWindow    = 8 << 20
	MaxFrames    = 1 << 27 // in a stream: 128 TiB in full frames, the limit of the format's authors
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

// The levels. There is none above: that of the library wrote undecodable data in two releases.
const (
	Fastest Level = iota
	Default
	Better
	levels
)
