package cmd

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/urfave/cli/v2"
)

// transfer is one file on its way from an input to an output, by the rules for files: nothing appears under the output's name before it is whole and
// on the disk, and nothing is left if it fails.
type transfer struct {
	c      *cli.Context
	name   string // of the input, "-" for stdin
	target string // "-" for stdout
	perm   func(*input) os.FileMode
	mtime  bool         // the output gets the input's mtime
	header string       // where a detached header goes, "" for none
	from   *commandLine // what is sealed instead of a file, nil for a file
	to     *commandLine // what gets the data instead of target, nil for target
	into   sink         // the same for what is no command
	log    *fileLog
	// check, if set, is what --dry-run can find out about the input without asking a key service
	check func(ctx context.Context, in *input) error
	// current, if set, is what --update asks: see treeWork
	current func(in, out *statedFile) (current, replaceable bool)
	older   bool   // the output is there, and --update has found it to be an older one
	many    bool   // one of many files, whose progress is shown for all of them
	made    string // directory of -O that was made for the output
}

// sink is what a transfer writes to.
type sink interface {
	io.Writer
	Commit() error
	durable() bool // once committed it survives a power cut: a file of its own, synced
	Abort()
}

// run opens both ends, calls work, and commits. work must read its input to the end.
func (t *transfer) run(ctx context.Context, work func(ctx context.Context, dst io.Writer, src io.Reader, in *input) error) error {
	if t.c.Bool("dry-run") {
		return t.tryOut(ctx)
	}
	err := t.carry(ctx, work)
	if err != nil {
		t.takeBack()
	}
	if err != nil && !t.many {
		t.log.failed(t.inputName(), named(t.name, err))
	}
	return err
}

// carry is run but for the log of failures.
func (t *transfer) carry(ctx context.Context, work func(ctx context.Context, dst io.Writer, src io.Reader, in *input) error) error {
	in, err := t.takeInput()
	if in == nil {
		return err
	}
	defer in.Close()
	in.refuseEmpty = t.c.Bool("fail-on-empty")
	out, err := t.open(in)
	if err != nil {
		return err
	}
	defer out.Abort()
	entry := t.log.begin(out, in, t.inputName(), t.displayTarget())
	entry.record.many = t.many
	err = t.work(withRecord(ctx, &entry.record), work, out, entry.reader(in), in)
	if err == nil {
		err = entry.measure()
	}
	if err == nil {
		err = out.Commit()
	}
	if err != nil {
		return err
	}
	entry.done()
	if r := recordOf(ctx); r != nil {
		*r = entry.record
	}
	return t.removeInput(in, out)
}

// takeInput opens the input. There is none, and no error, if --update leaves it out.
func (t *transfer) takeInput() (*input, error) {
	in, err := t.openInput()
	if err != nil {
		return nil, err
	}
	if t.upToDate(in) {
		in.Close()
		return nil, nil
	}
	if err := t.refuseRemoval(in); err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

// tryOut is --dry-run: it checks both ends, starts no command, and waits for nobody.
func (t *transfer) tryOut(ctx context.Context) error {
	in, err := t.takeInput()
	if in == nil {
		return err
	}
	defer in.Close()
	missing, err := t.missingOutputDir()
	if err != nil {
		return err
	}
	if t.to == nil && missing == "" {
		out, err := t.open(in)
		if err != nil {
			return err
		}
		defer out.Abort()
	}
	if t.check != nil {
		if err := t.check(ctx, in); err != nil {
			return err
		}
	}
	note("%s: would write %s", display(t.name), t.displayTarget())
	return nil
}

// work does the work, before the eyes of the user, and checks that nobody changed the input meanwhile.
func (t *transfer) work(ctx context.Context, work func(ctx context.Context, dst io.Writer, src io.Reader, in *input) error, out sink, src io.Reader, in *input) (err error) {
	if !t.many {
		p, modeErr := progressOf(t.c, in)
		if modeErr != nil {
			return modeErr
		}
		src = p.reader(src)
		defer func() { p.finish(err) }()
	}
	if err := work(ctx, out, src, in); err != nil {
		return err
	}
	return in.checkUnchanged()
}

func (t *transfer) openInput() (*input, error) {
	if t.from != nil {
		return openProducer(t.from)
	}
	return openInput(t.name)
}

func (t *transfer) open(in *input) (sink, error) {
	switch {
	case t.into != nil:
		return t.into, nil
	case t.to != nil:
		return newConsumer(t.to)
	}
	if t.target == "-" {
		meant := t.c.String("output") == "-" || t.c.Bool("armor") // which is text
		out, err := stdoutOutput(meant, t.inputs(in)...)
		if err != nil {
			return nil, err
		}
		return withHeader(out, t.header, t.target, in)
	}
	o := outputOptions{
		force:  t.c.Bool("force") || t.older,
		perm:   t.perm(in),
		noSync: t.c.Bool("no-sync"),
		dryRun: t.c.Bool("dry-run"),
		inputs: t.inputs(in),
	}
	if t.mtime && in.regular {
		o.modTime = in.info.ModTime()
	}
	if err := t.makeDir(); err != nil {
		return nil, err
	}
	out, err := createOutput(t.target, o)
	if err != nil {
		return nil, err
	}
	return withHeader(out, t.header, t.target, in)
}

// removeInput is --rm, after the output is committed.
func (t *transfer) removeInput(in *input, out sink) error {
	if !t.c.Bool("rm") {
		return nil
	}
	_, descriptor := descriptorNumber(t.name)
	if !out.durable() || !in.regular || in.path == "" || descriptor {
		warn("%s: kept: --rm removes a file only once its output is a file on the disk", display(t.name))
		return nil
	}
	if in.checkUnchanged() != nil { // which may have happened in the time that the output took to reach the disk
		return fail(exitOther, "", "%s: output is written, but the input is kept: it was changed meanwhile", display(t.name))
	}
	if err := os.Remove(t.name); err != nil {
		return fail(exitOther, "", "output is written, but the input could not be removed: %w", err)
	}
	return nil
}

// progressOf starts the progress of one file, as the user asked for it.
func progressOf(c *cli.Context, in *input) (*progress, error) {
	mode, err := parseProgressMode(c.String("progress"))
	if err != nil {
		return nil, err
	}
	total := in.size
	if total < 0 {
		if total, err = sizeHint(c); err != nil {
			return nil, err
		}
	}
	if mode == progressAuto && in.File != nil && isTerminal(in.File) {
		mode = progressNever // somebody is typing there
	}
	return newProgress(mode, in.name, total, c.Bool("quiet")), nil
}

// inputName is the name of the input as the log has it: exact, however it may look.
func (t *transfer) inputName() string {
	if t.name == "-" {
		return display(t.name)
	}
	return t.name
}

func (t *transfer) displayTarget() string {
	switch {
	case t.to != nil:
		return t.to.String()
	case t.target == "-":
		return "stdout"
	}
	return t.target
}

// took is how long something took, for -v.
func took(start time.Time) string { return time.Since(start).Round(time.Millisecond).String() }
