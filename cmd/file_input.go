package cmd

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/ui"
	"golang.org/x/sys/unix"
)

// errDirectory is why an input is refused that is none.
var errDirectory = errors.New("is a directory")

// input is an opened source: a file, standard input, or what a command writes.
//
// Read and ReadAt name the file in their errors, and make them exit 1. ReadAt may be used by several
// goroutines, Read by one.
type input struct {
	name string // as typed, "stdin" for standard input; for messages
	stat        // from the opened file, not from its name

	regular bool  // ReadAt works, and size is what will be read unless somebody changes the file
	left    int64 // bytes from the position at which it was taken over to the end, -1 if unknown

	// refuseEmpty makes an input without a single byte a failure.
	refuseEmpty bool

	fd     int
	dir    *directory // where it was found; nil for standard input, a descriptor and a command
	base   string     // its name there
	follow bool       // the user named it, so that a link is followed
	shared bool       // dir is somebody else's
	opened bool       // fd is its own

	head   []byte // stands for the first bytes of the file; see begin
	unread []byte // what of head Read has not given out; the file's position is behind head
	wait   *wait  // before each read of what is not regular
	source source // what writes to fd, nil for an input that is simply there
	some   bool   // there was a byte
}

// source is a command whose output is an input.
type source interface {
	// start starts it, if it does not run yet. It is called before each read.
	start() error
	// result waits for its end, and fails if it failed: no sealed file survives that.
	result() error
	// interrupt makes result return soon.
	interrupt()
	// close ends it if it is still running, and closes what it wrote to.
	close()
}

// openInput opens path for reading; "" and "-" are standard input.
//
// A directory, a device and a socket are refused as wrong usage: reading a terminal, a disk or
// /dev/zero by mistake is more likely than on purpose, and who means it can redirect (`envseal
// encrypt - < /dev/sdb`). A named pipe is opened like a file, which waits for its writer.
// /dev/stdin and /dev/fd/N are what they stand for, a terminal too.
func openInput(path string) (*input, error) {
	if path == "" || path == "-" {
		return standardInput(os.Stdin)
	}
	in := &input{name: path, follow: true, shared: true}
	if _, ok := descriptorNumber(path); ok {
		return in.open(&directory{}, path, unix.AT_FDCWD)
	}
	parent, base := splitName(path)
	if base == "" {
		st, err := statPath(path, true)
		if err == nil {
			err = st.checkInputType(path)
		}
		return nil, in.failure(err)
	}
	dir, err := openDirectory(parent)
	if err != nil {
		return nil, in.failure(err)
	}
	in.dir, in.base, in.shared = dir, base, false
	return in.open(dir, base, dir.fd())
}

// open opens name in dir, whose descriptor is at.
func (in *input) open(dir *directory, name string, at int) (*input, error) {
	// Look before opening: merely opening a device can rewind a tape or arm a watchdog.
	st, err := statAt(at, name, true)
	if err == nil {
		err = st.checkInputType(in.name)
	}
	if err == nil {
		err = retry(func() (err error) {
			in.fd, err = unix.Openat(at, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			return err
		})
	}
	if err != nil {
		in.closeDirectory()
		return nil, in.failure(err)
	}
	in.opened = true
	if err := in.measure(); err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

// openFile opens the regular file name for reading, label in messages. It follows a link only
// with follow, and does not wait for a pipe's writer, should one have come in the file's place. The
// directory stays the caller's, and open for as long as the input is used.
func (d *directory) openFile(name, label string, follow bool) (*input, error) {
	in := &input{name: label, dir: d, base: name, follow: follow, shared: true}
	flags := unix.O_RDONLY | unix.O_NONBLOCK
	if !follow {
		flags |= unix.O_NOFOLLOW
	}
	var err error
	if in.fd, err = d.open(name, flags, 0); err != nil {
		return nil, in.failure(err)
	}
	in.opened = true
	if in.stat, err = statFD(in.fd); err != nil {
		err = in.failure(err)
	} else if !in.isRegular() {
		err = exit.Errorf(exit.Other, "", "%s: is not a regular file any more", ui.Shown(in.name))
	}
	if err != nil {
		in.Close()
		return nil, err
	}
	in.take(0)
	return in, nil
}

// standardInput is what f, the process's standard input, can tell of itself. Devices are allowed
// here: somebody redirected them.
func standardInput(f *os.File) (*input, error) {
	in := &input{name: "stdin", fd: int(f.Fd())}
	if err := in.measure(); err != nil {
		return nil, err
	}
	if in.mode.IsDir() {
		return nil, directoryError(in.name)
	}
	if in.stat.maybeClosed(in.fd) {
		ui.Warn("stdin: is closed, or /dev/null: there is nothing to read")
	}
	return in, nil
}

// newSourceInput is what s writes to the other end of the pipe r, which s closes.
func newSourceInput(name string, r *os.File, s source) (*input, error) {
	in := &input{name: name, fd: int(r.Fd()), source: s}
	return in, in.measure()
}

// maybeClosed tells whether the standard descriptor fd may have been closed when the process was
// started: Go's runtime then opens /dev/null on it, for reading and writing. So do some programs
// for those they start, which is why this is worth no more than a warning.
func (s *stat) maybeClosed(fd int) bool {
	null, err := statPath(os.DevNull, true)
	if err != nil || null.fileID != s.fileID {
		return false
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_RDWR
}

// measure finds out what was opened.
func (in *input) measure() error {
	var err error
	if in.stat, err = statFD(in.fd); err != nil {
		return in.failure(err)
	}
	if in.opened {
		if err := in.checkInputType(in.name); err != nil {
			return err
		}
	}
	if !in.isRegular() {
		in.left = -1
		widen(in.fd)
		if in.wait, err = newWait(); err != nil {
			return in.failure(err)
		}
		return nil
	}
	at, err := unix.Seek(in.fd, 0, io.SeekCurrent)
	if err != nil {
		return in.failure(err)
	}
	in.take(at)
	return nil
}

// take takes over a regular file at a position. Where its size tells nothing about its contents, as
// in /proc, it is none to this program.
func (in *input) take(at int64) {
	if in.blocks == 0 && kindOf(in.fd).generated { // a file with blocks on a disk is the usual case
		in.left = -1
		return
	}
	in.regular, in.left = true, max(in.size-at, 0)
	if in.left >= 1<<20 {
		adviseSequential(in.fd)
	}
}

func (s *stat) checkInputType(path string) error {
	switch {
	case s.mode.IsDir():
		return directoryError(path)
	case s.mode&fs.ModeSocket != 0:
		return exit.Errorf(exit.Usage, "a socket can be redirected to standard input", "%s: is a socket",
			ui.Shown(path))
	case s.mode&fs.ModeDevice != 0:
		if _, ok := descriptorNumber(path); ok {
			return nil
		}
		return exit.Errorf(exit.Usage, "to read it all the same: "+redirected(os.Args, path),
			"%s: is a device", ui.Shown(path))
	}
	return nil
}

// redirected is the command line args with path as standard input.
func redirected(args []string, path string) string {
	if !slices.Contains(args, path) {
		return "redirect it to standard input"
	}
	words := []string{"envseal"}
	for _, a := range args[min(1, len(args)):] {
		if a == path {
			a = "-"
		}
		words = append(words, ui.ShellWord(a))
	}
	return strings.Join(words, " ") + " < " + ui.ShellWord(path)
}

func directoryError(name string) error {
	return exit.Errorf(exit.Usage, "", "%s: %w", ui.Shown(name), errDirectory)
}

// Close closes the file; standard input stays open. After it, stillThere and remove work where the
// directory is somebody else's.
func (in *input) Close() {
	if in.wait != nil {
		in.wait.close()
	}
	if in.source != nil {
		in.source.close()
	}
	if in.opened {
		unix.Close(in.fd)
	}
	in.opened, in.fd = false, -1
	in.closeDirectory()
}

func (in *input) closeDirectory() {
	if !in.shared && in.dir != nil {
		in.dir.Close()
		in.dir = nil
	}
}

// failure is an error of the input for the user, nil for nil.
func (in *input) failure(err error) error {
	if err == nil || exit.Code(err) != 0 {
		return err
	}
	return inputError(in.name, err)
}

func inputError(name string, err error) error {
	return exit.Errorf(exit.Other, "", "%s: %w", ui.Shown(name), exit.Reason(err))
}

// Read implements io.Reader.
func (in *input) Read(p []byte) (int, error) {
	if len(in.unread) > 0 {
		n := copy(p, in.unread)
		in.unread = in.unread[n:]
		return n, nil
	}
	n, err := in.read(p)
	in.some = in.some || n > 0
	if err == nil && n == 0 && len(p) > 0 {
		return 0, in.judgeEnd()
	}
	return n, in.failure(err)
}

func (in *input) read(p []byte) (n int, err error) {
	if in.source != nil {
		if err := in.source.start(); err != nil {
			return 0, err
		}
	}
	for {
		if in.wait != nil {
			if err := in.wait.forInput(in.fd); err != nil {
				return 0, err
			}
		}
		n, err = unix.Read(in.fd, p)
		if err != unix.EINTR && err != unix.EAGAIN { // somebody else was faster
			return max(n, 0), err
		}
	}
}

// judgeEnd is io.EOF where the end of the file is the end of the input, and otherwise an error that
// no sealed file survives.
func (in *input) judgeEnd() error {
	if in.source != nil {
		if err := in.source.result(); err != nil {
			return err
		}
	}
	if !in.refuseEmpty || in.some {
		return io.EOF
	}
	if in.source != nil {
		return exit.Errorf(exit.Producer, "", "%s: the command wrote nothing", in.name)
	}
	return exit.Errorf(exit.Other, "", "%s: is empty, and --fail-on-empty is given", ui.Shown(in.name))
}

// Interrupt makes a Read that blocks, and all further ones, fail soon. It may be called by any
// goroutine, before Close.
func (in *input) Interrupt() {
	if in.wait != nil {
		in.wait.interrupt()
	}
	if in.source != nil {
		in.source.interrupt()
	}
}

// begin has what is read from now on begin with head, in the place of as many bytes of the file.
func (in *input) begin(head []byte) error {
	if _, err := unix.Seek(in.fd, int64(len(head)), io.SeekStart); err != nil {
		return in.failure(err)
	}
	in.head, in.unread = head, head
	return nil
}

// rewind goes back to where the input began, without the head of begin. It works for regular files.
func (in *input) rewind() error {
	in.head, in.unread = nil, nil
	_, err := unix.Seek(in.fd, in.offset(), io.SeekStart)
	return in.failure(err)
}

// offset is where an input begins: not 0 where standard input came with another
// position.
func (in *input) offset() int64 {
	if !in.regular {
		return 0
	}
	return in.size - in.left
}

// errMadeUp says that the size of a file tells nothing about its contents.
var errMadeUp = errors.New("made up while it is read")

// readWhole reads a file into buf, which has room for a byte more than its size, and checks that
// nobody changed it meanwhile. Where its size tells nothing it fails with errMadeUp.
func (in *input) readWhole(buf []byte) ([]byte, error) {
	if !in.regular {
		return nil, errMadeUp
	}
	size, n := int(in.size), 0
	for n <= size {
		m, err := in.read(buf[n : size+1])
		if err != nil {
			return nil, in.failure(err)
		}
		if n += m; m == 0 || n == size {
			break
		}
	}
	if n > size && size == 0 && in.blocks == 0 {
		return nil, errMadeUp // on a file system that is not known for it
	}
	now, err := statFD(in.fd)
	if err != nil {
		return nil, in.failure(err)
	}
	if n != size || !now.isSame(&in.stat) {
		return nil, in.changedError()
	}
	return buf[:n], nil
}

// isWhole tells whether the input is all of a regular file, of which nobody has read the beginning.
func (in *input) isWhole() bool { return in.regular && in.left == in.size }

// isNamed tells whether the input was opened by a name, be it that of a descriptor.
func (in *input) isNamed() bool { return in.opened }

// position is where the next read of a regular input begins, behind what begin stands for.
func (in *input) position() (int64, error) {
	if in.head != nil {
		return 0, nil
	}
	return unix.Seek(in.fd, 0, io.SeekCurrent)
}

// ReadAt implements io.ReaderAt. Offsets count from the start of the file, not from the position
// standard input came with.
func (in *input) ReadAt(p []byte, off int64) (int, error) {
	n, err := readAt(in.fd, p, off)
	if off >= 0 && off < int64(len(in.head)) {
		copy(p[:n], in.head[off:])
	}
	if err != nil && err != io.EOF {
		err = in.failure(err)
	}
	return n, err
}

// readAt reads all of p at an offset: less only with an error, which is io.EOF at the end.
func readAt(fd int, p []byte, off int64) (n int, err error) {
	for n < len(p) {
		m, err := unix.Pread(fd, p[n:], off+int64(n))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return n, err
		case m == 0:
			return n, io.EOF
		default:
			n += m
		}
	}
	return n, nil
}

// checkUnchanged says whether a regular file is still the one that was opened: same size, same
// modification time, and its name, if there still is one, leads to the same file. To be called when
// all has been read and nothing is committed.
//
// The change time is left out: a backup that hard-links the file or a chmod alters it, and neither
// touches the contents. A name that has gone is no change either, as what was opened was read whole;
// a name that leads to another file is one, as the output would be taken for that file's.
func (in *input) checkUnchanged() error {
	if !in.regular {
		return nil
	}
	now, err := statFD(in.fd)
	if err != nil {
		return in.failure(err)
	}
	same := now.isSame(&in.stat)
	if same && in.dir != nil {
		named, err := in.dir.stat(in.base, in.follow)
		same = err != nil || named.fileID == in.fileID
	}
	if !same {
		return in.changedError()
	}
	return nil
}

func (in *input) changedError() error {
	return exit.Errorf(exit.Other, "try again once nothing writes to it, or read a snapshot",
		"%s: changed while it was read", ui.Shown(in.name))
}

// refuseRemoval refuses an input whose data would stay behind if its name were removed.
func (in *input) refuseRemoval() error {
	if in.follow {
		if st, err := in.dir.stat(in.base, false); err == nil && st.isLink() {
			return exit.Errorf(exit.Other, "-f removes the link all the same",
				"%s: is a symbolic link: --rm would leave the file that it leads to",
				ui.Shown(in.name))
		}
	}
	if in.links > 1 {
		return exit.Errorf(exit.Other, "-f removes this name all the same",
			"%s: is one of %d hard links: --rm would leave the file under the others",
			ui.Shown(in.name), in.links)
	}
	return nil
}

// remove removes the input, whose output is written. What has its name by now must be what was
// read.
func (in *input) remove() error {
	now, err := in.dir.stat(in.base, in.follow)
	if err == nil && !now.isSame(&in.stat) {
		return exit.Errorf(exit.Other, "", "%s: output is written, but the input is kept: "+
			"it was changed meanwhile", ui.Shown(in.name))
	}
	if err == nil {
		err = in.dir.unlink(in.base)
	}
	if err != nil {
		return exit.Errorf(exit.Other, "", "%s: output is written, but the input could not be removed: %w",
			ui.Shown(in.name), err)
	}
	return nil
}

// sealedPerm is the mode of a sealed file: that of the input, or where the input is no file, what a
// new file gets.
func sealedPerm(in *stat) os.FileMode {
	if in.isRegular() {
		return in.mode.Perm()
	}
	return 0o666 &^ umask()
}

// openedPerm is the mode of a decrypted file: never more than the owner's read and write, and never
// more than the sealed file's, unless preserve says to take the sealed file's as it is.
func openedPerm(in *stat, preserve bool) os.FileMode {
	switch {
	case !in.isRegular():
		return 0o600
	case preserve:
		return in.mode.Perm()
	}
	return in.mode.Perm() & 0o600
}

// isThere tells whether something has the name.
func isThere(name string) bool {
	_, err := statPath(name, false)
	return err == nil
}

// exists is fs.ErrExist, however a system words it.
func exists(err error) bool { return errors.Is(err, fs.ErrExist) }

// outOfSpace tells whether no further file could be written either.
func outOfSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) ||
		errors.Is(err, syscall.EROFS)
}
