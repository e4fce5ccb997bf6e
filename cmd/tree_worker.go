package cmd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// treeWorker is one goroutine with its buffers.
type treeWorker struct {
	*treeRun
	src, dst []byte
	used     int // bytes of src and dst that held data
}

func newTreeWorker(t *treeRun) *treeWorker { return &treeWorker{treeRun: t} }

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
	w.progress.rename(u.dir.show(u.names[0]))
	defer w.flushChecked()
	for _, name := range u.names {
		if w.stopped.Load() || w.ctx.Err() != nil {
			w.untried.Store(true)
			return
		}
		f := &treeFile{run: w.treeRun, dir: u.dir, name: name, named: u.named, start: time.Now()}
		w.tried.Add(1)
		if w.progress.shows() {
			w.progress.rename(f.path())
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
	var r record
	if err := w.work.single(withRecord(w.ctx, &r), name); err != nil {
		w.failure(name, err)
		return
	}
	w.opened(r.keyID)
	w.done.Add(1)
	w.progress.fileDone()
}

// file makes the output of f and hands it on. Until it has, the caller gives f up on an error.
func (w *treeWorker) file(f *treeFile) (err error) {
	if f.target, err = w.work.target(f.name); err != nil {
		return err
	}
	fd, err := w.openFile(f)
	if err != nil {
		return err
	}
	if skip, err := w.checkTarget(f, fd); skip || err != nil {
		unix.Close(fd)
		if skip {
			w.progress.skipFile(f.in.Size)
			w.skip(f.path(), skipUnchanged)
		}
		return err
	}
	if err := w.refuseRemoval(f); err != nil {
		unix.Close(fd)
		return err
	}
	if w.dryRun {
		return w.tryOut(f, fd)
	}
	if f.in.Size > smallFile || !w.work.canWhole() {
		err = w.stream(f, fd)
	} else if err = w.small(f, fd); err == errStream {
		err = w.stream(f, fd)
	} else {
		unix.Close(fd)
	}
	if err != nil {
		return err
	}
	f.took = time.Since(f.start)
	if f.target == "" {
		return w.checked(f)
	}
	if err := f.finishTemp(w.work.perm(os.FileMode(f.in.Mode).Perm())); err != nil {
		return f.outputError(err)
	}
	w.commits.add(f)
	return nil
}

// tryOut is a dry run's work on a file, and closes fd.
func (w *treeWorker) tryOut(f *treeFile, fd int) error {
	in, err := newTreeInput(f, fd)
	if err != nil {
		return err
	}
	defer in.File.Close()
	if err := w.work.check(w.ctx, in); err != nil {
		return err
	}
	note("%s: would write %s", display(f.path()), shown(f.dir.showOut(f.target)))
	w.done.Add(1)
	return nil
}

// small reads the whole file, and writes all of its output at once.
func (w *treeWorker) small(f *treeFile, fd int) error {
	src, err := w.read(f, fd)
	if err != nil {
		return err
	}
	w.reserve(len(src) + sealedRoom)
	ctx := withRecord(w.ctx, &f.record)
	f.record.many = true
	out, err := w.work.whole(ctx, w.dst[:0], src)
	if err != nil {
		return err
	}
	f.sized, w.used = true, max(w.used, len(src), len(out)-sealedRoom)
	if w.log.wantsSum() {
		sealed := out
		if w.work.verb() != verbEncrypt {
			sealed = src
		}
		sum := sha256.Sum256(sealed)
		f.sum = hex.EncodeToString(sum[:])
	}
	if err := w.put(f, out); err != nil {
		return f.outputError(err)
	}
	w.progress.add(int64(len(src)))
	return nil
}

// put writes all of an output, if there is one.
func (w *treeWorker) put(f *treeFile, out []byte) error {
	if err := f.create(w.work.perm(os.FileMode(f.in.Mode).Perm())); err != nil || f.temp == nil {
		return err
	}
	f.size = int64(len(out))
	return writeAll(f.temp.fd, out)
}

// read reads the whole input, and checks that nobody changed it meanwhile.
func (w *treeWorker) read(f *treeFile, fd int) ([]byte, error) {
	if isGeneratedFD(fd, int64(f.in.Blocks)) {
		return nil, errStream // its size tells nothing
	}
	size := int(f.in.Size)
	if len(w.src) < size+1 {
		clear(w.src)
		w.src = make([]byte, min(max(2*size, 64<<10), smallFile)+1)
	}
	n := 0
	for n <= size {
		m, err := unix.Read(fd, w.src[n:size+1])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, inputError(f.path(), err)
		}
		if n += m; m == 0 || n == size {
			break
		}
	}
	if n > size && size == 0 && f.in.Blocks == 0 {
		return nil, errStream // made up while it is read, on a file system that is not known for it
	}
	var now unix.Stat_t
	if err := unix.Fstat(fd, &now); err != nil {
		return nil, inputError(f.path(), err)
	}
	if n != size || now.Size != f.in.Size || now.Mtim != f.in.Mtim {
		return nil, (&input{name: f.path()}).changedError()
	}
	return w.src[:n], nil
}

// reserve makes room for an output of n bytes.
func (w *treeWorker) reserve(n int) {
	if cap(w.dst) < n {
		clear(w.dst[:cap(w.dst)])
		w.dst = make([]byte, 0, min(max(2*n, 128<<10), smallFile+2*sealedRoom))
	}
}

// stream works on a file of any size, and closes fd.
func (w *treeWorker) stream(f *treeFile, fd int) error {
	in, err := newTreeInput(f, fd)
	if err != nil {
		return err
	}
	defer in.File.Close()
	if err := f.create(w.work.perm(os.FileMode(f.in.Mode).Perm())); err != nil {
		return f.outputError(err)
	}
	out := w.streamOutput(f)
	entry := w.log.begin(out, in, in.name, f.target)
	entry.record.many = true
	err = w.streamTo(withRecord(w.ctx, &entry.record), out, in)
	if err == nil {
		err = in.checkUnchanged()
	}
	if err == nil {
		err = entry.measure()
	}
	if err != nil {
		return err
	}
	f.sum, f.record, f.sized = entry.line.SHA256, entry.record, in.regular
	if out == nil {
		return nil
	}
	info, err := f.file.Stat()
	if err != nil {
		return f.outputError(err)
	}
	f.size = info.Size()
	return nil
}

// newTreeInput makes an input of the open file of f. It closes fd on an error.
func newTreeInput(f *treeFile, fd int) (*input, error) {
	in := &input{File: os.NewFile(uintptr(fd), f.path()), name: f.path(), path: f.path()}
	_, err := in.File.Seek(0, io.SeekStart)
	if err != nil {
		err = inputError(in.name, err)
	} else {
		err = in.measure()
	}
	if err != nil {
		in.File.Close()
		return nil, err
	}
	return in, nil
}

// streamOutput is where the stream of f goes, nil if nowhere.
func (w *treeWorker) streamOutput(f *treeFile) *output {
	if f.temp == nil {
		return nil
	}
	f.file = os.NewFile(uintptr(f.temp.fd), f.dir.showOut(f.target))
	return &output{tempFile: f.temp, file: f.file, target: f.file.Name(), outputOptions: outputOptions{noSync: w.noSync}}
}

// streamTo has a big file take all cores, and lets other big ones wait meanwhile.
func (w *treeWorker) streamTo(ctx context.Context, out *output, in *input) error {
	src := w.progress.reader(in)
	if in.size < bigFile {
		return w.work.stream(ctx, struct{ io.Writer }{out}, src, in, false)
	}
	w.bigFiles <- struct{}{}
	defer func() { <-w.bigFiles }()
	return w.work.stream(ctx, out, src, in, true)
}
