package cmd

import (
	"context"
	"io"
	"math/bits"
	"slices"
	"time"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/envelope/keyring"
	"github.com/envseal/envseal/format"
	"github.com/urfave/cli/v2"
)

func encryptCommand() *cli.Command {
	return &cli.Command{
		Name:      "encrypt",
		Aliases:   []string{"enc", "e"},
		Usage:     "seal files or stdin",
		ArgsUsage: "[FILE... | -]",
		UsageText: "envseal encrypt -k KEY [-c CONTEXT] [-o OUT] [FILE... | -]\n" +
			"envseal encrypt -r PAIR [-c CONTEXT] [-o OUT] [FILE... | -]     without KMS, credentials or network\n" +
			"envseal encrypt --data-key DATAKEY [-o OUT] [FILE... | -]       one KMS call for any number of files\n" +
			"envseal encrypt -k KEY --from-command 'CMD' [-o OUT]            nothing is left of a command that fails",
		Description: "Writes FILE.sealed and keeps FILE. Without FILE, seals stdin to stdout.\n" +
			"With several -k and -r, any one of the keys opens the file.\n" +
			"-r seals to a pair file of `envseal key-pair`; --data-key with a data key of `envseal data-key`, whose encryption context the files get.\n" +
			treeHelp +
			"Exit codes: `envseal help exit-codes`.",
		Flags:  flags(sealFlags(), fileFlags(), treeFlags(), messageFlags(), awsFlags(), storeFlags()),
		Action: runEncrypt,
	}
}

func sealFlags() []cli.Flag {
	return []cli.Flag{
		keyIDFlag("seal for this `KEY` (repeatable)"),
		&cli.StringSliceFlag{Name: "recipient", Aliases: []string{"r"}, Category: catKeys, Usage: "seal to this pair `FILE` (repeatable); asks no key service"},
		&cli.StringFlag{Name: "data-key", Category: catKeys, Usage: "seal with the data key in `FILE`, which KMS unwraps once for the whole run"},
		contextFlag(),
		grantTokensFlag(),
		sealHeaderFlag(),
		compressFlag(),
		armorFlag(),
		fromCommandFlag(),
		&cli.BoolFlag{Name: "fail-on-empty", Category: catFiles, Usage: "an empty input is a failure (exit code 1; of --from-command: 10), as a backup without a byte is none"},
		sizeHintFlag(),
		&cli.StringFlag{Name: "chunk-size", Category: catFiles, Usage: "`BYTES` in a chunk, a power of two from 4KiB to 16MiB (default 64KiB)"},
	}
}

// sealing is what one encrypt command does to each of its files.
type sealing struct {
	c       *cli.Context
	keys    []envelope.Recipient     // of -k
	pairs   []envelope.FileRecipient // of -r
	made    *dataKeyFile             // of --data-key
	key     *envelope.DataKey        // unwrapped from it
	context format.Context
	options envelope.SealOptions
	pool    *keyPool // of the data keys
}

func runEncrypt(c *cli.Context) error {
	b, err := newBatch(c)
	if err != nil {
		return err
	}
	if err := refuseStrictFIPS(); err != nil {
		return err
	}
	from, err := b.producer()
	if err != nil {
		return err
	}
	svc := newServices(readAWS(c), readStore(c))
	defer svc.close()
	harden(c.Bool("allow-core-dumps"))
	s, err := newSealing(c, svc)
	if err != nil {
		return err
	}
	if err := s.unwrap(svc); err != nil {
		return err
	}
	defer s.destroy()
	gate := newGate(b.many(), reuseOf(c))
	defer gate.close()
	gate.recipients(s.keys)
	s.pool = &keyPool{make: s.dataKey, files: reuseOf(c)}
	defer s.pool.close()
	work := &sealTree{sealing: s}
	work.one = work.sealer(b, from)
	return b.each(c.Context, work)
}

// sealer seals a single file of the batch, or what the command from writes if that is not nil.
func (s *sealTree) sealer(b *batch, from *commandLine) func(ctx context.Context, name string) error {
	rename := s.target
	if from != nil {
		rename = func(string) (string, error) { return "-", nil }
	}
	return func(ctx context.Context, name string) error {
		target, err := b.target(name, rename)
		if err != nil {
			return err
		}
		t := &transfer{c: s.c, name: name, target: target, perm: sealedPerm, mtime: true, header: s.c.String("header"), from: from, current: s.current, log: b.log, many: b.many()}
		return t.run(ctx, s.seal)
	}
}

func newSealing(c *cli.Context, svc *services) (*sealing, error) {
	s := &sealing{c: c}
	var err error
	if s.options.ChunkSizeLog2, err = parseChunkSize(c.String("chunk-size")); err != nil {
		return nil, err
	}
	if s.options.Workers, err = workers(c); err != nil {
		return nil, err
	}
	if c.Bool("armor") && c.String("header") != "" {
		return nil, fail(exitUsage, "", "--armor and --header exclude each other")
	}
	s.options.Compress = compressionOf(c)
	refs, pairs, name := c.StringSlice("key-id"), c.StringSlice("recipient"), c.String("data-key")
	if len(pairs) == 0 && name == "" { // the environment must add no KMS call to these
		refs = keyRefs(refs)
	}
	switch {
	case name != "" && len(refs) > 0:
		return nil, fail(exitUsage, "name all keys when you make it, `envseal data-key -k KEY1 -k KEY2`, or add a key pair with -r", "-k and --data-key exclude each other: the data key is wrapped for its KMS keys already")
	case name == "" && len(refs)+len(pairs) == 0:
		return nil, fail(exitUsage, "name one with -k alias/NAME, -k local:NAME or ENVSEAL_KEY_ID", "no key to seal for")
	case name == "":
		s.context, err = contextOf(c.StringSlice("encryption-context"))
	default:
		if s.made, err = readDataKeyFile(name, c.StringSlice("encryption-context")); err == nil {
			s.context = s.made.Context
		}
	}
	if err != nil {
		return nil, err
	}
	return s, s.addRecipients(svc, refs, pairs)
}

// addRecipients finds whom to seal for.
func (s *sealing) addRecipients(svc *services, refs, pairs []string) error {
	var err error
	if s.keys, err = svc.recipients(s.c.Context, refs, s.c.StringSlice("grant-tokens")); err != nil {
		return err
	}
	if s.pairs, err = pairRecipients(pairs); err != nil {
		return err
	}
	n := len(s.keys) + len(s.pairs)
	if s.made != nil {
		n += len(s.made.Keys)
	}
	if n > format.DefaultMaxSlots {
		return fail(exitUsage, "", "%d keys to seal for, readers accept %d", n, format.DefaultMaxSlots)
	}
	return nil
}

// unwrap has KMS decrypt the data key of --data-key, unless nothing is going to be sealed.
func (s *sealing) unwrap(svc *services) error {
	if s.made == nil || s.c.Bool("dry-run") {
		return nil
	}
	id := &keyring.Discovery{Client: svc.forARN, Region: s.c.String("region"), GrantTokens: s.c.StringSlice("grant-tokens"), Used: func(arn string) {
		if s.c.Bool("verbose") {
			note("%s: unwrapped with %s", shown(s.made.name), arn)
		}
	}}
	var err error
	s.key, err = s.made.unwrap(s.c.Context, id, s.pairs)
	return err
}

func (s *sealing) destroy() {
	if s.key != nil {
		s.key.Destroy()
	}
}

// dataKey makes a data key.
func (s *sealing) dataKey(ctx context.Context) (*envelope.DataKey, error) {
	all := slices.Clone(s.keys) // first, so that a KMS key makes the data key
	for _, p := range s.pairs {
		all = append(all, p)
	}
	return envelope.NewDataKey(ctx, s.context, all...)
}

// sealTo writes armor if it is asked for, and takes the direct path where both ends can.
func (s *sealing) sealTo(ctx context.Context, dst io.Writer, src io.Reader, in *input, key *envelope.DataKey, o envelope.SealOptions) (h *format.Header, err error) {
	if s.c.Bool("armor") {
		err = armored(dst, func(dst io.Writer) error {
			h, err = envelope.Seal(ctx, dst, src, key, o)
			return err
		})
		return h, err
	}
	if p, ok := newDirectPath(dst, src, in); ok && o.Compress == envelope.LevelNone {
		return p.seal(ctx, key, o)
	}
	return envelope.Seal(ctx, dst, src, key, o)
}

// seal seals one file.
func (s *sealing) seal(ctx context.Context, dst io.Writer, src io.Reader, in *input) error {
	start := time.Now()
	key, err := s.takeKey(ctx, in.size)
	if err != nil {
		return err
	}
	defer s.pool.give(key)
	options := s.options
	options.LastUse, options.Header = key.single, headerWriter(dst)
	if s.c.Bool("verbose") && !isOneOfMany(ctx) {
		options.Begun = func(h *format.Header) { s.tellSize(h, in) }
	}
	h, err := s.sealTo(ctx, dst, givesUp(src, in), in, key.DataKey, options)
	if err != nil {
		return err
	}
	noteHeader(ctx, h)
	if s.c.Bool("verbose") && !isOneOfMany(ctx) {
		for _, slot := range h.Slots {
			note("%s: sealed for %s", display(in.name), sealedFor(slot))
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
