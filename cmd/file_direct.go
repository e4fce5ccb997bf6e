package cmd

import (
	"errors"
	"os"
	"syscall"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/proc"
	"github.com/envseal/envseal/cmd/internal/ui"
	"golang.org/x/sys/unix"
)

// stdoutOutput writes to standard output. A terminal is refused unless forceTTY says that it is
// meant; so is a file that is an input. Commit asks the file system for errors it put off, and
// leaves standard output open.
func stdoutOutput(forceTTY bool, inputs ...guarded) (*output, error) {
	out := &output{target: "stdout", fd: -1, outputOptions: outputOptions{inputs: inputs}}
	if !forceTTY && ui.IsTerminal(os.Stdout) {
		return nil, exit.Errorf(exit.Output,
			"name a file with -o, redirect the output, or force it with -o -",
			"stdout: is a terminal, and the output is binary")
	}
	return out.openDescriptor(1)
}

// openDescriptor writes to a descriptor that the process was started with. The file behind it keeps
// its position and mode, whatever it is.
func (o *output) openDescriptor(n int) (*output, error) {
	switch n {
	case 1:
		o.file = os.Stdout
	case 2:
		o.file = os.Stderr
	default:
		f, err := inheritedFile(n, o.target)
		if err != nil {
			return nil, o.failure(err)
		}
		o.file = f
	}
	o.fd = int(o.file.Fd())
	st, err := statFD(o.fd)
	if err != nil {
		return nil, o.failure(err)
	}
	if err := o.refuseGuarded(&st); err != nil {
		return nil, err
	}
	if n == 1 && st.maybeClosed(o.fd) {
		ui.Warn("stdout: is closed, or /dev/null: what is written is lost")
	}
	o.startDirect()
	return o, nil
}

// inheritedFile is a descriptor that the process was started with.
func inheritedFile(n int, name string) (*os.File, error) {
	fd, err := unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// openDirect opens the device or pipe that st was got from. Opening a pipe waits for a reader. A
// dry run leaves it alone.
func (o *output) openDirect(st *stat) error {
	if o.dryRun {
		o.direct, o.fd = true, -1
		return nil
	}
	fd, err := o.dir.open(o.base, unix.O_WRONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return o.failure(err)
	}
	o.fd, o.file = fd, os.NewFile(uintptr(fd), o.target)
	if now, err := statFD(fd); err != nil || now.fileID != st.fileID {
		return exit.Errorf(exit.Output, "", "%s: was replaced while it was opened", ui.Shown(o.target))
	}
	o.startDirect()
	return nil
}

func (o *output) startDirect() {
	widen(o.fd)
	o.direct = true
	o.forget = proc.Track(o)
}

// stdoutWriter is standard output for text: when its reader has gone the process ends quietly, as
// filters do.
func stdoutWriter() *pipeWriter { return &pipeWriter{file: os.Stdout} }

type pipeWriter struct{ file *os.File }

func (w *pipeWriter) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	if err != nil {
		if errors.Is(err, syscall.EPIPE) {
			proc.EndByPipe(w.file)
		}
		err = exit.Errorf(exit.Output, "", "stdout: %w", exit.Reason(err))
	}
	return n, err
}

// openAppend opens a file that whole lines are added to, and makes it if it is not there. It must be
// none of the guarded ones.
func openAppend(path string, inputs ...guarded) (*os.File, error) {
	o := &output{target: path, outputOptions: outputOptions{inputs: inputs}}
	if st, err := statPath(path, true); err == nil {
		if err := o.refuseGuarded(&st); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}
