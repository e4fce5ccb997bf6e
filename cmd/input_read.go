package cmd

import (
	"io"
	"os"
)

// Read implements io.Reader.
func (in *input) Read(p []byte) (int, error) {
	if len(in.unread) > 0 {
		n := copy(p, in.unread)
		in.unread = in.unread[n:]
		return n, nil
	}
	n, err := in.read(p)
	in.some = in.some || n > 0
	switch {
	case err == io.EOF && n == 0:
		err = in.judgeEnd()
	case err != nil && err != io.EOF && codeOf(err) == 0:
		err = inputError(in.name, err)
	}
	return n, err
}

func (in *input) read(p []byte) (int, error) {
	if in.command != nil {
		if err := in.command.start(); err != nil {
			return 0, err
		}
	}
	if in.wait != nil {
		if err := in.wait.forInput(in.File); err != nil {
			return 0, err
		}
	}
	return in.File.Read(p)
}

// judgeEnd is io.EOF where the end of the file is the end of the input, and otherwise an error that no sealed file survives.
func (in *input) judgeEnd() error {
	if in.command != nil {
		if err := in.command.result(); err != nil {
			return err
		}
	}
	if !in.refuseEmpty || in.some {
		return io.EOF
	}
	if in.command != nil {
		return fail(exitProducer, "", "%s: the command wrote nothing", in.name)
	}
	return fail(exitOther, "", "%s: is empty, and --fail-on-empty is given", shown(in.name))
}

// Interrupt makes a Read that blocks, and all further ones, fail soon. It may be called by any goroutine, before Close.
func (in *input) Interrupt() {
	if in.wait != nil {
		in.wait.interrupt()
	}
	if in.command != nil {
		in.command.interrupt()
	}
}

// rewind goes back to where the input began. It works for regular files.
func (in *input) rewind() error {
	in.head, in.unread = nil, nil
	if _, err := in.Seek(in.start(), io.SeekStart); err != nil {
		return inputError(in.name, err)
	}
	return nil
}

// start is the offset at which a regular input begins: not 0 where standard input came with another position.
func (in *input) start() int64 { return in.info.Size() - in.size }

// ReadAt implements io.ReaderAt. Offsets count from the start of the file, not from the position standard input came with.
func (in *input) ReadAt(p []byte, off int64) (int, error) {
	n, err := in.File.ReadAt(p, off)
	if off >= 0 && off < int64(len(in.head)) {
		copy(p[:n], in.head[off:])
	}
	if err != nil && err != io.EOF {
		err = inputError(in.name, err)
	}
	return n, err
}

// checkUnchanged says whether a regular file is still the one that was opened: same size, same modification time, and its
// name, if there still is one, leads to the same file. To be called when all has been read and nothing is committed.
//
// The change time is left out: a backup that hard-links the file or a chmod alters it, and neither touches the contents.
// A name that has gone is no change either, as what was opened was read whole; a name that leads to another file is one,
// as the output would be taken for that file's.
func (in *input) checkUnchanged() error {
	if !in.regular {
		return nil
	}
	now, err := in.File.Stat()
	if err != nil {
		return inputError(in.name, err)
	}
	same := now.Size() == in.info.Size() && now.ModTime().Equal(in.info.ModTime())
	if same && in.path != "" {
		named, err := os.Stat(in.path)
		same = err != nil || os.SameFile(named, in.info)
	}
	if !same {
		return in.changedError()
	}
	return nil
}

func (in *input) changedError() error {
	return fail(exitOther, "try again once nothing writes to it, or read a snapshot", "%s: changed while it was read", shown(in.name))
}
