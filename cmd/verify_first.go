package cmd

import (
	"context"
	"io"
	"runtime"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/format"
	"github.com/urfave/cli/v2"
)

func verifyFirstFlag() cli.Flag {
	return &cli.BoolFlag{Name: "verify-first", Category: catFiles, Usage: "read the file twice: nothing comes out before all of it is found to be authentic"}
}

// verifyFirst reads all of in and authenticates it, and goes back to its beginning.
func (o *opening) verifyFirst(ctx context.Context, src io.Reader, in *input, id envelope.Identity) error {
	if !in.regular {
		return fail(exitUsage, "save it in a file first", "--verify-first reads twice, which a pipe or device cannot be")
	}
	options, err := openHeader(o.c, in, o.options)
	if o.bytes != nil {
		options.MaxSize = 0 // which is for what comes out
	}
	if err != nil {
		return err
	}
	if src, err = unarmored(src, in, options.Header != nil); err != nil {
		return err
	}
	h, err := envelope.Verify(ctx, src, options, id)
	if err != nil {
		return err
	}
	if err := in.checkUnchanged(); err != nil {
		return err
	}
	if h.Length > mostKept {
		runtime.GC() // it is read again, and two of them take more than one header is worth
	}
	return in.rewind()
}

// heldKey asks for the data key once for two readings of a file, and refuses a second file that was put in the place of the first.
type heldKey struct {
	envelope.Identity
	in     *input
	key    *keymem.Buffer
	digest [format.DigestSize]byte // with the data key it stands for the file: the payload key is derived from both
}

// Unwrap implements envelope.Identity.
func (k *heldKey) Unwrap(ctx context.Context, h *format.Header) (envelope.Secret, error) {
	digest, err := h.Descriptor.Digest()
	if err != nil {
		return nil, err
	}
	if k.key != nil {
		if digest != k.digest {
			return nil, k.in.changedError()
		}
		return copyKey(k.key.Bytes())
	}
	key, err := k.Identity.Unwrap(ctx, h)
	if err != nil {
		return nil, err
	}
	if k.key, err = copyKey(key.Bytes()); err != nil {
		key.Destroy()
		return nil, err
	}
	k.digest = digest
	return key, nil
}

func copyKey(key []byte) (*keymem.Buffer, error) {
	if len(key) == 0 {
		return nil, envelope.ErrCommitment // no data key is empty
	}
	b, err := keymem.New(len(key))
	if err == nil {
		keymem.Do(func() { copy(b.Bytes(), key) })
	}
	return b, err
}

// destroy wipes the key.
func (k *heldKey) destroy() {
	if k.key != nil {
		k.key.Destroy()
	}
}
