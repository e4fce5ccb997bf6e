package file

import (
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/proc"
	"github.com/envseal/envseal/cmd/internal/ui"
	"golang.org/x/sys/unix"
)

// Stdout writes to standard output. A terminal is refused unless forceTTY says that it is
// meant; so is a file that is an input. Commit asks the file system for errors it put off, and
// leaves standard output open.
func Stdout(forceTTY bool, inputs ...Guarded) (*Output, error) {
	out := &Output{target: "stdout", fd: -1, Options: Options{Inputs: inputs}}
	if !forceTTY && ui.IsTerminal(os.Stdout) {
		return nil, exit.Errorf(exit.Output,
			"name a file with -o, redirect the output, or force it with -o -",
			"stdout: is a terminal, and the output is binary")
	}
	return out.begun(out.openDescriptor(1))
}

// openDescriptor writes to a descriptor that the process was started with. The file behind it keeps
// its position and mode, whatever it is.
func (o *Output) openDescriptor(n int) error {
	switch n {
	case 1:
		o.file = os.Stdout
	case 2:
		o.file = os.Stderr
	default:
		f, err := Inherited(n, o.target)
		if err != nil {
			return o.Failure(err)
		}
		o.file = f
	}
	o.fd = int(o.file.Fd())
	st, err := statFD(o.fd)
	if err != nil {
		return o.Failure(err)
	}
	if err := o.RefuseGuarded(&st); err != nil {
		return err
	}
	if n == 1 && st.maybeClosed(o.fd) {
		ui.Warn("stdout: is closed, or /dev/null: what is written is lost")
	}
	o.startDirect()
	return nil
}

// isInherited tells whether the process was started with descriptor n. What it opened itself is
// closed when it starts another.
func isInherited(n int) bool {
	flags, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0)
	return err == nil && flags&unix.FD_CLOEXEC == 0
}

// Inherited is a duplicate of a descriptor that the process was started with, which stays open.
func Inherited(n int, name string) (*os.File, error) {
	if !isInherited(n) {
		return nil, syscall.EBADF
	}
	return duplicate(n, name)
}

func duplicate(fd int, name string) (*os.File, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(dup), name), nil
}

// openDirect opens the device or pipe that st was got from. Opening a pipe waits for a reader. A
// dry run leaves it alone.
func (o *Output) openDirect(st *Stat) error {
	if o.DryRun {
		o.Direct = true
		return nil
	}
	f, err := o.dir.openFile(o.base, unix.O_WRONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return o.Failure(err)
	}
	o.fd, o.file = int(f.Fd()), f
	if now, err := statFD(o.fd); err != nil || now.ID != st.ID {
		return exit.Errorf(exit.Output, "", "%s: was replaced while it was opened", ui.Shown(o.target))
	}
	o.startDirect()
	return nil
}

func (o *Output) startDirect() {
	Widen(o.fd)
	o.Direct = true
	o.forget = proc.Track(o)
}

// StdoutText is standard output for text: when its reader has gone the process ends quietly, as
// filters do.
func StdoutText() io.Writer { return stdoutText{} }

type stdoutText struct{}

func (stdoutText) Write(p []byte) (int, error) {
	n, err := os.Stdout.Write(p)
	if err != nil {
		if errors.Is(err, syscall.EPIPE) {
			proc.EndByPipe(os.Stdout)
		}
		err = exit.Errorf(exit.Output, "", "stdout: %w", exit.Reason(err))
	}
	return n, err
}

// Append opens a file that whole lines are added to, and makes it if it is not there. It must be
// none of the guarded ones.
func Append(path string, inputs ...Guarded) (*os.File, error) {
	o := &Output{target: path, Options: Options{Inputs: inputs}}
	if st, err := StatPath(path, true); err == nil {
		if err := o.RefuseGuarded(&st); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}
