package cmd

import (
	"context"
	"io"
	"os"
	"slices"
	"time"

	"github.com/envseal/envseal/cmd/internal/child"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/format"
)

// transfer is one file on its way from an input to an output, by the rules for files: nothing
// appears under the output's name before it is whole and on the disk, and nothing is left if it
// fails.
type transfer struct {
	flags.Work
	name   string // of the input, "-" for stdin
	target string // "-" for stdout
	perm   func(*file.Stat) os.FileMode
	mtime  bool        // the output gets the input's mtime
	header string      // where a detached header goes, "" for none
	from   *child.Line // what is sealed instead of a file, nil for a file
	to     *child.Line // what gets the data instead of target, nil for target
	into   sink        // the same for what is no command
	text   bool        // the output is text, which a terminal may have

	refuseEmpty bool
	sizeHint    int64          // of an input whose size is not known, -1 for none
	own         []file.Guarded // what the output must not be, beside the input

	log *fileLog
	// check, if set, is what --dry-run can find out about the input without asking a key service
	check func(in *file.Input) error
	// current, if set, is the rule of --update
	current currentRule

	older bool   // the output is there, and --update has found it to be an older one
	many  bool   // one of many files, whose progress is shown for all of them
	made  string // directory of -O that was made for the output
}

// job is a file in the hands of a command.
type job struct {
	in    *file.Input
	src   io.Reader // reads in, and counts for bar
	plain bool      // src does nothing else
	dst   destination
	bar   *ui.Progress
	many  bool // one of many: what is the same for all is said once
	alone bool // it may use all cores
}

// result is what became known of a file.
type result struct {
	header *format.Header
	keyID  string // the key that opened it
	calls  int    // to key services
}

// keyIDs are the keys of a file: the one that opened it, or all that it was sealed for.
func (r *result) keyIDs() []string {
	if r.keyID != "" {
		return []string{r.keyID}
	}
	var all []string
	if r.header != nil {
		for _, s := range r.header.Slots {
			if k, err := s.KMS(); err == nil {
				all = append(all, k.KeyID)
			} else if p, err := s.Pair(); err == nil {
				all = append(all, p.KeyID)
			}
		}
	}
	return all
}

// work does what the command is for. It must read its input to the end.
type work func(ctx context.Context, j *job) (result, error)

// sink is what a transfer writes to.
type sink interface {
	io.Writer
	Commit() error
	Durable() bool  // once committed it survives a power cut: a file of its own, synced
	Released() bool // something has left the process that cannot be taken back
	Abort()
}

// destination is a sink, and what of it is a file.
type destination struct {
	sink
	file   *file.Output // for the data; nil for a command, or where nothing is written
	header *file.Output // for a detached header, nil for none
}

// run opens both ends, has the work done, and commits.
func (t *transfer) run(ctx context.Context, do work) (result, error) {
	if t.DryRun {
		return result{}, t.tryOut()
	}
	res, err := t.carry(ctx, do)
	if err != nil && t.made != "" {
		_ = file.TakeBackDir(t.made)
	}
	return res, err
}

func (t *transfer) carry(ctx context.Context, do work) (result, error) {
	in, err := t.takeInput()
	if in == nil {
		return result{}, err
	}
	defer in.Close()
	in.RefuseEmpty = t.refuseEmpty
	dst, err := t.open(in)
	if err != nil {
		return result{}, err
	}
	defer dst.Abort()
	entry := t.log.begin(dst.file, in, ui.InputName(t.name), t.displayTarget())
	j := &job{in: in, dst: dst, many: t.many, alone: true}
	j.src, j.plain = entry.reader(in)
	res, err := t.work(ctx, do, j)
	if err == nil {
		err = entry.measure()
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
func (t *transfer) takeInput() (*file.Input, error) {
	in, err := t.openInput()
	if err != nil {
		return nil, err
	}
	if t.upToDate(in) {
		in.Close()
		return nil, nil
	}
	// Where --rm keeps the input anyhow, it has no say.
	if t.Remove && !t.Force && !t.NoSync && t.target != "-" && in.Regular && in.Dir != nil {
		err = in.RefuseRemoval()
	}
	if err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

// tryOut is --dry-run: it checks both ends, starts no command, and waits for nobody.
func (t *transfer) tryOut() error {
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
		dst, err := t.open(in)
		if err != nil {
			return err
		}
		defer dst.Abort()
	}
	if t.check != nil {
		if err := t.check(in); err != nil {
			return err
		}
	}
	ui.Note("%s: would write %s", ui.ShownInput(t.name), t.displayTarget())
	return nil
}

// work does the work, before the eyes of the user, and checks that nobody changed the input
// meanwhile.
func (t *transfer) work(ctx context.Context, do work, j *job) (res result, err error) {
	if !t.many {
		if j.bar, err = t.progress(j.in); err != nil {
			return res, err
		}
		j.src = j.bar.Reader(j.src)
		defer func() { j.bar.Finish(err) }()
	}
	if res, err = do(ctx, j); err != nil {
		return res, err
	}
	return res, j.in.CheckUnchanged()
}

func (t *transfer) openInput() (*file.Input, error) {
	if t.from != nil {
		return child.Open(t.from)
	}
	return file.Open(t.name)
}

func (t *transfer) open(in *file.Input) (destination, error) {
	switch {
	case t.into != nil:
		return destination{sink: t.into}, nil
	case t.to != nil:
		c, err := child.NewConsumer(t.to)
		return destination{sink: c}, err
	}
	inputs := slices.Concat([]file.Guarded{in.Guard()}, t.own, t.log.guard())
	if t.target == "-" {
		out, err := file.Stdout(t.Output == "-" || t.text, inputs...)
		if err != nil {
			return destination{}, err
		}
		return t.withHeader(out, in)
	}
	o := file.Options{
		Force:  t.Force || t.older,
		Perm:   t.perm(&in.Stat),
		NoSync: t.NoSync,
		DryRun: t.DryRun,
		Inputs: inputs,
	}
	if t.mtime && in.Regular {
		o.ModTime = in.ModTime
	}
	if err := t.makeDir(); err != nil {
		return destination{}, err
	}
	out, err := file.Create(t.target, o)
	if err != nil {
		return destination{}, err
	}
	return t.withHeader(out, in)
}

// missingOutputDir is the directory of -O that the output wants made, "" if there is none.
func (t *transfer) missingOutputDir() (string, error) {
	if t.OutputDir == "" || t.to != nil || t.target == "-" {
		return "", nil
	}
	if there, err := file.CheckDir(t.OutputDir); there || err != nil {
		return "", err
	}
	return t.OutputDir, nil
}

// makeDir makes the directory of -O for the output.
func (t *transfer) makeDir() error {
	dir, err := t.missingOutputDir()
	if dir == "" || err != nil {
		return err
	}
	made, err := file.MakeDir(dir, 0o777, !t.NoSync)
	if made {
		t.made = dir
	}
	return err
}

// removeInput is --rm, after the output is committed.
func (t *transfer) removeInput(in *file.Input, dst sink) error {
	if !t.Remove {
		return nil
	}
	if !dst.Durable() || !in.Regular || in.Dir == nil {
		ui.Warn("%s: kept: --rm removes a file only once its output is a file on the disk", ui.ShownInput(t.name))
		return nil
	}
	return in.Remove()
}

// progress starts the progress of one file, as the user asked for it.
func (t *transfer) progress(in *file.Input) (*ui.Progress, error) {
	mode, err := ui.ParseMode(t.Progress)
	if err != nil {
		return nil, err
	}
	total := in.Left
	if total < 0 {
		total = t.sizeHint
	}
	if mode == ui.Auto && ui.IsTerminalFD(in.FD) {
		mode = ui.Never // somebody is typing there
	}
	return ui.NewProgress(mode, in.Name, total, t.Quiet), nil
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

// upToDate is --update for a single file: whether it is left out, since its output is there, by the
// rule for the files of a tree. Where an older output is there, it lets the transfer replace that.
func (t *transfer) upToDate(in *file.Input) bool {
	if !t.Update || t.current == nil || !in.IsWhole() || !t.mtime || t.to != nil || t.target == "-" {
		return false
	}
	if _, ok := file.Descriptor(t.target); ok {
		return false
	}
	parent, base := file.SplitName(t.target)
	dir, err := file.OpenDir(parent)
	if err != nil {
		return false
	}
	defer dir.Close()
	current, replaceable := t.current.compare(dir, base, in)
	t.older = !current && replaceable
	if current && t.Verbose {
		ui.Note("%s: skipped: %s", ui.ShownInput(t.name), skipUnchanged)
	}
	return current
}

// skipUnchanged is why --update leaves out a file.
const skipUnchanged = "unchanged"

// currentRule tells whether out is the output of in, as far as times and sizes tell; replaceable, if
// not, that it is an older one.
type currentRule func(in, out *statedFile) (current, replaceable bool)

// compare asks the rule about what has the output's name in dir. It is neither current nor
// replaceable if it is not there, no regular file, or the input itself: whatever it is comes out
// when the output gets its name.
func (rule currentRule) compare(dir *file.Dir, name string, in *file.Input) (current, replaceable bool) {
	there, err := dir.OpenFile(name, name, false)
	if err != nil {
		return false, false
	}
	defer there.Close()
	if there.ID == in.ID {
		return false, false
	}
	return rule(&statedFile{in, &in.Stat}, &statedFile{there, &there.Stat})
}

// statedFile is an open file and what fstat said of it.
type statedFile struct {
	io.ReaderAt
	*file.Stat
}

// header reads the header of a sealed file, armored or not, and tells whether sizes follow from each
// other. It leaves the file's position alone.
func (f *statedFile) header() (h *format.Header, exact bool, err error) {
	src, armored, err := format.Unarmored(io.NewSectionReader(f, 0, f.Size))
	if err != nil {
		return nil, false, err
	}
	if h, err = format.ReadHeader(src, format.Limits{MaxSlots: format.MaxSlots}); err != nil {
		return nil, false, err
	}
	return h, !armored && h.Compression == format.CompressionNone, nil
}

// tellTime is for -v: how long the work on a file took.
func (j *job) tellTime(how string, start time.Time) {
	ui.Note("%s: %s in %s", ui.ShownInput(j.in.Name), how, ui.Took(start))
}
