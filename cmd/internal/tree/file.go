package tree

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"time"

	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/transfer"
	"github.com/envseal/envseal/cmd/internal/ui"
)

const (
	// smallFile is up to which size a file is read whole into one buffer, and worked on without any
	// further goroutine.
	smallFile = 1 << 20
	// bigFile is from which size a file gets all cores, while other big files wait.
	bigFile = 8 << 20
	// sealedRoom is what a small sealed file may have beyond its contents, as far as buffers are made
	// in advance.
	sealedRoom = 64 << 10
)

// treeFile is a file of the run on its way.
type treeFile struct {
	dir    *folder
	name   string // of the input in dir
	named  bool   // by the user, so that a link is followed
	target string // of the output in dir, "" if there is none
	start  time.Time
	took   time.Duration
	in     *file.Input
	out    *file.Output // nil if nothing is written
	size   int64        // of the output
	sum    string
	transfer.Result
}

func (f *treeFile) path() string { return f.dir.show(f.name) }

func (f *treeFile) outPath() string { return f.dir.showOut(f.target) }

// giveUp closes and removes what was made of an output.
func (f *treeFile) giveUp() {
	if f.out != nil {
		f.out.Abort()
		f.out = nil
	}
}

// story is what -v tells of a file.
func (f *treeFile) story() string {
	how := "sealed for "
	if f.KeyID != "" {
		how = "opened with "
	}
	if f.target != "" {
		how = ui.Shown(f.outPath()) + " " + how
	}
	return how + strings.Join(f.KeyIDs(), ", ") + " in " + f.took.Round(time.Microsecond).String()
}

// treeWorker is one goroutine with its buffers.
type treeWorker struct {
	*treeRun
	src, dst []byte
	used     int // bytes of src and dst that held data
}

// wipe clears what the last files left.
func (w *treeWorker) wipe() {
	clear(w.src[:min(w.used, len(w.src))])
	clear(w.dst[:min(w.used+sealedRoom, cap(w.dst))])
}

// unit works on some files of a directory.
func (w *treeWorker) unit(u *unit) {
	if u.special != "" {
		w.special(u.special)
		return
	}
	defer u.dir.leave()
	w.progress.Rename(u.dir.show(u.names[0]))
	if w.reads {
		defer w.log.Flushed() // what was verified waits for nothing more
	}
	for _, name := range u.names {
		if w.stopped.Load() || w.ctx.Err() != nil {
			w.untried.Store(true)
			return
		}
		f := &treeFile{dir: u.dir, name: name, named: u.named, start: time.Now()}
		w.tried.Add(1)
		if w.progress.Shows() {
			w.progress.Rename(f.path())
		}
		if err := w.file(f); err != nil {
			f.giveUp()
			w.failure(f.path(), err)
		}
	}
}

// special is something else than a regular file, such as a named pipe, which the user named.
func (w *treeWorker) special(name string) {
	w.tried.Add(1)
	r, err := w.work.Single(w.ctx, name, w.log)
	if err != nil {
		w.failure(name, err)
		return
	}
	w.opened(r.KeyID)
	w.done.Add(1)
	w.progress.FileDone()
}

// file makes the output of f and hands it on. Until it has, the caller gives f up on an error.
func (w *treeWorker) file(f *treeFile) (err error) {
	if f.target, err = w.work.Target(f.name); err != nil {
		return err
	}
	if f.in, err = f.dir.in.OpenFile(f.name, f.path(), f.named); err != nil {
		return err
	}
	defer f.in.Close()
	if skip, err := w.prepare(f); skip || err != nil {
		if skip {
			w.progress.SkipFile(f.in.Size)
			w.skip(f.path(), transfer.SkipUnchanged)
		}
		return err
	}
	if w.Remove && !w.Force {
		if err := f.in.RefuseRemoval(); err != nil {
			return err
		}
	}
	if w.DryRun {
		return w.tryOut(f)
	}
	err = ErrStream
	if f.in.Size <= smallFile && w.work.CanWhole() {
		err = w.small(f)
	}
	if err == ErrStream {
		err = w.stream(f)
	}
	if err != nil {
		return err
	}
	f.took = time.Since(f.start)
	if f.out == nil {
		return w.checked(f)
	}
	if err := f.out.Finish(); err != nil {
		return f.out.Failure(err)
	}
	w.commits.add(f)
	return nil
}

// prepare says what the output will be, and looks at what has its name already. skip tells that it
// is the output.
func (w *treeWorker) prepare(f *treeFile) (skip bool, err error) {
	if f.target == "" || f.dir.out == nil {
		return false, nil
	}
	o := file.Options{
		Force: w.Force, Perm: w.work.Perm(&f.in.Stat), ModTime: f.in.ModTime, NoSync: w.NoSync,
		Inputs: append(w.own[:len(w.own):len(w.own)], f.in.Guard()), Together: true,
	}
	if w.Update && !f.dir.fresh {
		current, replaceable := transfer.Rule(w.work.Current).Compare(f.dir.out, f.target, f.in)
		if current {
			return true, nil
		}
		o.Force = o.Force || replaceable
	}
	f.out = f.dir.out.NewOutput(f.target, f.outPath(), o)
	if f.dir.fresh {
		return false, nil
	}
	return false, f.out.CheckName()
}

// tryOut is a dry run's work on a file.
func (w *treeWorker) tryOut(f *treeFile) error {
	if err := w.work.Check(f.in); err != nil {
		return err
	}
	ui.Note("%s: would write %s", ui.ShownInput(f.path()), ui.Shown(f.outPath()))
	w.done.Add(1)
	return nil
}

// small reads the whole file, and writes all of its output at once.
func (w *treeWorker) small(f *treeFile) error {
	src, err := w.read(f)
	if err != nil {
		return err
	}
	w.reserve(len(src) + sealedRoom)
	out, r, err := w.work.Whole(w.ctx, w.dst[:0], src)
	if err != nil {
		return err
	}
	f.Result, w.used = r, max(w.used, len(src), len(out)-sealedRoom)
	if w.log.WantsSum() {
		sealed := out
		if w.work.Verb() != flags.Encrypt {
			sealed = src
		}
		sum := sha256.Sum256(sealed)
		f.sum = hex.EncodeToString(sum[:])
	}
	if f.out != nil {
		if err := f.out.Start(); err != nil {
			return f.out.Failure(err)
		}
		if _, err := f.out.Write(out); err != nil {
			return err
		}
	}
	f.size = int64(len(out))
	w.progress.Add(int64(len(src)))
	return nil
}

// read reads the whole input.
func (w *treeWorker) read(f *treeFile) ([]byte, error) {
	size := int(f.in.Size)
	if len(w.src) < size+1 {
		clear(w.src)
		w.src = make([]byte, min(max(2*size, 64<<10), smallFile)+1)
	}
	src, err := f.in.ReadWhole(w.src)
	if err == file.ErrMadeUp {
		return nil, ErrStream
	}
	return src, err
}

// reserve makes room for an output of n bytes.
func (w *treeWorker) reserve(n int) {
	if cap(w.dst) < n {
		clear(w.dst[:cap(w.dst)])
		w.dst = make([]byte, 0, min(max(2*n, 128<<10), smallFile+2*sealedRoom))
	}
}

// stream works on a file of any size.
func (w *treeWorker) stream(f *treeFile) (err error) {
	if err := f.in.Rewind(); err != nil {
		return err
	}
	j := &transfer.Job{In: f.in, OneOfMany: true, Bar: w.progress, Alone: f.in.Left >= bigFile}
	if f.out != nil {
		if err := f.out.Start(); err != nil {
			return f.out.Failure(err)
		}
		j.Dst = transfer.Destination{Sink: f.out, File: f.out}
	}
	entry := w.log.Begin(f.out, f.in, f.in.Name, f.target)
	j.Src, j.Plain = entry.Reader(f.in)
	j.Src = w.progress.Reader(j.Src)
	if f.Result, err = w.streamed(j); err == nil {
		err = f.in.CheckUnchanged()
	}
	if err == nil {
		err = entry.Measure()
	}
	if err != nil {
		return err
	}
	f.sum = entry.Line.SHA256
	if f.out != nil {
		f.size, err = f.out.Size()
	}
	return err
}

// streamed has a big file take all cores, and lets other big ones wait meanwhile.
func (w *treeWorker) streamed(j *transfer.Job) (transfer.Result, error) {
	if j.Alone {
		w.bigFiles <- struct{}{}
		defer func() { <-w.bigFiles }()
	}
	return w.work.Stream(w.ctx, j)
}

// checked tells of a file that is authentic.
func (w *treeWorker) checked(f *treeFile) error {
	if !w.Quiet {
		if err := SayOK(f.path()); err != nil {
			return err
		}
	}
	w.finished(f)
	return nil
}

// Work is what a command does to each file.
type Work interface {
	// Verb is the command's name.
	Verb() string
	// Target is the name of the output of a file of this name, "" for a command that writes nothing.
	Target(name string) (string, error)
	// Skips tells why a file in a tree is no input, "" if it is one. beside says that the outputs go
	// beside the inputs.
	Skips(name string, beside bool) string
	// Check is what a dry run can find out about an input without asking a key service.
	Check(in *file.Input) error
	// Perm is the mode of the output of in, DirPerm that of a directory for one of this mode.
	Perm(in *file.Stat) os.FileMode
	DirPerm(mode os.FileMode) os.FileMode
	// CanWhole tells whether small files may go to whole.
	CanWhole() bool
	// Whole appends to dst the output of a file whose contents are src. ErrStream sends the file to
	// stream.
	Whole(ctx context.Context, dst, src []byte) ([]byte, transfer.Result, error)
	// Stream does the same for a file of any size.
	Stream(ctx context.Context, j *transfer.Job) (transfer.Result, error)
	// Single does all for one file by itself, which need not be a regular one.
	Single(ctx context.Context, name string, log *transfer.Log) (transfer.Result, error)
	// Current tells whether out is the output of in, as far as times and sizes tell; replaceable, if
	// not, that it is an older one.
	Current(in, out *file.Input) (current, replaceable bool)
	// Fatal tells whether all further files would fail by err too.
	Fatal(err error) bool
}
