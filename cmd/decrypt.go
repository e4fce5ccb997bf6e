package cmd

import (
	"context"
	"io"
	"os"
	"strings"
	"time"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/envelope/keyring"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/urfave/cli/v2"
)

func decryptCommand() *cli.Command {
	return &cli.Command{
		Name:      "decrypt",
		Aliases:   []string{"dec", "d"},
		Usage:     "open sealed files or stdin",
		ArgsUsage: "[FILE... | -]",
		UsageText: "envseal decrypt [-o OUT] [--require-context K=V] [FILE... | -]\n" +
			"envseal decrypt --range OFF:LEN [-o OUT] FILE          a piece, at once, from anywhere in a large file\n" +
			"envseal decrypt --to-command 'CMD' [FILE | -]          what is cut or altered never ends like a whole input",
		Description: "Opens FILE.sealed to FILE and keeps FILE.sealed. Without FILE, opens stdin to stdout.\n" +
			"To a pipe, chunk after chunk is released as it is authenticated: if the exit code is not 0, what came out must be discarded.\n" +
			treeHelp +
			"Exit codes: `envseal help exit-codes`.",
		Flags:  flags(policyFlags(), fileFlags(), treeFlags(), openFlags(), decompressFlags(), messageFlags(), awsFlags(), storeFlags()),
		Action: runDecrypt,
	}
}

func openFlags() []cli.Flag {
	return []cli.Flag{
		openHeaderFlag(),
		rangeFlag(),
		verifyFirstFlag(),
		toCommandFlag(),
		&cli.BoolFlag{Name: "preserve-mode", Category: catFiles, Usage: "give the output the mode of the sealed file, even if others can read it (default: the owner at the most)"},
	}
}

// opening is what one decrypt or verify command does to each of its files.
type opening struct {
	c            *cli.Context
	svc          *services
	requirements []requirement
	allowed      []keyring.AllowedKey
	clients      func(kmsclient.ARN) (kmsclient.Client, error)
	options      envelope.OpenOptions
	bytes        *byteRange // nil for all of them
}

func newOpening(c *cli.Context, svc *services) (*opening, error) {
	o := &opening{c: c, svc: svc, clients: svc.forARN}
	var err error
	if o.requirements, err = parseRequirements(c.StringSlice("require-context")); err != nil {
		return nil, err
	}
	if o.options.Workers, err = workers(c); err != nil {
		return nil, err
	}
	if o.options.MaxSlots = c.Int("max-slots"); o.options.MaxSlots < 0 {
		return nil, fail(exitUsage, "", "--max-slots %d is negative", o.options.MaxSlots)
	}
	if o.bytes, err = rangeOf(c); err != nil {
		return nil, err
	}
	if err := decompression(c, &o.options); err != nil {
		return nil, err
	}
	o.options.Check = func(h *format.Header) error {
		for _, r := range o.requirements {
			if err := r.check(h.Context); err != nil {
				return err
			}
		}
		return nil
	}
	o.allowed, err = svc.allowed(c.Context, c.StringSlice("key-id"))
	return o, err
}

// identity opens one file and says on stderr which key did, unless the user named the key.
func (o *opening) identity(ctx context.Context, name string) envelope.Identity {
	return &keyring.Discovery{
		Client:      o.clients,
		Keys:        o.allowed,
		Accounts:    o.c.StringSlice("account"),
		Region:      o.c.String("region"),
		GrantTokens: o.c.StringSlice("grant-tokens"),
		Used: func(arn string) {
			if noteKey(ctx, arn) {
				return
			}
			if o.c.Bool("verbose") || len(o.allowed) == 0 && !o.c.Bool("quiet") {
				note("%s: opened with %s", display(name), arn)
			}
		},
	}
}

func runDecrypt(c *cli.Context) error {
	b, err := newBatch(c)
	if err != nil {
		return err
	}
	to, err := b.consumer()
	if err != nil {
		return err
	}
	return b.opening(func(o *opening) treeWork { return &openTree{o, o.decrypter(b, to)} })
}

// opening has each file of the batch opened, by what work makes of the flags.
func (b *batch) opening(work func(*opening) treeWork) error {
	if err := refuseStrictFIPS(); err != nil {
		return err
	}
	svc := newServices(readAWS(b.c), readStore(b.c))
	defer svc.close()
	harden(b.c.Bool("allow-core-dumps"))
	o, err := newOpening(b.c, svc)
	if err != nil {
		return err
	}
	gate := newGate(b.many(), reuseOf(b.c))
	defer gate.close()
	gate.allowed(o.allowed)
	o.clients = gate.forARN(svc.forARN)
	return b.each(b.c.Context, work(o))
}

// decrypter opens a single file of the batch, for the command to, or into a file if that is nil.
func (o *opening) decrypter(b *batch, to *commandLine) func(ctx context.Context, name string) error {
	rename := func(name string) (string, error) {
		to, err := o.unsealedName(name)
		if err != nil {
			err = noOpenedName(name, err)
		}
		return to, err
	}
	if o.bytes != nil || to != nil {
		rename = func(string) (string, error) { return "-", nil } // no part goes by the name of the whole
	}
	return func(ctx context.Context, name string) error {
		target, err := b.target(name, rename)
		if err != nil {
			return err
		}
		t := &transfer{c: o.c, name: name, target: target, perm: o.perm, mtime: o.bytes == nil, to: to, check: o.check, current: o.current, log: b.log, many: b.many()}
		return t.run(ctx, o.open)
	}
}

// unsealedName drops the suffix.
func (o *opening) unsealedName(name string) (string, error) {
	to, ok := strings.CutSuffix(name, o.c.String("suffix"))
	if !ok || to == "" || strings.HasSuffix(to, "/") {
		hint := "name the output with -o FILE, or the ending with --suffix"
		if o.c.String("header") != "" {
			hint = "name the output with -o FILE"
		}
		return "", fail(exitUsage, hint, "name does not end in %q", o.c.String("suffix"))
	}
	return to, nil
}

func (o *opening) perm(in *input) os.FileMode {
	return openedPerm(in, o.c.Bool("preserve-mode"))
}

// check reads the header, for --dry-run, and refuses what could not be opened whatever KMS says.
func (o *opening) check(_ context.Context, in *input) error {
	options, err := openHeader(o.c, in, o.options)
	if err != nil {
		return err
	}
	src, err := unarmored(in, in, options.Header != nil)
	if err != nil {
		return err
	}
	h, err := envelope.ReadHeader(src, options)
	if err != nil {
		return err
	}
	policy := &keyring.Discovery{Keys: o.allowed, Accounts: o.c.StringSlice("account"), Region: o.c.String("region")}
	return policy.Allowed(h)
}

func (o *opening) open(ctx context.Context, dst io.Writer, src io.Reader, in *input) error {
	start := time.Now()
	h, err := o.release(ctx, dst, src, in)
	if err != nil {
		return discarding(dst, err)
	}
	noteHeader(ctx, h)
	if o.c.Bool("verbose") && !isOneOfMany(ctx) {
		note("%s: opened in %s", display(in.name), took(start))
	}
	return nil
}

// release opens what is asked for of one file, in the way that is asked for.
func (o *opening) release(ctx context.Context, dst io.Writer, src io.Reader, in *input) (*format.Header, error) {
	id := o.identity(ctx, in.name)
	if o.c.Bool("verify-first") {
		held := &heldKey{Identity: id, in: in}
		defer held.destroy()
		progressIn(src).grow(in.size)
		if err := o.verifyFirst(ctx, src, in, held); err != nil {
			return nil, err
		}
		id = held
	}
	options, err := openHeader(o.c, in, o.options)
	if err != nil {
		return nil, err
	}
	if o.bytes != nil {
		return o.openRange(ctx, dst, in, options, id, progressIn(src))
	}
	if src, err = unarmored(src, in, options.Header != nil); err != nil {
		return nil, err
	}
	if p, ok := newDirectPath(dst, src, in); ok && !p.out.direct { // from a file to one that appears when it is whole
		return p.open(ctx, options, id)
	}
	return envelope.Open(ctx, dst, src, options, id)
}
