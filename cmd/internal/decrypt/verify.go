package decrypt

import (
	"context"
	"errors"
	"runtime"
	"slices"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/inplace"
	"github.com/envseal/envseal/cmd/internal/transfer"
	"github.com/envseal/envseal/cmd/internal/tree"
	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/format"
	"github.com/urfave/cli/v2"
)

// VerifyCommand is envseal verify.
func VerifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "read and authenticate everything, write nothing",
		ArgsUsage: "FILE... | -",
		UsageText: "envseal verify [--require-context K=V] FILE... | -\n" +
			"envseal verify -R DIR...                               every sealed file below DIR\n" +
			"find . -name '*.sealed' -print0 | envseal verify --files0-from -",
		Description: "Prints `FILE: OK` for each file that can be opened whole, in the order in which they are done; -q prints failures only.\n" +
			"-R takes the files that decrypt -R takes: those whose name ends in .sealed, or in --suffix. Others are counted as skipped, and symbolic links are not followed.\n" +
			"A DIR without any sealed file is a failure, since nothing was verified.\n" +
			flags.ManyHelp + " Exit codes: `envseal help exit-codes`.",
		Flags: slices.Concat(flags.PolicyFlags(), verifyFlags(), flags.MessageFlags(),
			flags.AWSFlags(), flags.StoreFlags()),
		Action: func(c *cli.Context) error { return runOpen(c, flags.Verify) },
	}
}

func verifyFlags() []cli.Flag {
	return append([]cli.Flag{
		openHeaderFlag(),
		flags.RecursiveFlag("all sealed files below the directory"),
		flags.SuffixFlag(),
		flags.JobsFlag(),
		flags.FailFastFlag(),
	}, flags.ManyFlags("once it is verified")...)
}

// verifying is the tree.Work of verify.
type verifying struct{ *opening }

func (v *verifying) Verb() string { return flags.Verify }

func (v *verifying) Target(string) (string, error) { return "", nil }

// Single verifies a single file of the batch.
func (v *verifying) Single(ctx context.Context, name string,
	log *transfer.Log) (transfer.Result, error) {
	t := &transfer.Transfer{
		Work: v.Work, Name: name, Into: &verdict{name, v.Quiet}, SizeHint: -1, Log: log,
		OneOfMany: v.batch.IsMany(),
	}
	return t.Run(ctx, v.Stream)
}

func (v *verifying) Stream(ctx context.Context, j *transfer.Job) (r transfer.Result, err error) {
	header := transfer.Header{Name: v.header}
	defer header.Close()
	options, err := header.Prepare(j.In, v.workersFor(j))
	if err != nil {
		return r, err
	}
	src, _, err := unarmored(j, options.Header != nil)
	if err != nil {
		return r, err
	}
	r.Header, err = envelope.Verify(ctx, src, options, v.identity(j.In.Name, j.OneOfMany, &r))
	return r, err
}

// verdict is where a file goes that is only verified. It keeps nothing.
type verdict struct {
	name  string // of the file
	quiet bool
}

func (v *verdict) Write(p []byte) (int, error) { return len(p), nil }

// Commit implements transfer.Sink: the file is authentic, and has not changed meanwhile.
func (v *verdict) Commit() error {
	if v.quiet {
		return nil
	}
	return tree.SayOK(v.name)
}

func (v *verdict) Durable() bool { return false }

func (v *verdict) Released() bool { return false }

// Abort implements transfer.Sink.
func (v *verdict) Abort() {}

// streamOnly tells whether AppendOpened could not open a file that may be sound.
func streamOnly(err error, h *format.Header) bool {
	return errors.Is(err, envelope.ErrStreamOnly) || err != nil && h == nil
}

// verifiedFirst reads all of the input and authenticates it, and goes back to its beginning.
func (o *opening) verifiedFirst(ctx context.Context, j *transfer.Job, header *transfer.Header,
	id envelope.Identity) error {
	if !j.In.Regular {
		return exit.Errorf(exit.Usage, "save it in a file first",
			"--verify-first reads twice, which a pipe or device cannot be")
	}
	options, err := header.Prepare(j.In, o.workersFor(j))
	if err != nil {
		return err
	}
	if o.bytes != nil {
		options.MaxSize = 0 // which is for what comes out
	}
	src, _, err := unarmored(j, options.Header != nil)
	if err != nil {
		return err
	}
	h, err := envelope.Verify(ctx, src, options, id)
	if err != nil {
		return err
	}
	if err := j.In.CheckUnchanged(); err != nil {
		return err
	}
	if h.Length > inplace.MostKept {
		runtime.GC() // it is read again, and two of them take more than one header is worth
	}
	return j.In.Rewind()
}

// heldKey asks for the data key once for two readings of a file, and refuses a second file that was
// put in the place of the first.
type heldKey struct {
	envelope.Identity
	in  *file.Input
	key *keymem.Buffer
	// digest stands for the file with the data key: the payload key is derived from both
	digest [format.DigestSize]byte
}

// Unwrap implements envelope.Identity.
func (k *heldKey) Unwrap(ctx context.Context, h *format.Header) (envelope.Secret, error) {
	digest, err := h.Descriptor.Digest()
	if err != nil {
		return nil, err
	}
	if k.key != nil {
		if digest != k.digest {
			return nil, k.in.ChangedError()
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
