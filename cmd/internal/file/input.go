package file

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

// ErrDirectory is why an input is refused that is none.
var ErrDirectory = errors.New("is a directory")

// Input is an opened source: a file, standard input, or what a command writes.
//
// Read and ReadAt name the file in their errors, and make them exit 1. ReadAt may be used by
// several goroutines, Read by one.
type Input struct {
	Name string // as typed, "stdin" for standard input; for messages
	Stat        // from the opened file, not from its name

	Regular bool  // ReadAt works, and Left is what will be read unless somebody changes the file
	Left    int64 // bytes from the position at which it was taken over to the end, -1 if unknown

	// RefuseEmpty makes an input without a single byte a failure.
	RefuseEmpty bool

	fd     int
	Dir    *Dir   // where it was found; nil for standard input, a descriptor and a command
	Base   string // its name there
	follow bool   // the user named it, so that a link is followed
	shared bool   // Dir is somebody else's
	opened bool   // fd is its own

	head   []byte // stands for the first bytes of the file; see Begin
	unread []byte // what of head Read has not given out; the file's position is behind head
	wait   *wait  // before each read of what is not regular
	source Source // what writes to fd, nil for an input that is simply there
	some   bool   // there was a byte
}

// Source is a command whose output is an input.
type Source interface {
	// Start starts it, if it does not run yet. It is called before each read.
	Start() error
	// Result waits for its end, and fails if it failed: no sealed file survives that.
	Result() error
	// Interrupt makes Result return soon.
	Interrupt()
	// Close ends it if it is still running, and closes what it wrote to.
	Close()
}

// Open opens path for reading; "" and "-" are standard input.
//
// A directory, a device and a socket are refused as wrong usage: reading a terminal, a disk or
// /dev/zero by mistake is more likely than on purpose, and who means it can redirect (`envseal
// encrypt - < /dev/sdb`). A named pipe is opened like a file, which waits for its writer.
// /dev/stdin and /dev/fd/N are what they stand for, a terminal too.
func Open(path string) (*Input, error) {
	if path == "" || path == "-" {
		return standardInput(os.Stdin)
	}
	in := &Input{Name: path, follow: true, shared: true}
	if n, ok := Descriptor(path); ok {
		if !isInherited(n) {
			return nil, in.failure(syscall.ENOENT)
		}
		return in.begun(in.open(unix.AT_FDCWD, path))
	}
	parent, base := SplitName(path)
	if base == "" {
		if _, err := StatPath(path, true); err != nil {
			return nil, in.failure(err)
		}
		return nil, DirectoryError(path)
	}
	dir, err := OpenDir(parent)
	if err != nil {
		return nil, in.failure(err)
	}
	in.Dir, in.Base, in.shared = dir, base, false
	return in.begun(in.open(dir.fd(), base))
}

// begun is the input, or after an error none, and what it held is released.
func (in *Input) begun(err error) (*Input, error) {
	if err != nil {
		in.Close()
		return nil, in.failure(err)
	}
	return in, nil
}

// open opens name in the directory with the descriptor dir.
func (in *Input) open(dir int, name string) error {
	// Look before opening: merely opening a device can rewind a tape or arm a watchdog.
	st, err := statAt(dir, name, true)
	if err != nil {
		return err
	}
	if err := st.checkInputType(in.Name); err != nil {
		return err
	}
	err = Retry(func() (err error) {
		in.fd, err = unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return err
	}
	in.opened = true
	return in.measure()
}

// OpenFile opens the regular file name for reading, label in messages. It follows a link only
// with follow, and does not wait for a pipe's writer, should one have come in the file's place. The
// directory stays the caller's, and open for as long as the input is used.
func (d *Dir) OpenFile(name, label string, follow bool) (*Input, error) {
	in := &Input{Name: label, Dir: d, Base: name, follow: follow, shared: true}
	return in.begun(in.openRegular())
}

func (in *Input) openRegular() (err error) {
	flags := unix.O_RDONLY | unix.O_NONBLOCK
	if !in.follow {
		flags |= unix.O_NOFOLLOW
	}
	if in.fd, err = in.Dir.open(in.Base, flags, 0); err != nil {
		return err
	}
	in.opened = true
	if in.Stat, err = statFD(in.fd); err != nil {
		return err
	}
	if !in.IsRegular() {
		return exit.Errorf(exit.Other, "", "%s: is not a regular file any more", ui.Shown(in.Name))
	}
	in.take(0)
	return nil
}

// standardInput is what f, the process's standard input, can tell of itself. Devices are allowed
// here: somebody redirected them.
func standardInput(f *os.File) (*Input, error) {
	in := &Input{Name: "stdin", fd: int(f.Fd())}
	err := in.measure()
	if err == nil && in.Mode.IsDir() {
		err = DirectoryError(in.Name)
	}
	if err == nil && in.maybeClosed(in.fd) {
		ui.Warn("stdin: is closed, or /dev/null: there is nothing to read")
	}
	return in.begun(err)
}

// OpenSource is what s writes to the other end of the pipe r, which s closes.
func OpenSource(name string, r *os.File, s Source) (*Input, error) {
	in := &Input{Name: name, fd: int(r.Fd()), source: s}
	return in, in.measure()
}

// maybeClosed tells whether the standard descriptor fd may have been closed when the process was
// started: Go's runtime then opens /dev/null on it, for reading and writing. So do some programs
// for those they start, which is why this is worth no more than a warning.
func (s *Stat) maybeClosed(fd int) bool {
	null, err := StatPath(os.DevNull, true)
	if err != nil || null.ID != s.ID {
		return false
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_RDWR
}

// measure finds out what was opened.
func (in *Input) measure() error {
	var err error
	if in.Stat, err = statFD(in.fd); err != nil {
		return in.failure(err)
	}
	if in.opened {
		if err := in.checkInputType(in.Name); err != nil {
			return err
		}
	}
	if !in.IsRegular() {
		in.Left = -1
		Widen(in.fd)
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
func (in *Input) take(at int64) {
	if in.blocks == 0 && kindOf(in.fd).generated { // a file with blocks on a disk is the usual case
		in.Left = -1
		return
	}
	in.Regular, in.Left = true, max(in.Size-at, 0)
	if in.Left >= 1<<20 {
		adviseSequential(in.fd)
	}
}

func (s *Stat) checkInputType(path string) error {
	switch {
	case s.Mode.IsDir():
		return DirectoryError(path)
	case s.Mode&fs.ModeSocket != 0:
		return exit.Errorf(exit.Usage, "a socket can be redirected to standard input", "%s: is a socket",
			ui.Shown(path))
	case s.Mode&fs.ModeDevice != 0:
		if _, ok := Descriptor(path); ok {
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

// DirectoryError refuses a directory in the place of a file.
func DirectoryError(name string) error {
	return exit.Errorf(exit.Usage, "", "%s: %w", ui.Shown(name), ErrDirectory)
}

// Close closes the file; standard input stays open. After it, Remove works where the directory is
// somebody else's.
func (in *Input) Close() {
	if in.wait != nil {
		in.wait.close()
	}
	if in.source != nil {
		in.source.Close()
	}
	if in.opened {
		unix.Close(in.fd)
	}
	in.opened, in.fd = false, -1 // the number may soon be another file's
	if !in.shared && in.Dir != nil {
		in.Dir.Close()
		in.Dir = nil
	}
}

// failure is an error of the input for the user, nil for nil.
func (in *Input) failure(err error) error {
	if err == nil || exit.Code(err) != 0 {
		return err
	}
	return InputError(in.Name, err)
}

// InputError is an error of the input name for the user: exit code 1.
func InputError(name string, err error) error {
	return exit.Errorf(exit.Other, "", "%s: %w", ui.Shown(name), exit.Reason(err))
}

// Read implements io.Reader.
func (in *Input) Read(p []byte) (int, error) {
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

func (in *Input) read(p []byte) (n int, err error) {
	if in.source != nil {
		if err := in.source.Start(); err != nil {
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
		again := err == unix.EINTR || err == unix.EAGAIN && in.wait != nil // somebody else was faster
		if !again {
			return max(n, 0), err
		}
	}
}

// judgeEnd is io.EOF where the end of the file is the end of the input, and otherwise an error that
// no sealed file survives.
func (in *Input) judgeEnd() error {
	if in.source != nil {
		if err := in.source.Result(); err != nil {
			return err
		}
	}
	if !in.RefuseEmpty || in.some {
		return io.EOF
	}
	if in.source != nil {
		return exit.Errorf(exit.Producer, "", "%s: the command wrote nothing", in.Name)
	}
	return exit.Errorf(exit.Other, "", "%s: is empty, and --fail-on-empty is given", ui.Shown(in.Name))
}

// Interrupt makes a Read that blocks, and all further ones, fail soon. It may be called by any
// goroutine, before Close.
func (in *Input) Interrupt() {
	if in.wait != nil {
		in.wait.interrupt()
	}
	if in.source != nil {
		in.source.Interrupt()
	}
}

// Begin has what is read from now on begin with head, in the place of as many bytes of the file. It
// is for an input that IsWhole.
func (in *Input) Begin(head []byte) error {
	if _, err := unix.Seek(in.fd, int64(len(head)), io.SeekStart); err != nil {
		return in.failure(err)
	}
	in.head, in.unread = head, head
	return nil
}

// Rewind goes back to where the input began, without the head of Begin. It works for regular files.
func (in *Input) Rewind() error {
	in.head, in.unread = nil, nil
	_, err := unix.Seek(in.fd, in.Offset(), io.SeekStart)
	return in.failure(err)
}

// Offset is where an input begins: not 0 where standard input came with another
// position.
func (in *Input) Offset() int64 {
	if !in.Regular {
		return 0
	}
	return in.Size - in.Left
}

// ErrMadeUp says that the size of a file tells nothing about its contents.
var ErrMadeUp = errors.New("made up while it is read")

// ReadWhole reads a file into buf, which has room for a byte more than its size, and checks that
// nobody changed it meanwhile. Where its size tells nothing it fails with ErrMadeUp.
func (in *Input) ReadWhole(buf []byte) ([]byte, error) {
	if !in.Regular {
		return nil, ErrMadeUp
	}
	size, n := int(in.Size), 0
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
		return nil, ErrMadeUp // on a file system that is not known for it
	}
	now, err := statFD(in.fd)
	if err != nil {
		return nil, in.failure(err)
	}
	if n != size || !now.isSame(&in.Stat) {
		return nil, in.ChangedError()
	}
	return buf[:n], nil
}

// IsWhole tells whether the input is all of a regular file, of which nobody has read the beginning.
func (in *Input) IsWhole() bool { return in.Regular && in.Left == in.Size }

// IsTerminal tells whether somebody types the input.
func (in *Input) IsTerminal() bool { return ui.IsTerminalFD(in.fd) }

// IsNamed tells whether the input was opened by a name, be it that of a descriptor.
func (in *Input) IsNamed() bool { return in.opened }

// Position is where the next read of a regular input begins, behind what begin stands for.
func (in *Input) Position() (int64, error) {
	if in.head != nil {
		return 0, nil
	}
	return unix.Seek(in.fd, 0, io.SeekCurrent)
}

// ReadAt implements io.ReaderAt. Offsets count from the start of the file, not from the position
// standard input came with.
func (in *Input) ReadAt(p []byte, off int64) (int, error) {
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

// CheckUnchanged says whether a regular file is still the one that was opened: same size, same
// modification time, and its name, if there still is one, leads to the same file. To be called when
// all has been read and nothing is committed.
//
// The change time is left out: a backup that hard-links the file or a chmod alters it, and neither
// touches the contents. A name that has gone is no change either, as what was opened was read
// whole; a name that leads to another file is one, as the output would be taken for that file's.
func (in *Input) CheckUnchanged() error {
	if !in.Regular {
		return nil
	}
	now, err := statFD(in.fd)
	if err != nil {
		return in.failure(err)
	}
	same := now.isSame(&in.Stat)
	if same && in.Dir != nil {
		named, err := in.Dir.Look(in.Base, in.follow)
		same = err != nil || named.ID == in.ID
	}
	if !same {
		return in.ChangedError()
	}
	return nil
}

// ChangedError is for an input that somebody wrote to while it was read.
func (in *Input) ChangedError() error {
	return exit.Errorf(exit.Other, "try again once nothing writes to it, or read a snapshot",
		"%s: changed while it was read", ui.Shown(in.Name))
}

// CanRemove tells whether the input is a file with a name that can be removed.
func (in *Input) CanRemove() bool { return in.Regular && in.Dir != nil }

// RefuseRemoval refuses an input that CanRemove whose data would stay behind if its name were
// removed.
func (in *Input) RefuseRemoval() error {
	if in.follow {
		if st, err := in.Dir.Look(in.Base, false); err == nil && st.IsLink() {
			return exit.Errorf(exit.Other, "-f removes the link all the same",
				"%s: is a symbolic link: --rm would leave the file that it leads to",
				ui.Shown(in.Name))
		}
	}
	if in.Links > 1 {
		return exit.Errorf(exit.Other, "-f removes this name all the same",
			"%s: is one of %d hard links: --rm would leave the file under the others",
			ui.Shown(in.Name), in.Links)
	}
	return nil
}

// Remove removes the input, whose output is written. What has its name by now must be what was
// read.
func (in *Input) Remove() error {
	now, err := in.Dir.Look(in.Base, in.follow)
	if err == nil && !now.isSame(&in.Stat) {
		return exit.Errorf(exit.Other, "", "%s: output is written, but the input is kept: "+
			"it was changed meanwhile", ui.Shown(in.Name))
	}
	if err == nil {
		err = in.Dir.Unlink(in.Base)
	}
	if err != nil {
		return exit.Errorf(exit.Other, "",
			"%s: output is written, but the input could not be removed: %w", ui.Shown(in.Name), err)
	}
	return nil
}

// SealedPerm is the mode of a sealed file: that of the input, or where the input is no file, what a
// new file gets.
func SealedPerm(in *Stat) os.FileMode {
	if in.IsRegular() {
		return in.Mode.Perm()
	}
	return 0o666 &^ ReadUmask()
}

// OpenedPerm is the mode of a decrypted file: never more than the owner's read and write, and never
// more than the sealed file's, unless preserve says to take the sealed file's as it is.
func OpenedPerm(in *Stat, preserve bool) os.FileMode {
	switch {
	case !in.IsRegular():
		return 0o600
	case preserve:
		return in.Mode.Perm()
	}
	return in.Mode.Perm() & 0o600
}

// IsThere tells whether something has the name.
func IsThere(name string) bool {
	_, err := StatPath(name, false)
	return err == nil
}

// OutOfSpace tells whether no further file could be written either.
func OutOfSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) ||
		errors.Is(err, syscall.EROFS)
}
