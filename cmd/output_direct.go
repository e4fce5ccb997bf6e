package cmd

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// stdoutOutput writes to standard output. A terminal is refused unless forceTTY says that it is meant; so is a file that is an
// input. Commit asks the file system for errors it put off, and leaves standard output open.
func stdoutOutput(forceTTY bool, inputs ...*input) (*output, error) {
	out := &output{target: "stdout", outputOptions: outputOptions{inputs: inputs}}
	if !forceTTY && isTerminal(os.Stdout) {
		return nil, fail(exitOutput, "name a file with -o, redirect the output, or force it with -o -", "stdout: is a terminal, and the output is binary")
	}
	return out.openDescriptor(1)
}

// stdoutWriter is standard output for text: when its reader has gone the process ends quietly, as filters do.
func stdoutWriter() *pipeWriter { return &pipeWriter{file: os.Stdout} }

type pipeWriter struct{ file *os.File }

func (w *pipeWriter) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	if err != nil {
		if errors.Is(err, syscall.EPIPE) {
			live.endByPipe(w.file)
		}
		err = fail(exitOutput, "", "stdout: %w", reason(err))
	}
	return n, err
}

// isDirect tells what is written in place: devices and named pipes.
func isDirect(info os.FileInfo) bool {
	return info.Mode()&(fs.ModeDevice|fs.ModeNamedPipe) != 0
}

// openDescriptor writes to a descriptor that the process was started with. The file behind it keeps its position and
// mode, whatever it is.
func (o *output) openDescriptor(n int) (*output, error) {
	switch n {
	case 1:
		o.file = os.Stdout
	case 2:
		o.file = os.Stderr
	default:
		fd, err := unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, o.failure(err)
		}
		o.file = os.NewFile(uintptr(fd), o.target)
	}
	info, err := o.file.Stat()
	if err != nil {
		return nil, o.failure(err)
	}
	if err := o.checkInputs(info); err != nil {
		return nil, err
	}
	if n == 1 && maybeClosed(o.file, info) {
		warn("stdout: is closed, or /dev/null: what is written is lost")
	}
	widen(o.file)
	return o.startDirect(), nil
}

// openDirect opens the device or pipe that info was got from. Opening a pipe waits for a reader.
func (o *output) openDirect(info os.FileInfo) (*output, error) {
	f, err := os.OpenFile(o.target, os.O_WRONLY|syscall.O_NOFOLLOW|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, o.failure(err)
	}
	if now, err := f.Stat(); err != nil || !os.SameFile(now, info) {
		f.Close()
		return nil, fail(exitOutput, "", "%s: was replaced while it was opened", shown(o.target))
	}
	o.file = f
	widen(o.file)
	return o.startDirect(), nil
}

func (o *output) startDirect() *output {
	o.direct = true
	live.addOutput(o)
	return o
}
