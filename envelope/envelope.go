// Package envelope seals streams under a data key and opens them again.
//
// It knows keys and the contents of files, and no key service, file system or terminal. [Seal],
// [Open] and [Verify] have the shape of io.Copy: when they return, all that they started has ended.
// They use all cores, keep the order, and take memory for a few batches of chunks per core, however
// long the stream; with compression, some MiB per core. [OpenAt] is the exception: it hands back an
// [io.ReaderAt] for random access.
//
// A [DataKey] is made once ([NewDataKey]) and may seal any number of files: every file has its own
// random file id, and so its own payload key. A [Recipient] wraps a data key for one key holder; an
// [Identity] gets it back. The implementations for KMS are in package keyring.
//
// The file format is that of package format. Keys live in locked memory and are wiped; see package
// keymem.
package envelope

import (
	"context"
	"errors"
	"fmt"

	"github.com/envseal/envseal/format"
)

// Secret is key material in memory that its maker chose. Bytes is valid until Destroy, which wipes
// it and may be called more than once. Whoever is handed a Secret must destroy it.
type Secret interface {
	Bytes() []byte
	Destroy()
}

// FileInfo is what a slot can be bound to.
type FileInfo struct {
	// Context is the file's encryption context.
	Context format.Context
	// Digest is SHA-512 of the file's descriptor (D in the specification). It is zero if the slot is
	// made for a data key, not for a file.
	Digest [64]byte
}

// Recipient wraps a data key for one key holder. Implementations do not keep key.
type Recipient interface {
	Wrap(ctx context.Context, key []byte, file FileInfo) (format.Slot, error)
}

// FileRecipient is a Recipient whose slots belong to one file each: Wrap is called for every file,
// with its Digest. Other recipients make a slot once for a data key and its context.
type FileRecipient interface {
	Recipient
	BoundToFile()
}

// Generator is a Recipient that can also make the data key, as KMS does with GenerateDataKey.
type Generator interface {
	Recipient
	Generate(ctx context.Context, ec format.Context) (key Secret, slot format.Slot, err error)
}

// Identity gets a data key back from one of a header's slots. Its error wraps [ErrNoMatch] if no
// slot is meant for it.
//
// Anybody who can write a file can put slots into its header, so a key that comes out of one need
// not be that of the file. An identity that may find several slots holds each key against the
// header with [CheckDataKey], and goes on with the next slot. It may hand out unchecked the only
// key that it could get. [UnwrapDataKey] has no file: its header has Suite 0, Slots and Context,
// and nothing to check a key with.
//
// If the Secret has a method Confirmed(), it is called once the key has proved to be that of the
// file, before the first byte is written. Until then nothing of the header should be told as a
// fact, not even whose key it names.
type Identity interface {
	Unwrap(ctx context.Context, h *format.Header) (key Secret, err error)
}

// The reasons for which a stream does not open. All of a damaged file wrap [ErrDamaged]; those of a
// damaged header are format.ErrDamaged and format.ErrTruncated.
var (
	ErrDamaged  = errors.New("file is damaged")
	ErrTampered = fmt.Errorf("%w: authentication failed", ErrDamaged)
	// ErrTamperedEnd is a case of ErrTampered: the end of the input does not open. Nothing tells a
	// chunk of which a part is missing from one that is altered, or that something follows.
	ErrTamperedEnd = fmt.Errorf("%w at the end: altered, cut off, or something was appended",
		ErrTampered)
	// ErrJoined is a case of ErrTampered: what does not open has the beginning of a sealed file in it.
	ErrJoined = fmt.Errorf("%w: a sealed file begins in what failed, as where two were joined",
		ErrTampered)
	ErrTruncated  = fmt.Errorf("%w: truncated", ErrDamaged)
	ErrCommitment = fmt.Errorf(
		"%w: the data key is not the one this file was sealed with, or the header was altered",
		ErrDamaged)
	// ErrNoMatch: no slot of the header is meant for any identity.
	ErrNoMatch = errors.New("no key slot can be opened with the given keys")
	// ErrTooLarge: the input needs more chunks than a file can have. Larger chunks may hold more:
	// format.LeastChunkSize tells.
	ErrTooLarge = format.ErrTooLarge
	// ErrCompression: the chunks are authentic, but do not hold a compressed stream of the format. It
	// is a case of [ErrDamaged]. With OpenOptions.NoDecompress such a file opens.
	ErrCompression = fmt.Errorf("%w: not the compressed stream it says it is", ErrDamaged)
	// ErrMaxSize: more would come out than OpenOptions.MaxSize allows.
	ErrMaxSize = errors.New("content is larger than allowed")
	// ErrGrown: the input of SealAt has more bytes than the caller said.
	ErrGrown = errors.New("input grew while it was read")
)
