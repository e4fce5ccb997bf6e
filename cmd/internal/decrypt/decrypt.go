// Package decrypt is envseal decrypt and envseal verify. Start with runOpen; opening is what they
// do to each file. Nothing is released that was not authenticated before.
package decrypt

import (
	"context"
	"io"
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

// Command is envseal decrypt.
func Command() *cli.Command {
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
			flags.TreeHelp +
			"Exit codes: `envseal help exit-codes`.",
		Flags: slices.Concat(flags.PolicyFlags(), flags.FileFlags(), flags.TreeFlags(), openFlags(),
			decompressFlags(), flags.MessageFlags(), flags.AWSFlags(), flags.StoreFlags()),
		Action: func(c *cli.Context) error { return runOpen(c, flags.Decrypt) },
	}
}

func openFlags() []cli.Flag {
	return []cli.Flag{
		openHeaderFlag(),
		rangeFlag(),
		&cli.BoolFlag{Name: "verify-first", Category: flags.CatFiles,
			Usage: "read the file twice: nothing comes out before all of it is found to be authentic"},
		flags.BeforeCommand(&cli.StringFlag{Name: flags.ToCommand, Category: flags.CatFiles,
			Usage: "hand the opened data to the shell command `CMD`, which is ended before it sees the end of an input that is not whole (its own failure: exit code 11); or --to-command -- CMD ARGS..."}),
		&cli.BoolFlag{Name: "preserve-mode", Category: flags.CatFiles,
			Usage: "give the output the mode of the sealed file, even if others can read it (default: the owner at the most)"},
	}
}

func openHeaderFlag() cli.Flag {
	return &cli.StringFlag{Name: "header", Category: flags.CatFiles,
		Usage: "the header is in `FILE`, and the input has the chunks alone"}
}

// openOptions are the flags of decrypt and verify, which has fewer.
type openOptions struct {
	flags.Work
	aws   flags.AWS
	store flags.Store

	keyIDs       []string
	accounts     []string
	requirements keys.Requirements
	grantTokens  []string
	header       string // where a detached header is
	verifyFirst  bool
	preserveMode bool
	bytes        *byteRange  // nil for all of them
	to           *child.Line // what gets the data
	args         []string    // files
	open         envelope.OpenOptions
}

func readOpenOptions(c *cli.Context) (o openOptions, err error) {
	if o.Work, err = flags.ReadWork(c); err != nil {
		return o, err
	}
	o.aws, o.store = flags.ReadAWS(c), flags.ReadStore(c)
	o.keyIDs, o.accounts = c.StringSlice("key-id"), c.StringSlice("account")
	o.grantTokens, o.header = c.StringSlice("grant-tokens"), c.String("header")
	o.verifyFirst, o.preserveMode = c.Bool("verify-first"), c.Bool("preserve-mode")
	if o.requirements, err = keys.ParseRequirements(c.StringSlice("require-context")); err != nil {
		return o, err
	}
	if o.bytes, err = parseRange(c.String("range"), c.IsSet("range")); err != nil {
		return o, err
	}
	o.open = envelope.OpenOptions{Workers: o.Jobs, NoDecompress: c.Bool("no-decompress"),
		MaxSlots: c.Int("max-slots")}
	if o.open.MaxSlots < 0 {
		return o, exit.Errorf(exit.Usage, "", "--max-slots %d is negative", o.open.MaxSlots)
	}
	if o.open.MaxSize, err = parseMaxSize(c.String("max-size"), c.IsSet("max-size")); err != nil {
		return o, err
	}
	o.to, o.args, err = child.Parse(flags.ToCommand, c.String(flags.ToCommand),
		c.IsSet(flags.ToCommand), c.Args().Slice())
	return o, err
}

// files are those that no output may replace.
func (o *openOptions) files() []file.Guarded {
	header := []file.Needed{{Name: o.header, Role: "the input"}} // the payload needs it
	return file.Guard(o.aws.Files(), o.store.Files(), o.Work.Files(), header)
}

// check refuses what does not go together.
func (o *openOptions) check(b *batch.Files) error {
	if err := b.CheckHeader(o.header); err != nil {
		return err
	}
	outputs := []flags.Given{{Flag: "output-dir", Yes: o.OutputDir != ""}, {Flag: "rm", Yes: o.Remove}}
	if o.bytes != nil {
		if err := b.OneFile("range"); err != nil {
			return err
		}
		others := append(outputs, flags.Given{Flag: flags.ToCommand, Yes: o.to != nil})
		if err := flags.Exclude("range", "a range is not the file", others...); err != nil {
			return err
		}
	}
	if o.to == nil {
		return nil
	}
	if err := b.OneFile(flags.ToCommand); err != nil {
		return err
	}
	others := append(outputs, flags.Given{Flag: "output", Yes: o.Output != ""},
		flags.Given{Flag: "force", Yes: o.Force})
	return flags.Exclude(flags.ToCommand, "the data goes to the command", others...)
}

// opening is what one decrypt or verify command does to each of its files.
type opening struct {
	openOptions
	batch    *batch.Files
	svc      *keys.Services
	throttle *reuse.Throttle
	allowed  []keyring.AllowedKey
	own      []file.Guarded
}

// runOpen is decrypt or verify.
func runOpen(c *cli.Context, verb string) error {
	options, err := readOpenOptions(c)
	if err != nil {
		return err
	}
	ctx := c.Context
	b, err := batch.New(verb, options.Work, options.args)
	if err != nil {
		return err
	}
	if err := options.check(b); err != nil {
		return err
	}
	if err := keys.RefuseStrictFIPS(); err != nil {
		return err
	}
	o := &opening{openOptions: options, batch: b, own: options.files()}
	o.svc = keys.NewServices(o.aws, o.store)
	defer o.svc.Close()
	keys.Harden(o.AllowCoreDumps)
	o.open.Check = o.requirements.Check
	if o.allowed, err = o.svc.Allowed(ctx, o.keyIDs); err != nil {
		return err
	}
	o.throttle = reuse.NewThrottle(b.IsMany(), o.Reuse)
	defer o.throttle.Close()
	if verb == flags.Verify {
		return tree.Run(ctx, b, o.own, &verifying{o})
	}
	return tree.Run(ctx, b, o.own, o)
}

// identity opens one file. It notes in r which key did, and says so, unless the user named the key
// or it is said of many files together.
func (o *opening) identity(name string, many bool, r *transfer.Result) envelope.Identity {
	keys := make([]keyring.AllowedKey, len(o.allowed))
	for i, k := range o.allowed {
		keys[i] = keyring.AllowedKey{KeyID: k.KeyID, Client: o.throttle.Client(k.Client, &r.Calls)}
	}
	return &keyring.Discovery{
		Client:      o.throttle.ForARN(o.svc.ForARN, &r.Calls),
		Keys:        keys,
		Accounts:    o.accounts,
		Region:      o.aws.Region,
		GrantTokens: o.grantTokens,
		Used: func(arn string) {
			r.KeyID = arn
			if !many && (o.Verbose || len(o.allowed) == 0 && !o.Quiet) {
				ui.Note("%s: opened with %s", ui.ShownInput(name), arn)
			}
		},
	}
}

// opening is the tree.Work of decrypt.

func (o *opening) Verb() string { return flags.Decrypt }

// Target drops the suffix.
func (o *opening) Target(name string) (string, error) {
	to, ok := strings.CutSuffix(name, o.Suffix)
	if !ok || to == "" || strings.HasSuffix(to, "/") {
		hint := "name the output with -o FILE, or the ending with --suffix"
		if o.header != "" {
			hint = "name the output with -o FILE"
		}
		return "", exit.Errorf(exit.Usage, hint, "name does not end in %q", o.Suffix)
	}
	return to, nil
}

func (o *opening) Skips(name string, _ bool) string {
	if _, err := o.Target(name); err != nil {
		return "name does not end in " + o.Suffix
	}
	return ""
}

func (o *opening) Perm(in *file.Stat) os.FileMode { return file.OpenedPerm(in, o.preserveMode) }

func (o *opening) DirPerm(mode os.FileMode) os.FileMode {
	if o.preserveMode {
		return mode.Perm()
	}
	return mode.Perm() & 0o700
}

// Single opens a single file of the batch, for the command of --to-command, or into a file.
func (o *opening) Single(ctx context.Context, name string,
	log *transfer.Log) (transfer.Result, error) {
	target, err := o.batch.Target(name, o.rename)
	if err != nil {
		return transfer.Result{}, err
	}
	t := &transfer.Transfer{
		Work: o.Work, Name: name, Target: target, Perm: o.Perm, Mtime: o.bytes == nil,
		To: o.to, SizeHint: -1, Own: o.own, Log: log, Check: o.Check, Current: o.Current,
		OneOfMany: o.batch.IsMany(),
	}
	return t.Run(ctx, o.Stream)
}

// rename gives the name of the output.
func (o *opening) rename(name string) (string, error) {
	if o.bytes != nil || o.to != nil {
		return "-", nil // no part goes by the name of the whole
	}
	to, err := o.Target(name)
	if err != nil {
		err = batch.NoOpenedName(name, err)
	}
	return to, err
}

// Check reads the header, for --dry-run, and refuses what could not be opened whatever KMS says.
func (o *opening) Check(in *file.Input) error {
	header := transfer.Header{Name: o.header}
	defer header.Close()
	options, err := header.Prepare(in, o.open)
	if err != nil {
		return err
	}
	src, _, err := unarmored(&transfer.Job{In: in, Src: in, Plain: true}, options.Header != nil)
	if err != nil {
		return err
	}
	h, err := envelope.ReadHeader(src, options)
	if err != nil {
		return err
	}
	policy := &keyring.Discovery{Keys: o.allowed, Accounts: o.accounts, Region: o.aws.Region}
	return policy.Allowed(h)
}

func (o *opening) CanWhole() bool { return true }

func (o *opening) Whole(ctx context.Context,
	dst, src []byte) (out []byte, r transfer.Result, err error) {
	out, r.Header, err = envelope.AppendOpened(ctx, dst, src, o.open, o.identity("", true, &r))
	if streamOnly(err, r.Header) {
		return nil, r, tree.ErrStream // compressed; or a header in another shape, or in a journal
	}
	return out, r, err
}

// Stream opens one file, in the way that is asked for.
func (o *opening) Stream(ctx context.Context, j *transfer.Job) (r transfer.Result, err error) {
	start := time.Now()
	if r.Header, err = o.release(ctx, j, &r); err != nil {
		return r, discarding(j.Dst, err)
	}
	if o.Verbose && !j.OneOfMany {
		j.NoteTime("opened", start)
	}
	return r, nil
}

func (o *opening) release(ctx context.Context, j *transfer.Job,
	r *transfer.Result) (*format.Header, error) {
	id := o.identity(j.In.Name, j.OneOfMany, r)
	header := transfer.Header{Name: o.header, Again: o.verifyFirst}
	defer header.Close()
	if o.verifyFirst {
		held := &heldKey{Identity: id, in: j.In}
		defer held.destroy()
		j.Bar.Grow(j.In.Left)
		if err := o.verifiedFirst(ctx, j, &header, held); err != nil {
			return nil, err
		}
		id = held
	}
	options, err := header.Prepare(j.In, o.workersFor(j))
	if err != nil {
		return nil, err
	}
	if o.bytes != nil {
		return o.openRange(ctx, j, options, id)
	}
	src, plain, err := unarmored(j, options.Header != nil)
	if err != nil {
		return nil, err
	}
	if plain { // from a file to one that appears when it is whole
		if p, ok := j.DirectPath(); ok && !j.Dst.File.Direct {
			return p.Open(ctx, options, id)
		}
	}
	return envelope.Open(ctx, struct{ io.Writer }{j.Dst}, src, options, id)
}

// workersFor has one of many files, alone or not on the cores.
func (o *opening) workersFor(j *transfer.Job) envelope.OpenOptions {
	options := o.open
	if !j.Alone {
		options.Workers = 1
	}
	return options
}

// unarmored is what the job reads without its armor, and whether that is as it was. With a detached
// header there is none, as chunks may begin with any byte.
func unarmored(j *transfer.Job, detached bool) (src io.Reader, plain bool, err error) {
	var first [1]byte
	switch {
	case detached:
		return j.In.GivesUp(j.Src), j.Plain && j.In.Regular, nil
	case j.In.Regular: // whose position stays where it is, for the direct path
		if n, _ := j.In.ReadAt(first[:], j.In.Offset()); n == 1 && !format.MayBeArmor(first[0]) {
			return j.Src, j.Plain, nil
		}
	}
	if src, _, err = format.Unarmored(j.Src); err != nil {
		return nil, false, err
	}
	return j.In.GivesUp(src), false, nil
}

// discarding adds to the hint of a failed opening what is to be done with what came out before.
func discarding(dst transfer.Sink, err error) error {
	code, hint := exit.Explain(err)
	if !dst.Released() || code == exit.Consumer { // which has failed by itself
		return err
	}
	if hint != "" {
		hint += "; "
	}
	return &exit.Error{Code: code, Err: err, Hint: hint + "what came out must be discarded"}
}

// Fatal: the next file may have another key.
func (o *opening) Fatal(error) bool { return false }

// Current compares the plaintext's size. An output that is newer than its sealed file has been
// worked on since, and is kept.
func (o *opening) Current(in, out *file.Input) (current, replaceable bool) {
	if !out.ModTime.Equal(in.ModTime) {
		return false, out.ModTime.Before(in.ModTime)
	}
	h, exact, err := transfer.ReadHeader(in)
	if err != nil {
		return false, false
	}
	if !exact {
		return true, false
	}
	size, err := h.Layout().PlaintextSize(in.Size)
	return err == nil && size == out.Size, true
}

// decompressFlags are those of commands that open compressed files.
func decompressFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "no-decompress", Category: flags.CatFiles,
			Usage: "give out the zstd stream of a compressed file as it is"},
		&cli.StringFlag{Name: "max-size", Category: flags.CatPolicy,
			Usage: "stop before more than `BYTES` (such as 10GiB) come out of a file: a small compressed one can hold any amount"},
	}
}

// parseMaxSize reads --max-size, 0 for none.
func parseMaxSize(text string, given bool) (int64, error) {
	if !given {
		return 0, nil
	}
	n, err := flags.ParseSize(text)
	if err != nil || n <= 0 {
		return 0, exit.Errorf(exit.Usage, "a number of bytes, such as 500M or 10GiB",
			"--max-size %q is not a size", text)
	}
	return n, nil
}
