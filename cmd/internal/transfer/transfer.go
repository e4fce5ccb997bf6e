// Package transfer brings one file from its input to its output, or to a command, and writes its
// line in the log. It leaves nothing of an output behind that did not become whole, and removes no
// input before its output is on the disk. Start with Transfer.Run.
package transfer

import (
	"context"
	"io"
	"os"
	"slices"
	"time"

	"github.com/envseal/envseal/cmd/internal/child"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/inplace"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/format"
)

// Transfer is one file on its way from an input to an output, by the rules for files: nothing
// appears under the output's name before it is whole and on the disk, and nothing is left if it
// fails.
type Transfer struct {
	flags.Work
	Name   string                       // of the input, "-" for stdin
	Target string                       // "-" for stdout
	Perm   func(*file.Stat) os.FileMode // the output's mode, of its input
	Mtime  bool                         // the output gets the input's mtime
	Header string                       // where a detached header goes, "" for none
	From   *child.Line                  // what is sealed instead of a file, nil for a file
	To     *child.Line                  // what gets the data instead of target, nil for target
	Into   Sink                         // the same for what is no command
	Text   bool                         // the output is text, which a terminal may have

	RefuseEmpty bool           // see file.Input
	SizeHint    int64          // of an input whose size is not known, -1 for none
	Own         []file.Guarded // what the output must not be, beside the input

	Log *Log // nil for none
	// Check, if set, is what --dry-run can find out about the input without asking a key service
	Check func(in *file.Input) error
	// Current, if set, is the rule of --update
	Current Rule

	older     bool // the output is there, and --update has found it to be an older one
	OneOfMany bool // its progress is shown for all of them
	madeDir   bool // the directory of -O was made for the output
}

// Job is a file in the hands of a command.
type Job struct {
	In        *file.Input
	Src       io.Reader // reads in, and counts for bar
	Plain     bool      // src does nothing else
	Dst       Destination
	Bar       *ui.Progress
	OneOfMany bool // what is the same for all is said once
	Alone     bool // it may use all cores
}

// Result is what became known of a file.
type Result struct {
	Header *format.Header // of the sealed file; nil if nobody came so far
	KeyID  string         // the key that opened it
	Calls  int            // to key services
}

// KeyIDs are the keys of a file: the one that opened it, or all that it was sealed for.
func (r *Result) KeyIDs() []string {
	if r.KeyID != "" {
		return []string{r.KeyID}
	}
	var all []string
	if r.Header != nil {
		for _, s := range r.Header.Slots {
			if k, err := s.KMS(); err == nil {
				all = append(all, k.KeyID)
			} else if p, err := s.Pair(); err == nil {
				all = append(all, p.KeyID)
			}
		}
	}
	return all
}

// Work does what the command is for. It must read its input to the end.
type Work func(ctx context.Context, j *Job) (Result, error)

// Sink is what a transfer writes to.
type Sink interface {
	io.Writer
	Commit() error
	Durable() bool  // once committed it survives a power cut: a file of its own, synced
	Released() bool // something has left the process that cannot be taken back
	Abort()
}

// Destination is a sink, and what of it is a file.
type Destination struct {
	Sink
	File   *file.Output // for the data; nil for a command, or where nothing is written
	Header *file.Output // for a detached header, nil for none
}

// Run opens both ends, has the work done, and commits.
func (t *Transfer) Run(ctx context.Context, do Work) (Result, error) {
	if t.DryRun {
		return Result{}, t.tryOut()
	}
	res, err := t.carry(ctx, do)
	if err != nil && t.madeDir {
		_ = file.TakeBackDir(t.OutputDir)
	}
	return res, err
}

func (t *Transfer) carry(ctx context.Context, do Work) (Result, error) {
	in, err := t.takeInput()
	if in == nil {
		return Result{}, err
	}
	defer in.Close()
	in.RefuseEmpty = t.RefuseEmpty
	dst, err := t.open(in)
	if err != nil {
		return Result{}, err
	}
	defer dst.Abort()
	entry := t.Log.Begin(dst.File, in, ui.InputName(t.Name), t.displayTarget())
	j := &Job{In: in, Dst: dst, OneOfMany: t.OneOfMany, Alone: true}
	j.Src, j.Plain = entry.Reader(in)
	res, err := t.work(ctx, do, j)
	if err == nil {
		err = entry.Measure()
	}
	if err == nil {
		err = dst.Commit()
	}
	if err != nil {
		return res, err
	}
	entry.done(res)
	return res, t.removeInput(in, dst)
}

// takeInput opens the input. There is none, and no error, if --update leaves it out.
func (t *Transfer) takeInput() (*file.Input, error) {
	in, err := t.openInput()
	if err != nil {
		return nil, err
	}
	if t.upToDate(in) {
		in.Close()
		return nil, nil
	}
	// Where --rm keeps the input anyhow, it has no say.
	if t.Remove && !t.Force && !t.NoSync && t.Target != "-" && in.CanRemove() {
		err = in.RefuseRemoval()
	}
	if err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

// tryOut is --dry-run: it checks both ends, starts no command, and waits for nobody.
func (t *Transfer) tryOut() error {
	in, err := t.takeInput()
	if in == nil {
		return err
	}
	defer in.Close()
	there := true
	if t.OutputDir != "" {
		if there, err = file.CheckDir(t.OutputDir); err != nil {
			return err
		}
	}
	if t.To == nil && there {
		dst, err := t.open(in)
		if err != nil {
			return err
		}
		defer dst.Abort()
	}
	if t.Check != nil {
		if err := t.Check(in); err != nil {
			return err
		}
	}
	ui.Note("%s: would write %s", ui.ShownInput(t.Name), t.displayTarget())
	return nil
}

// work does the work, before the eyes of the user, and checks that nobody changed the input
// meanwhile.
func (t *Transfer) work(ctx context.Context, do Work, j *Job) (res Result, err error) {
	if !t.OneOfMany {
		j.Bar = t.progress(j.In)
		j.Src = j.Bar.Reader(j.Src)
		defer func() { j.Bar.Finish(err) }()
	}
	if res, err = do(ctx, j); err != nil {
		return res, err
	}
	return res, j.In.CheckUnchanged()
}

func (t *Transfer) openInput() (*file.Input, error) {
	if t.From != nil {
		return child.Open(t.From)
	}
	return file.Open(t.Name)
}

func (t *Transfer) open(in *file.Input) (Destination, error) {
	switch {
	case t.Into != nil:
		return Destination{Sink: t.Into}, nil
	case t.To != nil:
		c, err := child.NewConsumer(t.To)
		return Destination{Sink: c}, err
	}
	inputs := slices.Concat([]file.Guarded{in.Guard()}, t.Own, t.Log.Guard())
	if t.Target == "-" {
		out, err := file.Stdout(t.Output == "-" || t.Text, inputs...)
		if err != nil {
			return Destination{}, err
		}
		return t.withHeader(out, in)
	}
	o := file.Options{
		Force:  t.Force || t.older,
		Perm:   t.Perm(&in.Stat),
		NoSync: t.NoSync,
		DryRun: t.DryRun,
		Inputs: inputs,
	}
	if t.Mtime && in.Regular {
		o.ModTime = in.ModTime
	}
	if t.OutputDir != "" {
		var err error
		if t.madeDir, err = file.MakeDir(t.OutputDir, 0o777, !t.NoSync); err != nil {
			return Destination{}, err
		}
	}
	out, err := file.Create(t.Target, o)
	if err != nil {
		return Destination{}, err
	}
	return t.withHeader(out, in)
}

// removeInput is --rm, after the output is committed.
func (t *Transfer) removeInput(in *file.Input, dst Sink) error {
	if !t.Remove {
		return nil
	}
	if !dst.Durable() || !in.CanRemove() {
		ui.Warn("%s: kept: --rm removes a file only once its output is a file on the disk",
			ui.ShownInput(t.Name))
		return nil
	}
	return in.Remove()
}

// progress starts the progress of one file, as the user asked for it.
func (t *Transfer) progress(in *file.Input) *ui.Progress {
	mode, total := t.Progress, in.Left
	if total < 0 {
		total = t.SizeHint
	}
	if mode == ui.Auto && in.IsTerminal() {
		mode = ui.Never // somebody is typing there
	}
	return ui.NewProgress(mode, in.Name, total, t.Quiet)
}

func (t *Transfer) displayTarget() string {
	switch {
	case t.To != nil:
		return t.To.String()
	case t.Target == "-":
		return "stdout"
	}
	return t.Target
}

// upToDate is --update for a single file: whether it is left out, since its output is there, by the
// rule for the files of a tree. Where an older output is there, it lets the transfer replace that.
func (t *Transfer) upToDate(in *file.Input) bool {
	if !t.Update || t.Current == nil || !in.IsWhole() || !t.Mtime || t.To != nil || t.Target == "-" {
		return false
	}
	if _, ok := file.Descriptor(t.Target); ok {
		return false
	}
	parent, base := file.SplitName(t.Target)
	dir, err := file.OpenDir(parent)
	if err != nil {
		return false
	}
	defer dir.Close()
	current, replaceable := t.Current.Compare(dir, base, in)
	t.older = !current && replaceable
	if current && t.Verbose {
		ui.Note("%s: skipped: %s", ui.ShownInput(t.Name), SkipUnchanged)
	}
	return current
}

// SkipUnchanged is why --update leaves out a file.
const SkipUnchanged = "unchanged"

// Rule tells whether out is the output of in, as far as times and sizes tell; replaceable, if
// not, that it is an older one.
type Rule func(in, out *file.Input) (current, replaceable bool)

// Compare asks the rule about what has the output's name in dir. It is neither current nor
// replaceable if it is not there, no regular file, or the input itself: whatever it is comes out
// when the output gets its name.
func (rule Rule) Compare(dir *file.Dir, name string, in *file.Input) (current, replaceable bool) {
	there, err := dir.OpenFile(name, name, false)
	if err != nil {
		return false, false
	}
	defer there.Close()
	if there.ID == in.ID {
		return false, false
	}
	return rule(in, there)
}

// ReadHeader reads the header of a sealed file, armored or not. exact tells whether the sizes of
// the file and of its contents follow from each other. It leaves the file's position alone.
func ReadHeader(in *file.Input) (h *format.Header, exact bool, err error) {
	h, armored, err := inplace.ReadHeader(io.NewSectionReader(in, 0, in.Size),
		format.Limits{MaxSlots: format.MaxSlots})
	if err != nil {
		return nil, false, err
	}
	return h, !armored && h.Compression == format.CompressionNone, nil
}

// NoteTime is for -v: how long the work on a file took.
func (j *Job) NoteTime(how string, start time.Time) {
	ui.Note("%s: %s in %s", ui.ShownInput(j.In.Name), how, time.Since(start).Round(time.Millisecond))
}
