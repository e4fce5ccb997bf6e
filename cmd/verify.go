package cmd

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/envseal/envseal/envelope"
	"github.com/urfave/cli/v2"
)

func verifyCommand() *cli.Command {
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
			manyHelp + " Exit codes: `envseal help exit-codes`.",
		Flags:  flags(policyFlags(), verifyFlags(), messageFlags(), awsFlags(), storeFlags()),
		Action: runVerify,
	}
}

func verifyFlags() []cli.Flag {
	return append([]cli.Flag{
		openHeaderFlag(),
		recursiveFlag("all sealed files below the directory"),
		suffixFlag(),
		jobsFlag(),
		failFastFlag(),
	}, manyFlags("once it is verified")...)
}

func failFastFlag() cli.Flag {
	return &cli.BoolFlag{Name: "fail-fast", Category: catFiles, Usage: "stop at the first file that fails"}
}

func runVerify(c *cli.Context) error {
	b, err := newBatch(c)
	if err != nil {
		return err
	}
	return b.opening(func(o *opening) treeWork { return &verifyTree{openTree{o, o.verifier(b)}} })
}

// verifier verifies a single file of the batch.
func (o *opening) verifier(b *batch) func(ctx context.Context, name string) error {
	return func(ctx context.Context, name string) error {
		t := &transfer{c: o.c, name: name, into: &verdict{name, o.c.Bool("quiet")}, log: b.log, many: b.many()}
		return t.run(ctx, func(ctx context.Context, _ io.Writer, src io.Reader, in *input) error {
			return o.authenticate(ctx, src, in)
		})
	}
}

func (o *opening) authenticate(ctx context.Context, src io.Reader, in *input) error {
	options, err := openHeader(o.c, in, o.options)
	if err != nil {
		return err
	}
	if src, err = unarmored(src, in, options.Header != nil); err != nil {
		return err
	}
	h, err := envelope.Verify(ctx, src, options, o.identity(ctx, in.name))
	noteHeader(ctx, h)
	return err
}

// verdict is where a file goes that is only verified. It keeps nothing.
type verdict struct {
	name  string // of the file
	quiet bool
}

func (v *verdict) Write(p []byte) (int, error) { return len(p), nil }

// Commit implements sink: the file is authentic, and has not changed meanwhile.
func (v *verdict) Commit() error {
	if v.quiet {
		return nil
	}
	return sayOK(v.name)
}

func (v *verdict) durable() bool { return false }

// Abort implements sink.
func (v *verdict) Abort() {}

// sayOK prints the line for a file that is authentic.
func sayOK(name string) error {
	if isTerminal(os.Stdout) {
		defer holdProgress()()
	}
	_, err := fmt.Fprintf(stdoutWriter(), "%s: OK\n", display(name))
	return err
}
