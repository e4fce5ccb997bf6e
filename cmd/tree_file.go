package cmd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// smallFile is up to which size a file is read whole into one buffer, and worked on without any further goroutine.
	smallFile = 1 << 20
	// bigFile is from which size a file gets all cores, while other big files wait.
	bigFile = 8 << 20
	// sealedRoom is what a small sealed file may have beyond its contents, as far as buffers are made in advance.
	sealedRoom = 64 << 10
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
	for _, name := range u.names {
		if w.stopped.Load() || w.ctx.Err() != nil {
			return
		}
		f := &treeFile{dir: u.dir, name: name, named: u.named, start: time.Now()}
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
	if err := w.work.single(w.ctx, name); err != nil {
		w.failure(name, err)
		return
	}
	w.done.Add(1)
}

// treeFile is a file of the run on its way.
type treeFile struct {
	dir    *folder
	name   string // of the input in dir
	named  bool   // by the user, so that a link is followed
	target string // of the output in dir
	start  time.Time
	took   time.Duration
	in     unix.Stat_t
	force  bool // replaces what is there
	temp   *tempFile
	file   *os.File // temp, where it was written as a stream
	listed *output  // temp as one that a signal must remove, if it has a name
	size   int64    // of the output
	sum    string
	record record
}

func (f *treeFile) path() string { return f.dir.show(f.name) }

// giveUp closes and removes what was made of an output.
func (f *treeFile) giveUp() {
	if f.temp == nil {
		return
	}
	live.ending.RLock()
	f.temp.removeTemp()
	live.ending.RUnlock()
	f.drop()
}

// drop closes the output, which has its name or is given up.
func (f *treeFile) drop() {
	if f.listed != nil {
		live.dropOutput(f.listed)
	}
	if f.file != nil {
		f.file.Close()
	} else {
		unix.Close(f.temp.fd)
	}
	f.temp, f.listed, f.file = nil, nil, nil
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
	if w.dryRun {
		unix.Close(fd)
		note("%s: would write %s", display(f.path()), shown(f.dir.showOut(f.target)))
		w.done.Add(1)
		return nil
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
	if err := f.finishTemp(w.work.perm(os.FileMode(f.in.Mode).Perm())); err != nil {
		return f.outputError(err)
	}
	f.took = time.Since(f.start)
	w.commits.add(f)
	return nil
}

// openFile opens the input without following a link, unless the user named it. It does not wait for a pipe's writer, should one have come in the file's place.
func (w *treeWorker) openFile(f *treeFile) (fd int, err error) {
	flags := unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	if !f.named {
		flags |= unix.O_NOFOLLOW
	}
	err = retry(func() (err error) {
		fd, err = unix.Openat(int(f.dir.in.Fd()), f.name, flags, 0)
		return err
	})
	if err != nil {
		return -1, inputError(f.path(), err)
	}
	if err := unix.Fstat(fd, &f.in); err != nil {
		unix.Close(fd)
		return -1, inputError(f.path(), err)
	}
	if f.in.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return -1, fail(exitOther, "", "%s: is not a regular file any more", shown(f.path()))
	}
	return fd, nil
}

// checkTarget looks at what has the output's name already, before any work is done for nothing. skip tells that it is the output.
func (w *treeWorker) checkTarget(f *treeFile, fd int) (skip bool, err error) {
	f.force = w.force
	if f.dir.fresh || f.dir.out == nil || w.force && !w.update {
		return false, nil
	}
	var there unix.Stat_t
	if err := unix.Fstatat(int(f.dir.out.Fd()), f.target, &there, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, nil // not there, or whatever it is comes out when the output gets its name
	}
	if w.update && there.Mode&unix.S_IFMT == unix.S_IFREG {
		current, replaceable := w.compare(f, fd, &there)
		if current {
			return true, nil
		}
		f.force = f.force || replaceable
	}
	if f.force {
		return false, nil
	}
	return false, f.existsError(&there)
}

// compare asks whether what is there is the output of f.
func (w *treeWorker) compare(f *treeFile, fd int, there *unix.Stat_t) (current, replaceable bool) {
	if there.Ino == f.in.Ino && there.Dev == f.in.Dev {
		return false, false
	}
	out := -1
	err := retry(func() (err error) {
		out, err = unix.Openat(int(f.dir.out.Fd()), f.target, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return false, false
	}
	defer unix.Close(out)
	return w.work.current(&statedFile{fd, &f.in}, &statedFile{out, there})
}

// existsError says why the output's name cannot be had.
func (f *treeFile) existsError(there *unix.Stat_t) error {
	name := shown(f.dir.showOut(f.target))
	switch {
	case there.Ino == f.in.Ino && there.Dev == f.in.Dev:
		return fail(exitOutput, "give the output another place with -O", "%s: is the input as well", name)
	case there.Mode&unix.S_IFMT == unix.S_IFDIR:
		return fail(exitOutput, "", "%s: is a directory", name)
	case there.Mode&unix.S_IFMT == unix.S_IFLNK:
		return fail(exitOutput, "-f replaces the link, and leaves alone what it leads to", "%s: is a symbolic link", name)
	}
	return existsError(name)
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
	w.used = max(w.used, len(src), len(out)-sealedRoom)
	if w.log.wantsSum() {
		sealed := out
		if w.work.verb() != verbEncrypt {
			sealed = src
		}
		sum := sha256.Sum256(sealed)
		f.sum = hex.EncodeToString(sum[:])
	}
	if err := f.create(w.work.perm(os.FileMode(f.in.Mode).Perm())); err != nil {
		return f.outputError(err)
	}
	if err := writeAll(f.temp.fd, out); err != nil {
		return f.outputError(err)
	}
	f.size = int64(len(out))
	w.progress.add(int64(len(src)))
	return nil
}

// read reads the whole input, and checks that nobody changed it meanwhile.
func (w *treeWorker) read(f *treeFile, fd int) ([]byte, error) {
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
		return nil, errStream // made up while it is read, as in /proc: its size tells nothing
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
	in := &input{File: os.NewFile(uintptr(fd), f.path()), name: f.path(), path: f.path()}
	defer in.File.Close()
	if _, err := in.File.Seek(0, io.SeekStart); err != nil {
		return inputError(in.name, err)
	}
	if err := in.measure(); err != nil {
		return err
	}
	if err := f.create(w.work.perm(os.FileMode(f.in.Mode).Perm())); err != nil {
		return f.outputError(err)
	}
	f.file = os.NewFile(uintptr(f.temp.fd), f.dir.showOut(f.target))
	out := &output{tempFile: f.temp, file: f.file, target: f.file.Name(), outputOptions: outputOptions{noSync: w.noSync}}
	entry := w.log.begin(out, in, in.name, out.target)
	entry.record.many = true
	err := w.streamTo(withRecord(w.ctx, &entry.record), out, in)
	if err == nil {
		err = in.checkUnchanged()
	}
	if err == nil {
		err = entry.measure()
	}
	if err != nil {
		return err
	}
	info, err := f.file.Stat()
	if err != nil {
		return f.outputError(err)
	}
	f.size, f.sum, f.record = info.Size(), entry.line.SHA256, entry.record
	return nil
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

// create makes the temp file.
func (f *treeFile) create(perm os.FileMode) (err error) {
	if f.temp != nil {
		return nil
	}
	live.ending.RLock()
	defer live.ending.RUnlock()
	f.temp, err = createTemp(int(f.dir.out.Fd()), f.target, perm)
	if err == nil && f.temp.temp != "" {
		f.listed = &output{tempFile: f.temp, target: f.dir.showOut(f.target)}
		live.addOutput(f.listed)
	}
	return err
}

// finishTemp gives the temp file its mode and time.
func (f *treeFile) finishTemp(perm os.FileMode) error {
	if f.temp.temp != "" || perm&ownUmask() != 0 {
		if err := unix.Fchmod(f.temp.fd, uint32(perm)); err != nil {
			return err
		}
	}
	return setModTime(f.temp.fd, time.Unix(f.in.Mtim.Unix()))
}

// outputError is an error of the output for the user.
func (f *treeFile) outputError(err error) error {
	if errors.Is(err, fs.ErrExist) {
		var there unix.Stat_t
		if unix.Fstatat(int(f.dir.out.Fd()), f.target, &there, unix.AT_SYMLINK_NOFOLLOW) == nil {
			return f.existsError(&there)
		}
	}
	return (&output{target: f.dir.showOut(f.target)}).failure(err)
}

func writeAll(fd int, p []byte) error {
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrShortWrite
		}
		p = p[n:]
	}
	return nil
}

// ownUmask is the process's umask, which nobody changes.
var ownUmask = sync.OnceValue(umask)
