package ui

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"io"
	"os"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/proc"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// maxPassphrase is the length in bytes of the longest line that a terminal hands over.
const maxPassphrase = 4096

// IsTerminal tells whether f is a terminal.
func IsTerminal(f *os.File) bool { return IsTerminalFD(int(f.Fd())) }

// IsTerminalFD tells whether the descriptor is a terminal.
func IsTerminalFD(fd int) bool { return term.IsTerminal(fd) }

// Columns is the width of the terminal f, or a usual one.
func Columns(f *os.File) int {
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		return width
	}
	return defaultWidth
}

// InBackground says that the terminal f belongs to another job just now.
func InBackground(f *os.File) bool {
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil && group != unix.Getpgrp()
}

// Passphrase asks for a passphrase on the terminal of the process, wherever standard input and
// output lead, without showing it; Ctrl-Z stops the process as usual, with the echo on. With
// confirm it asks twice. The caller owns the result, which is not empty, and wipes it. A signal
// that ends the process turns the echo on again.
func Passphrase(prompt string, confirm bool) ([]byte, error) {
	defer holdForQuestion()()
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "without a terminal use --passphrase-file FILE",
			"passphrase: there is no terminal to ask on")
	}
	defer tty.Close()
	first, err := askHidden(tty, prompt)
	if err != nil {
		return nil, err
	}
	if !confirm {
		return first, nil
	}
	second, err := askHidden(tty, "Again: ")
	defer clear(second)
	if err == nil && subtle.ConstantTimeCompare(first, second) != 1 {
		err = exit.Errorf(exit.Other, "", "passphrase: the two are not the same")
	}
	if err != nil {
		clear(first)
		return nil, err
	}
	return first, nil
}

// askHidden reads one line with the echo off. It reads into one buffer, which term.ReadPassword
// does not, so that no piece of the line stays behind in memory that was outgrown.
func askHidden(tty *os.File, prompt string) ([]byte, error) {
	fd := int(tty.Fd())
	before, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, exit.Errorf(exit.Other, "", "passphrase: %w", err)
	}
	hidden := *before
	hidden.Lflag &^= unix.ECHO
	hidden.Lflag |= unix.ICANON | unix.ISIG | unix.ECHONL
	hidden.Iflag |= unix.ICRNL
	restore := func() { _ = unix.IoctlSetTermios(fd, setTermios, before) }
	defer proc.AtExit(func() { restore(); fmt.Fprintln(tty) })()
	defer restore()
	defer stoppable(restore, func() {
		_ = unix.IoctlSetTermios(fd, setTermios, &hidden)
		fmt.Fprint(tty, prompt)
	})()
	if err := unix.IoctlSetTermios(fd, setTermios, &hidden); err != nil {
		return nil, exit.Errorf(exit.Other, "", "passphrase: %w", err)
	}
	fmt.Fprint(tty, prompt)
	return readLine(tty)
}

// readLine reads up to a newline, which it drops. A terminal hands over a line at a time.
func readLine(r io.Reader) ([]byte, error) {
	buf := make([]byte, maxPassphrase)
	n := 0
	for n < len(buf) {
		m, err := r.Read(buf[n:])
		n += m
		if end := bytes.IndexByte(buf[:n], '\n'); end >= 0 {
			clear(buf[end:])
			n = end
			break
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			clear(buf)
			return nil, exit.Errorf(exit.Other, "", "passphrase: %w", exit.Reason(err))
		}
	}
	if n == 0 || n == len(buf) {
		clear(buf)
		if n == 0 {
			return nil, exit.Errorf(exit.Other, "", "passphrase: is empty")
		}
		return nil, exit.Errorf(exit.Other, "", "passphrase: is longer than %d bytes", len(buf)-1)
	}
	return buf[:n:n], nil
}
