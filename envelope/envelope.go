// Package envelope seals streams under a data key and opens them again.
//
// It knows keys and the contents of files, and no key service, file system or terminal. [Seal], [Open] and [Verify] have the shape of io.Copy:
// when they return, all that they started has ended. They use all cores, keep the order, and take memory for a few batches of chunks per core
// whatever the length of the stream; with compression some MiB per core. [OpenAt] is the exception: it hands back an [io.ReaderAt] for random access.
//
// A [DataKey] is made once ([NewDataKey]) and may seal any number of files: every file has its own random file id, and so its own payload key.
// A [Recipient] wraps a data key for one key holder; an [Identity] gets it back. The implementations for KMS are in package keyring.
//
// The file format is that of package format. Keys live in locked memory and are wiped; see package keymem.
package envelope

import (
	"context"
	"errors"
	"fmt"

	"github.com/envseal/envseal/format"
)

// Secret is key material in memory that its maker chose. Bytes is valid until Destroy, which wipes it and may be called more than once.
// Whoever is handed a Secret owes the Destroy.
type Secret interface {
	Bytes() []byte
	Destroy()
}

// FileInfo is what a slot can be bound to.
type FileInfo struct {
	// Context is the file's encryption context.
	Context format.Context
	// Digest is SHA-512 of the file's descriptor (D in the specification). It is zero where the slot is made for a data key and not for a file.
	Digest [64]byte
}

// Recipient wraps a data key for one key holder. Implementations do not keep key.
type Recipient interface {
	Wrap(ctx context.Context, key []byte, file FileInfo) (format.Slot, error)
}

// FileRecipient is a Recipient whose slots belong to one file each: Wrap is called anew for every file, with its Digest.
// The slots of other recipients are made once for a data key and its encryption context.
type FileRecipient interface {
	Recipient
	BoundToFile()
}

// Generator is a Recipient that can also make the data key, as KMS does with GenerateDataKey.
type Generator interface {
	Recipient
	Generate(ctx context.Context, ec format.Context) (key Secret, slot format.Slot, err error)
}

// Identity gets a data key back from one of a header's slots. Its error wraps [ErrNoMatch] when no slot is meant for it.
//
// Anybody who can write a file can put slots into its header, so a key that comes out of one need not be that of the file. An identity for which several slots may
// be meant holds each key against the header with [CheckDataKey] and goes on with the next slot; a key that is the only one it could get, it may
// hand out unchecked. [UnwrapDataKey] has no file: the header it shows has Suite 0, Slots and Context, and nothing to check a key with.
//
// If the Secret has a method Confirmed(), it is called once the key has proved to be that of the file, before the first byte is written: until then nothing that
// the header says, whose key it names included, should be told as a fact.
type Identity interface {
	Unwrap(ctx context.Context, h *format.Header) (key Secret, err error)
}

// The reasons for which a stream does not open. Those of a damaged file all wrap [ErrDamaged]; a damaged header is format.ErrDamaged or format.ErrTruncated.
var (
	ErrDamaged  = errors.New("file is damaged")
	ErrTampered = fmt.Errorf("%w: authentication failed", ErrDamaged)
	// ErrTamperedEnd: it failed for the last of the chunks that are there, as it does where a file was cut off within a chunk or appended to. It is a case of ErrTampered,
	// and says no more: any byte of that chunk may have been altered.
	ErrTamperedEnd = fmt.Errorf("%w in the last chunk that is there", ErrTampered)
	ErrTruncated   = fmt.Errorf("%w: truncated", ErrDamaged)
	ErrTrailing    = fmt.Errorf("%w: data follows the last chunk", ErrDamaged)
	ErrCommitment  = fmt.Errorf("%w: the data key is not the one this file was sealed with, or the header was altered", ErrDamaged)
	// ErrNoMatch: no slot of the header is meant for any identity.
	ErrNoMatch = errors.New("no key slot can be opened with the given keys")
	// ErrTooLarge: the input needs more chunks than the format has. A larger chunk size takes more.
	ErrTooLarge = errors.New("input is too large for this chunk size")
	// ErrCompression: the chunks are authentic, but what they hold is not a compressed stream as the format has it. It is a case of [ErrDamaged]. With
	// OpenOptions.NoDecompress such a file opens.
	ErrCompression = fmt.Errorf("%w: not the compressed stream it says it is", ErrDamaged)
	// ErrMaxSize: more would come out than OpenOptions.MaxSize allows.
	ErrMaxSize = errors.New("content is larger than allowed")
)
