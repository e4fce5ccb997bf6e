// Package encrypt is envseal encrypt. Start with runEncrypt; sealing is what it does to each file.
package encrypt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/envseal/envseal/cmd/internal/batch"
	"github.com/envseal/envseal/cmd/internal/child"
	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/envseal/envseal/cmd/internal/reuse"
	"github.com/envseal/envseal/cmd/internal/transfer"
	"github.com/envseal/envseal/cmd/internal/tree"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/urfave/cli/v2"
)

// Command is envseal encrypt.
func Command() *cli.Command {
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
			flags.TreeHelp +
			"Exit codes: `envseal help exit-codes`.",
		Flags: slices.Concat(sealFlags(), flags.FileFlags(), flags.TreeFlags(), flags.MessageFlags(),
			flags.AWSFlags(), flags.StoreFlags()),
		Action: func(c *cli.Context) error {
			o, err := readSealOptions(c)
			if err != nil {
				return err
			}
			return runEncrypt(c.Context, o)
		},
	}
}

func sealFlags() []cli.Flag {
	return []cli.Flag{
		flags.KeyIDFlag("seal for this `KEY` (repeatable)"),
		&cli.StringSliceFlag{Name: "recipient", Aliases: []string{"r"}, Category: flags.CatKeys,
			Usage: "seal to this pair `FILE` (repeatable); asks no key service"},
		&cli.StringFlag{Name: "data-key", Category: flags.CatKeys,
			Usage: "seal with the data key in `FILE`, which KMS unwraps once for the whole run"},
		flags.ContextFlag(),
		flags.GrantTokensFlag(),
		&cli.StringFlag{Name: "header", Category: flags.CatFiles,
			Usage: "write the header to `FILE`, which must not exist, and the chunks alone to the output: keys can then be changed without the data"},
		compressFlag(),
		&cli.BoolFlag{Name: "armor", Aliases: []string{"a"}, Category: flags.CatFiles,
			Usage: "write the sealed file as text (PEM), a third larger; decrypt, verify and inspect know it by themselves"},
		flags.BeforeCommand(&cli.StringFlag{Name: flags.FromCommand, Category: flags.CatFiles,
			Usage: "seal what the shell command `CMD` writes, and nothing if it fails (exit code 10); or --from-command -- CMD ARGS..."}),
		&cli.BoolFlag{Name: "fail-on-empty", Category: flags.CatFiles,
			Usage: "an empty input is a failure (exit code 1; of --from-command: 10), as a backup without a byte is none"},
		&cli.StringFlag{Name: "size-hint", Category: flags.CatFiles,
			Usage: "that a pipe or command will bring about so many `BYTES`: for the progress, and for the sealed size that -v tells before the data flows"},
		&cli.StringFlag{Name: "chunk-size", Category: flags.CatFiles,
			Usage: "`BYTES` in a chunk, a power of two from 4KiB to 16MiB (default 64KiB)"},
	}
}

// sealOptions are the flags of encrypt.
type sealOptions struct {
	flags.Work
	aws   flags.AWS
	store flags.Store

	keyIDs      []string
	pairs       []string // files
	dataKey     string   // file
	context     []string
	grantTokens []string
	header      string // where a detached header goes
	armor       bool
	from        *child.Line // what is sealed instead of a file
	args        []string    // files
	failOnEmpty bool
	sizeHint    int64
	seal        envelope.SealOptions
}

func readSealOptions(c *cli.Context) (o sealOptions, err error) {
	if o.Work, err = flags.ReadWork(c); err != nil {
		return o, err
	}
	o.aws, o.store = flags.ReadAWS(c), flags.ReadStore(c)
	o.keyIDs, o.pairs = c.StringSlice("key-id"), c.StringSlice("recipient")
	o.dataKey, o.context = c.String("data-key"), c.StringSlice("encryption-context")
	o.grantTokens, o.header = c.StringSlice("grant-tokens"), c.String("header")
	o.armor, o.failOnEmpty = c.Bool("armor"), c.Bool("fail-on-empty")
	o.seal = envelope.SealOptions{Workers: o.Jobs,
		Compress: flags.ReadOptional[envelope.Level](c, "compress")}
	if o.sizeHint, err = parseSizeHint(c.String("size-hint")); err != nil {
		return o, err
	}
	if o.seal.ChunkSizeLog2, err = parseChunkSize(c.String("chunk-size")); err != nil {
		return o, err
	}
	o.from, o.args, err = child.Parse(flags.FromCommand, c.String(flags.FromCommand),
		c.IsSet(flags.FromCommand), c.Args().Slice())
	return o, err
}

// files are those that no output may replace.
func (o *sealOptions) files() []file.Guarded {
	return file.Guard(o.aws.Files(), o.store.Files(), o.Work.Files(), flags.ContextFiles(o.context),
		file.NamedBy("data-key", o.dataKey), file.NamedBy("recipient", o.pairs...))
}

// sealing is what one encrypt command does to each of its files.
type sealing struct {
	sealOptions
	batch    *batch.Files
	keys     []*keyring.KMSKey        // of -k
	keyFile  *keys.DataKeyFile        // of --data-key
	key      *envelope.DataKey        // unwrapped from it
	pairs    []envelope.FileRecipient // of -r
	bound    format.Context
	pool     *reuse.Pool // of the data keys
	throttle *reuse.Throttle
	own      []file.Guarded
}

func runEncrypt(ctx context.Context, o sealOptions) error {
	if err := o.checkLevel(); err != nil {
		return err
	}
	b, err := batch.New(flags.Encrypt, o.Work, o.args)
	if err != nil {
		return err
	}
	if err := o.check(b); err != nil {
		return err
	}
	svc := keys.NewServices(o.aws, o.store)
	defer svc.Close()
	keys.Harden(o.AllowCoreDumps)
	s := &sealing{sealOptions: o, batch: b, own: o.files()}
	if err := s.findKeys(ctx, svc); err != nil {
		return err
	}
	if err := s.unwrap(ctx, svc); err != nil {
		return err
	}
	if s.key != nil {
		defer s.key.Destroy()
	}
	s.throttle = reuse.NewThrottle(b.IsMany(), o.Reuse)
	defer s.throttle.Close()
	s.pool = &reuse.Pool{Make: s.newDataKey, Files: o.Reuse}
	defer s.pool.Close()
	return tree.Run(ctx, b, s.own, s)
}

// check refuses what does not go together.
func (o *sealOptions) check(b *batch.Files) error {
	if err := b.CheckHeader(o.header); err != nil {
		return err
	}
	if err := keys.RefuseStrictFIPS(); err != nil {
		return err
	}
	if o.failOnEmpty && b.IsMany() {
		return exit.Errorf(exit.Usage, "run it once for each file", "--fail-on-empty goes with one input")
	}
	if o.armor && o.header != "" {
		return exit.Errorf(exit.Usage, "", "--armor and --header exclude each other")
	}
	return o.checkCommand(b)
}

// checkCommand has the command take the place of the only file.
func (o *sealOptions) checkCommand(b *batch.Files) error {
	switch {
	case o.from == nil:
		return nil
	case b.List:
		return flags.Exclude(flags.FromCommand, "there is no file",
			flags.Given{Flag: "files0-from", Yes: true})
	case b.IsMany() || len(o.args) > 0:
		return exit.Errorf(exit.Usage, "name the output with -o", "--%s: a file is given too: %s",
			flags.FromCommand, ui.Shown(b.Names[0]))
	}
	b.Names[0] = o.from.String()
	return flags.Exclude(flags.FromCommand, "there is no file", flags.Given{Flag: "rm", Yes: o.Remove},
		flags.Given{Flag: "output-dir", Yes: o.OutputDir != ""})
}

// findKeys finds whom to seal for.
func (s *sealing) findKeys(ctx context.Context, svc *keys.Services) (err error) {
	refs := s.keyIDs
	// the environment must add no KMS call to these
	if len(s.sealOptions.pairs) == 0 && s.dataKey == "" {
		refs = keys.KeyRefs(refs)
	}
	switch {
	case s.dataKey != "" && len(refs) > 0:
		return exit.Errorf(exit.Usage,
			"name all keys when you make it, `envseal data-key -k KEY1 -k KEY2`, or add a key pair with -r",
			"-k and --data-key exclude each other: the data key is wrapped for its KMS keys already")
	case s.dataKey == "" && len(refs)+len(s.sealOptions.pairs) == 0:
		return exit.Errorf(exit.Usage, "name one with -k alias/NAME, -k local:NAME or ENVSEAL_KEY_ID",
			"no key to seal for")
	case s.dataKey == "":
		s.bound, err = keys.ContextOf(s.context)
	default:
		if s.keyFile, err = keys.ReadDataKeyFile(s.dataKey, s.context); err == nil {
			s.bound = s.keyFile.Context
		}
	}
	if err != nil {
		return err
	}
	if s.keys, err = svc.Recipients(ctx, refs, s.grantTokens); err != nil {
		return err
	}
	if s.pairs, err = keys.PairRecipients(s.sealOptions.pairs); err != nil {
		return err
	}
	n := len(s.keys) + len(s.pairs)
	if s.keyFile != nil {
		n += len(s.keyFile.Keys)
	}
	if n > format.DefaultMaxSlots {
		return exit.Errorf(exit.Usage, "", "%d keys to seal for, readers accept %d",
			n, format.DefaultMaxSlots)
	}
	return nil
}

// unwrap has KMS decrypt the data key of --data-key, unless nothing is going to be sealed.
func (s *sealing) unwrap(ctx context.Context, svc *keys.Services) (err error) {
	if s.keyFile == nil || s.DryRun {
		return nil
	}
	id := &keyring.Discovery{Client: svc.ForARN, Region: s.aws.Region,
		GrantTokens: s.grantTokens, Used: func(arn string) {
			if s.Verbose {
				ui.Note("%s: unwrapped with %s", ui.Shown(s.keyFile.Name), arn)
			}
		}}
	s.key, err = s.keyFile.Unwrap(ctx, id, s.pairs)
	return err
}

// newDataKey makes a data key, and counts the calls that it takes.
func (s *sealing) newDataKey(ctx context.Context, calls *int) (*envelope.DataKey, error) {
	var all []envelope.Recipient
	for _, k := range s.keys { // first, so that a KMS key makes the data key
		counted := *k
		counted.Client = s.throttle.Client(k.Client, calls)
		all = append(all, &counted)
	}
	for _, p := range s.pairs {
		all = append(all, p)
	}
	return envelope.NewDataKey(ctx, s.bound, all...)
}

// takeKey gives a data key for a file of size bytes, -1 if nobody knows, and counts the calls that
// it takes. The caller owes the pool's give.
func (s *sealing) takeKey(ctx context.Context, size int64, calls *int) (*reuse.Key, error) {
	layout := format.Layout{
		ChunkSize: 1 << cmp.Or(s.sealOptions.seal.ChunkSizeLog2, format.DefaultChunkSizeLog2)}
	if err := s.checkSize(layout, size); err != nil {
		return nil, err
	}
	if s.key != nil {
		return &reuse.Key{DataKey: s.key, Lent: true}, nil
	}
	chunks := int64(-1)
	if size >= 0 {
		chunks = layout.Chunks(size)
	}
	key, err := s.pool.Take(ctx, chunks, calls)
	if err != nil {
		return nil, &keyFailure{err}
	}
	return key, nil
}

// checkSize refuses what cannot be sealed, before anybody is asked for a key.
func (s *sealing) checkSize(layout format.Layout, size int64) error {
	if size < 0 || s.sealOptions.seal.Compress != envelope.LevelNone {
		return nil // nobody knows how many chunks that will be
	}
	_, err := layout.SealedSize(size)
	if err == nil {
		return nil
	}
	hint := "no chunk size holds so much: split the input"
	if log := format.LeastChunkSize(size); log > 0 {
		hint = fmt.Sprintf("give --chunk-size %dKiB or more", 1<<log>>10)
	}
	return &exit.Error{Code: exit.Usage, Err: err, Hint: hint}
}

// keyFailure is that no data key could be had for sealing.
type keyFailure struct{ error }

func (k *keyFailure) Unwrap() error { return k.error }

// sealing is the tree.Work of encrypt.

func (s *sealing) Verb() string { return flags.Encrypt }

func (s *sealing) Target(name string) (string, error) { return name + s.Suffix, nil }

// Skips: a sealed file among the inputs, where the outputs go beside them, is most likely the
// output of an earlier run; below -O, where the two cannot be mixed up, it is sealed like any
// other.
func (s *sealing) Skips(name string, beside bool) string {
	if beside && strings.HasSuffix(name, s.Suffix) {
		return "name ends in " + s.Suffix + " already"
	}
	return ""
}

// Check: any file can be sealed.
func (s *sealing) Check(*file.Input) error { return nil }

func (s *sealing) Perm(in *file.Stat) os.FileMode { return file.SealedPerm(in) }

func (s *sealing) DirPerm(mode os.FileMode) os.FileMode { return mode.Perm() }

// Single seals a single file of the batch, or what the command of --from-command writes.
func (s *sealing) Single(ctx context.Context, name string,
	log *transfer.Log) (transfer.Result, error) {
	rename := s.Target
	if s.from != nil {
		rename = func(string) (string, error) { return "-", nil }
	}
	target, err := s.batch.Target(name, rename)
	if err != nil {
		return transfer.Result{}, err
	}
	t := &transfer.Transfer{
		Work: s.Work, Name: name, Target: target, Perm: file.SealedPerm, Mtime: true,
		Header: s.header, From: s.from, Text: s.armor, RefuseEmpty: s.failOnEmpty,
		SizeHint: s.sizeHint, Own: s.own, Log: log, Current: s.Current, OneOfMany: s.batch.IsMany(),
	}
	return t.Run(ctx, s.Stream)
}

func (s *sealing) CanWhole() bool {
	return s.sealOptions.seal.Compress == envelope.LevelNone && !s.armor
}

func (s *sealing) Whole(ctx context.Context,
	dst, src []byte) (out []byte, r transfer.Result, err error) {
	key, err := s.takeKey(ctx, int64(len(src)), &r.Calls)
	if err != nil {
		return nil, r, err
	}
	defer s.pool.Give(key)
	o := s.sealOptions.seal
	o.LastUse = key.Single
	out, r.Header, err = envelope.AppendSealed(ctx, dst, src, key.DataKey, o)
	return out, r, err
}

// Stream seals one file.
func (s *sealing) Stream(ctx context.Context, j *transfer.Job) (r transfer.Result, err error) {
	start := time.Now()
	key, err := s.takeKey(ctx, j.In.Left, &r.Calls)
	if err != nil {
		return r, err
	}
	defer s.pool.Give(key)
	o := s.sealOptions.seal
	o.LastUse = key.Single
	if !j.Alone {
		o.Workers = 1
	}
	if j.Dst.Header != nil {
		o.Header = j.Dst.Header
	}
	if s.Verbose && !j.OneOfMany {
		o.Begun = func(h *format.Header) { s.noteSize(h, j.In) }
	}
	if r.Header, err = s.sealTo(ctx, j, key.DataKey, o); err != nil {
		return r, err
	}
	if s.Verbose && !j.OneOfMany {
		for _, slot := range r.Header.Slots {
			ui.Note("%s: sealed for %s", ui.ShownInput(j.In.Name), keys.SealedFor(slot))
		}
		j.NoteTime("sealed", start)
	}
	return r, nil
}

// sealTo writes armor if it is asked for, and takes the direct path where both ends can.
func (s *sealing) sealTo(ctx context.Context, j *transfer.Job, key *envelope.DataKey,
	o envelope.SealOptions) (h *format.Header, err error) {
	src := j.In.GivesUp(j.Src)
	if s.armor {
		w := format.NewArmorWriter(j.Dst)
		if h, err = envelope.Seal(ctx, w, src, key, o); err != nil {
			return nil, err // without an END line
		}
		return h, w.Close()
	}
	if o.Compress == envelope.LevelNone {
		if p, ok := j.DirectPath(); ok {
			return p.Seal(ctx, key, o)
		}
	}
	return envelope.Seal(ctx, struct{ io.Writer }{j.Dst}, src, key, o)
}

// Fatal: all files are sealed for the same keys, so what one cannot be sealed for none can.
func (s *sealing) Fatal(err error) bool {
	var k *keyFailure
	return errors.As(err, &k)
}

// Current compares the sealed file's size, in which that of its own header is the only unknown. Of
// a compressed or armored one the time alone has to do.
func (s *sealing) Current(in, out *file.Input) (current, replaceable bool) {
	h, exact, err := transfer.ReadHeader(out)
	if err != nil {
		return false, false // nobody knows what it is, so it stays
	}
	if !out.ModTime.Equal(in.ModTime) {
		return false, true
	}
	if !exact {
		return true, false
	}
	size, err := h.Layout().SealedSize(in.Size)
	return err == nil && size == out.Size, true
}

// noteSize says how large the output will be, as far as it is known before the data is.
func (s *sealing) noteSize(h *format.Header, in *file.Input) {
	if h.Compression != format.CompressionNone {
		return
	}
	size := in.Left
	if size < 0 {
		size = s.sizeHint
	}
	sealed, err := transfer.Payload(h, s.header != "").SealedSize(size)
	if err != nil {
		return // size is unknown, or more than can be sealed, which is said elsewhere
	}
	if s.armor {
		sealed = format.ArmoredSize(sealed)
	}
	ui.Note("%s: sealed size: %d bytes", ui.ShownInput(in.Name), sealed)
}

// parseChunkSize reads a size such as 65536, 64K or 1MiB and returns its logarithm; 0 stands for
// the default.
func parseChunkSize(s string) (uint8, error) {
	if s == "" {
		return 0, nil
	}
	n, err := flags.ParseSize(s)
	log := bits.Len64(uint64(n)) - 1
	if err != nil || n <= 0 || n&(n-1) != 0 || log < format.MinChunkSizeLog2 ||
		log > format.MaxChunkSizeLog2 {
		return 0, exit.Errorf(exit.Usage, "", "chunk size %q is not a power of two from 4KiB to 16MiB", s)
	}
	return uint8(log), nil
}

// parseSizeHint reads --size-hint, -1 for none.
func parseSizeHint(text string) (int64, error) {
	if text == "" {
		return -1, nil
	}
	n, err := flags.ParseSize(text)
	if err != nil || n < 0 {
		return 0, exit.Errorf(exit.Usage, "a number of bytes, such as 500M or 10GiB",
			"--size-hint %q is not a size", text)
	}
	return n, nil
}

// checkLevel refuses a level of compression that stands where a file does: what it was meant for
// would be compressed otherwise, and to tell by a missing file is too late.
func (o *sealOptions) checkLevel() error {
	if o.Names != "" || o.seal.Compress == envelope.LevelNone {
		return nil
	}
	for _, name := range o.args {
		if _, err := envelope.ParseLevel(name); err == nil && !file.IsThere(name) {
			return exit.Errorf(exit.Usage, "write --compress="+name, "%s: no such file", name)
		}
	}
	return nil
}
