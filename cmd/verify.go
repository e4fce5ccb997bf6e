package cmd

import (
	"context"
	"fmt"
	"io"

	"github.com/envseal/envseal/envelope"
	"github.com/urfave/cli/v2"
)

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name:        "verify",
		Usage:       "read and authenticate everything, write nothing",
		ArgsUsage:   "FILE... | -",
		UsageText:   "envseal verify [--require-context K=V] FILE... | -",
		Description: "Prints `FILE: OK` for each file that can be opened whole. Exit codes: `envseal help exit-codes`.",
		Flags:       flags(policyFlags(), []cli.Flag{openHeaderFlag(), jobsFlag(), failFastFlag()}, messageFlags(), awsFlags(), storeFlags()),
		Action:      runVerify,
	}
}

func failFastFlag() cli.Flag {
	return &cli.BoolFlag{Name: "fail-fast", Category: catFiles, Usage: "stop at the first file that fails"}
}

func runVerify(c *cli.Context) error {
	b, err := newBatch(c)
	if err != nil {
		return err
	}
	if err := refuseStrictFIPS(); err != nil {
		return err
	}
	svc := newServices(c)
	defer svc.close()
	harden(c)
	o, err := newOpening(c, svc)
	if err != nil {
		return err
	}
	return b.run(c.Context, o.verify)
}

func (o *opening) verify(ctx context.Context, name string) error {
	in, err := openInput(name)
	if err != nil {
		return err
	}
	defer in.Close()
	p, err := progressOf(o.c, in)
	if err != nil {
		return err
	}
	err = o.authenticate(ctx, p.reader(in), in)
	p.finish(err)
	if err != nil {
		return err
	}
	if err := in.checkUnchanged(); err != nil {
		return err
	}
	if o.c.Bool("quiet") {
		return nil
	}
	_, err = fmt.Fprintf(stdoutWriter(), "%s: OK\n", display(name))
	return err
}

func (o *opening) authenticate(ctx context.Context, src io.Reader, in *input) error {
	options, err := openHeader(o.c, in, o.options)
	if err != nil {
		return err
	}
	if src, err = unarmored(src, in, options.Header != nil); err != nil {
		return err
	}
	_, err = envelope.Verify(ctx, src, options, o.identity(ctx, in.name))
	return err
}
