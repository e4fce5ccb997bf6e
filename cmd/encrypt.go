package cmd

import (
	"context"
	"io"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/urfave/cli/v2"
)

func encryptCommand() *cli.Command {
	return &cli.Command{
		Name:      "encrypt",
		Aliases:   []string{"enc", "e"},
		Usage:     "seal files or stdin",
		ArgsUsage: "[FILE... | -]",
		UsageText: "envseal encrypt -k KEY [-c CONTEXT] [-o OUT] [FILE... | -]",
		Description: "Writes FILE.sealed and keeps FILE. Without FILE, seals stdin to stdout.\n" +
			"With several -k, any one of the keys opens the file.\n" +
			"Exit codes: `envseal help exit-codes`.",
		Flags: flags(sealFlags(), fileFlags(), messageFlags(), awsFlags(), storeFlags()),
		Action: func(c *cli.Context) error {
			return runEncrypt(c)
		},
	}
}

func sealFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "key-id", Aliases: []string{"k"}, Category: catKeys, EnvVars: []string{"ENVSEAL_KEY_ID"}, Usage: "seal for this `KEY` (repeatable): key id, key ARN, alias/NAME, alias ARN, local:NAME"},
		&cli.StringSliceFlag{Name: "encryption-context", Aliases: []string{"c"}, Category: catKeys, EnvVars: []string{"ENVSEAL_ENCRYPTION_CONTEXT"}, Usage: "k=v,k2=v2, a JSON object, or file://PATH (repeatable); authenticated, not secret"},
		grantTokensFlag(),
		&cli.StringFlag{Name: "chunk-size", Category: catFiles, Usage: "`BYTES` in a chunk, a power of two from 4KiB to 16MiB (default 64KiB)"},
	}
}

// sealJob is what one encrypt command does to each of its files.
type sealing struct {
	c          *cli.Context
	recipients []envelope.Recipient
	context    format.Context
	options    envelope.SealOptions
}

func runEncrypt(c *cli.Context) error {
	b, err := newBatch(c)
	if err != nil {
		return err
	}
	svc := newServices(c)
	defer svc.close()
	harden(c)
	s, err := newSealing(c, svc)
	if err != nil {
		return err
	}
	return b.run(c.Context, func(ctx context.Context, name string) error {
		target, err := b.target(name, func(n string) (string, error) { return n + c.String("suffix"), nil })
		if err != nil {
			return err
		}
		t := &transfer{c: c, name: name, target: target, perm: sealedPerm, mtime: true}
		return t.run(ctx, s.seal)
	})
}

func newSealing(c *cli.Context, svc *services) (*sealing, error) {
	refs := c.StringSlice("key-id")
	if len(refs) == 0 {
		return nil, fail(exitUsage, "name one with -k alias/NAME, -k local:NAME or ENVSEAL_KEY_ID", "no key to seal for")
	}
	ec, err := parseContext(c.StringSlice("encryption-context"))
	if err != nil {
		return nil, err
	}
	s := &sealing{c: c, context: ec}
	if s.options.ChunkSizeLog2, err = parseChunkSize(c.String("chunk-size")); err != nil {
		return nil, err
	}
	if s.options.Workers, err = workers(c); err != nil {
		return nil, err
	}
	s.options.LastUse = true
	s.recipients, err = svc.recipients(refs, c.StringSlice("grant-tokens"))
	return s, err
}

// seal seals one file under a data key of its own.
func (s *sealing) seal(ctx context.Context, dst io.Writer, src io.Reader, in *input) error {
	start := time.Now()
	key, err := envelope.NewDataKey(ctx, s.context, s.recipients...)
	if err != nil {
		return err
	}
	defer key.Destroy()
	h, err := envelope.Seal(ctx, dst, src, key, s.options)
	if err != nil {
		return err
	}
	if s.c.Bool("verbose") {
		for _, slot := range h.Slots {
			if k, err := slot.KMS(); err == nil {
				note("%s: sealed for %s", display(in.name), k.KeyID)
			}
		}
		note("%s: sealed in %s", display(in.name), took(start))
	}
	return nil
}

// parseChunkSize reads a size such as 65536, 64K or 1MiB and returns its logarithm; 0 stands for the default.
func parseChunkSize(s string) (uint8, error) {
	if s == "" {
		return 0, nil
	}
	n, err := parseSize(s)
	log := bits.Len64(uint64(n)) - 1
	if err != nil || n <= 0 || n&(n-1) != 0 || log < format.MinChunkSizeLog2 || log > format.MaxChunkSizeLog2 {
		return 0, fail(exitUsage, "", "chunk size %q is not a power of two from 4KiB to 16MiB", s)
	}
	return uint8(log), nil
}

// parseSize reads a number of bytes with an optional unit: K, M, G, T and KiB, MiB, ... are powers of 1024.
func parseSize(s string) (int64, error) {
	digits := strings.TrimRight(s, "KMGTiBkb")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, err
	}
	shift, ok := map[string]uint{"": 0, "B": 0, "K": 10, "k": 10, "KiB": 10, "M": 20, "MiB": 20, "G": 30, "GiB": 30, "T": 40, "TiB": 40}[s[len(digits):]]
	if !ok || n > 1<<62>>shift || n < -(1<<62>>shift) {
		return 0, strconv.ErrSyntax
	}
	return n << shift, nil
}

func workers(c *cli.Context) (int, error) {
	n := c.Int("jobs")
	if n < 0 || n > 1024 {
		return 0, fail(exitUsage, "", "-j %d is not a number of workers from 1 to 1024", n)
	}
	return n, nil
}
