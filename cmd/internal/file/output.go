package file

import (
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/proc"
	"github.com/envseal/envseal/cmd/internal/ui"
	"golang.org/x/sys/unix"
)

// Options say how an output appears. The zero value makes a file of mode 0000: set Perm.
type Options struct {
	Force   bool        // replace what is there
	Perm    os.FileMode // mode of the finished file; until then it is 0600
	ModTime time.Time   // modification time of the finished file; the zero time leaves it alone
	NoSync  bool        // leave it to the kernel when it reaches the disk
	// only find out whether it could be made: Abort follows, and a pipe is not waited for
	DryRun bool
	Inputs []Guarded // what the output must not be

	// The rest is for files of a tree, which get their names together.

	Together bool // a signal need not say of each that it was not written
}

// Guarded is a file that no output may be, and none may replace: the input, or one that the command
// needs.
type Guarded struct {
	ID
	Role string // "the input"
}

// Guard is what an output of in must not be.
func (in *Input) Guard() Guarded { return Guarded{in.ID, "the input"} }

// Output is a file being made: nobody sees it before it is published, and then it is there whole.
//
// Until then it has no name where the file system can do that (O_TMPFILE), so that not even SIGKILL
// leaves anything behind; elsewhere it is a file .envseal-*.tmp beside the target, locked while it
// is in use, and the next run in that directory removes those that nobody holds.
//
// It comes about in two steps. Finish and Sync bring it to the disk, whole, with its mode and time,
// and ask for the last errors; Publish gives it its name. Commit does both, and brings the name to
// the disk.
//
// A device, a named pipe, /dev/stdout and /dev/fd/N are written directly: there is nothing to make
// appear.
//
// WriteAt may be used by several goroutines, Write by one; Commit and Abort end the use.
type Output struct {
	Options
	Direct bool      // it is written where it is, and cannot be taken back
	Sum    hash.Hash // of what is written by Write; nil if nobody wants it
	target string    // as typed, for messages
	wrote  bool      // something, directly

	dir    *Dir        // nil for a descriptor
	shared bool        // dir is somebody else's
	base   string      // the name in dir that it is going to have
	temp   string      // the name it has meanwhile, "" for none; guarded by proc.UnlessEnding
	mode   os.FileMode // it has meanwhile
	fd     int         // -1 for none
	file   *os.File    // owns fd, where package os is needed
	forget func()      // for proc.Track; nil if it is not tracked
	ended  bool
}

// Create starts the file target. It refuses, with exit code 8, a target that exists (unless
// force), that is a symbolic link (unless force, which replaces the link and not what it leads to),
// that is a directory or a socket, a disk (unless force), and with or without force one that is the
// same file as an input, by whatever name.
func Create(target string, o Options) (*Output, error) {
	out := &Output{Options: o, target: target, fd: -1}
	if n, ok := Descriptor(target); ok {
		return out.begun(out.openDescriptor(n))
	}
	parent, base := SplitName(target)
	if base == "" {
		if st, err := StatPath(target, true); target != "" && err == nil && st.Mode.IsDir() {
			return nil, out.refuse(&st, &st)
		}
		return nil, exit.Errorf(exit.Output, "-o takes the name of a file",
			"%s: is not the name of a file", ui.Shown(target))
	}
	var err error
	switch out.dir, err = OpenDir(parent); {
	case errors.Is(err, fs.ErrPermission): // to come there at all
		return nil, out.Failure(err)
	case err != nil:
		return nil, out.parentError(parent, err)
	}
	out.base = base
	return out.begun(out.look())
}

// Create is the same for the file base in d, target in messages. The directory stays the
// caller's, and open until the output has ended.
func (d *Dir) Create(base, target string, o Options) (*Output, error) {
	out := d.NewOutput(base, target, o)
	return out.begun(out.look())
}

// begun is the output, or after an error none, and what it held is released.
func (o *Output) begun(err error) (*Output, error) {
	if err != nil {
		o.end()
		return nil, err
	}
	return o, nil
}

// look looks at what has the name, and makes the temp file or opens what is written directly.
func (o *Output) look() error {
	there, err := o.dir.Look(o.base, false)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return o.Failure(err)
	default:
		behind := there
		if there.IsLink() {
			if st, err := o.dir.Look(o.base, true); err == nil {
				behind = st
			}
		}
		if err := o.refuse(&there, &behind); err != nil {
			return err
		}
		if there.IsDirect() {
			return o.openDirect(&there)
		}
	}
	o.dir.Sweep()
	if err := o.Start(); err != nil {
		return o.parentError(o.dir.Name(), err)
	}
	return nil
}

// NewOutput is an output that is not made before Start: the file base, target in messages. The
// directory stays the caller's, and open until the output has ended. What has the name is looked at
// by CheckName, or by Publish.
func (d *Dir) NewOutput(base, target string, o Options) *Output {
	return &Output{Options: o, dir: d, base: base, target: target, shared: true, fd: -1}
}

// Start makes the temp file.
func (o *Output) Start() error {
	return proc.UnlessEnding(func() error {
		if err := o.makeTemp(); err != nil {
			return err
		}
		if o.forget == nil && (!o.Together || o.temp != "") {
			o.forget = proc.Track(o)
		}
		return nil
	})
}

// refuse decides whether what is there may be replaced or written to. behind is the same, or what
// it leads to where it is a link.
func (o *Output) refuse(there, behind *Stat) error {
	name := ui.Shown(o.target)
	if err := o.RefuseGuarded(there, behind); err != nil {
		return err
	}
	switch {
	case there.Mode.IsDir():
		hint := "-o takes the name of a file"
		if o.Together {
			hint = ""
		}
		return exit.Errorf(exit.Output, hint, "%s: is a directory", name)
	case there.Mode&fs.ModeSocket != 0 && !o.Together:
		return exit.Errorf(exit.Output, "", "%s: is a socket", name)
	case o.Force:
		return nil
	case there.IsLink():
		return exit.Errorf(exit.Output, "-f replaces the link, and leaves alone what it leads to",
			"%s: is a symbolic link", name)
	case o.Together || there.IsRegular():
		return ExistsError(o.target)
	case there.Mode&fs.ModeDevice != 0 && !there.isCharDevice():
		return exit.Errorf(exit.Output, "-f overwrites what is on it", "%s: is a disk", name)
	}
	return nil
}

// ExistsError refuses to replace what has the name.
func ExistsError(name string) error {
	return exit.Errorf(exit.Output, "-f replaces it", "%s: exists already", ui.Shown(name))
}

// RefuseGuarded refuses to write what is being read or needed. Character devices are exempt: a
// terminal or /dev/null is both at once.
func (o *Output) RefuseGuarded(files ...*Stat) error {
	hint := "give the output another name with -o"
	if o.Together {
		hint = "give the output another place with -O"
	}
	for _, file := range files {
		if file.isCharDevice() {
			continue
		}
		for _, in := range o.Inputs {
			if in.ID == file.ID {
				return exit.Errorf(exit.Output, hint, "%s: is %s as well", ui.Shown(o.target), in.Role)
			}
		}
	}
	return nil
}

// CheckName looks at what has the output's name, before any work is done for nothing. nil means
// that nothing is there that could not be replaced.
func (o *Output) CheckName() error {
	if o.Force {
		return nil
	}
	there, err := o.dir.Look(o.base, false)
	if err != nil {
		return nil // not there, or whatever it is comes out when the output gets its name
	}
	return o.refuse(&there, &there)
}

// parentError explains why nothing can be made in the directory parent.
func (o *Output) parentError(parent string, err error) error {
	name := ui.Shown(filepath.Clean(parent))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return exit.Errorf(exit.Output, "mkdir -p "+name, "%s: there is no directory %s",
			ui.Shown(o.target), name)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return exit.Errorf(exit.Output, "choose another place with -o",
			"%s: cannot write to directory %s: %w", ui.Shown(o.target), name, exit.Reason(err))
	}
	return o.Failure(err)
}

// Failure is an error of the output for the user: exit code 8, named, and with what can be done
// about it.
func (o *Output) Failure(err error) error {
	if exit.Code(err) != 0 {
		return err
	}
	hint := ""
	switch {
	case errors.Is(err, fs.ErrExist):
		return ExistsError(o.target)
	case errors.Is(err, syscall.ENOSPC):
		hint = "make room, or choose another place with -o"
	case errors.Is(err, syscall.EDQUOT):
		hint = "the quota is used up; choose another place with -o"
	case errors.Is(err, syscall.ENAMETOOLONG):
		hint = "give the output a shorter name with -o FILE"
	case errors.Is(err, syscall.EFBIG):
		hint = "larger than the file system or the limit of ulimit -f allows"
	}
	return exit.Errorf(exit.Output, hint, "%s: %w", ui.Shown(o.target), exit.Reason(err))
}

// Discard removes the name of the temp file. It is called within proc.UnlessEnding, or by a signal.
func (o *Output) Discard() {
	if o.temp != "" {
		_ = o.dir.Unlink(o.temp)
		o.temp = ""
	}
}

// Lost is for the message of a signal.
func (o *Output) Lost() string {
	if o.Direct {
		return "what was written to " + ui.Shown(o.target) + " is not whole"
	}
	return ui.Shown(o.target) + " was not written"
}

// Write implements io.Writer. Where the output is a pipe that nobody reads any more, the process
// ends as SIGPIPE would have it.
func (o *Output) Write(p []byte) (n int, err error) {
	if o.Direct {
		n, err = o.file.Write(p)
		o.wrote = o.wrote || n > 0
	} else {
		n, err = o.writeAll(p, func(p []byte, _ int) (int, error) { return unix.Write(o.fd, p) })
	}
	if o.Sum != nil {
		o.Sum.Write(p[:n])
	}
	if err != nil {
		if o.Direct && errors.Is(err, syscall.EPIPE) {
			proc.EndByPipe(o.file)
		}
		err = o.Failure(err)
	}
	return n, err
}

// WriteAt implements io.WriterAt for regular files. That of standard output may be among them: see
// Position.
func (o *Output) WriteAt(p []byte, off int64) (int, error) {
	n, err := o.writeAll(p, func(p []byte, done int) (int, error) {
		return unix.Pwrite(o.fd, p, off+int64(done))
	})
	if err != nil {
		return n, o.Failure(err)
	}
	if o.mustSync() {
		startWriteback(o.fd, off, int64(n))
	}
	return n, nil
}

// writeAll has write called until all of p is written.
func (o *Output) writeAll(p []byte,
	write func(p []byte, done int) (int, error)) (n int, err error) {
	for n < len(p) {
		m, err := write(p[n:], n)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return n, err
		case m == 0:
			return n, io.ErrShortWrite
		}
		n += m
	}
	return n, nil
}

// Released tells whether anything has left the process that cannot be taken back.
func (o *Output) Released() bool { return o.wrote }

// Reserve finds room for size bytes, so that a full disk shows now and the file lies in one piece.
func (o *Output) Reserve(size int64) error {
	if o.Direct || size <= 0 {
		return nil
	}
	if err := reserve(o.fd, size); err != nil {
		return o.Failure(err)
	}
	return nil
}

// Position is where the output begins in its file, which is regular and takes writes where it is
// told to. One opened for appending does not.
func (o *Output) Position() (base int64, ok bool) {
	if !o.Direct {
		return 0, true
	}
	if o.file != os.Stdout || appends(o.fd) {
		return 0, false
	}
	st, err := statFD(o.fd)
	if err != nil || !st.IsRegular() {
		return 0, false
	}
	base, err = unix.Seek(o.fd, 0, io.SeekCurrent)
	return base, err == nil
}

// MoveTo leaves the position of standard output behind what was written at offsets, where whoever
// writes next goes on.
func (o *Output) MoveTo(position int64) error {
	if !o.Direct {
		return nil
	}
	if _, err := unix.Seek(o.fd, position, io.SeekStart); err != nil {
		return o.Failure(err)
	}
	return nil
}

// Size is how much was written to a file.
func (o *Output) Size() (int64, error) {
	st, err := statFD(o.fd)
	if err != nil {
		return 0, o.Failure(err)
	}
	return st.Size, nil
}

// ReadAt implements io.ReaderAt for what was written to a file.
func (o *Output) ReadAt(p []byte, off int64) (int, error) {
	n, err := readAt(o.fd, p, off)
	if err != nil && err != io.EOF {
		err = o.Failure(err)
	}
	return n, err
}

// CopyAttributes gives the output the extended attributes of from. Access lists are among them:
// without one, the mode says more to the file's group than it did, so that one which cannot be
// copied is an error. Others may be the system's own affair, and are left behind where they cannot
// be set.
func (o *Output) CopyAttributes(from *os.File) error { return copyAttributes(o.fd, int(from.Fd())) }

// AsFile is the open file, for what package os can do better. The output keeps owning it.
func (o *Output) AsFile() *os.File {
	if o.file == nil {
		o.file = os.NewFile(uintptr(o.fd), o.target)
	}
	return o.file
}
