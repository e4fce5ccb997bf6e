package child

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/envseal/envseal/cmd/internal/proc"
	"github.com/envseal/envseal/cmd/internal/ui"
	"golang.org/x/sys/unix"
)

// borrowed is the terminal in the hands of a command that asks for a password, say. The group of
// the command is not the one that the shell gave the terminal to, so the system stops it at its
// first read; a shell would do the same as here when a job comes to the foreground.
type borrowed struct {
	tty *os.File
}

// lendTerminal makes group the foreground group of the terminal and lets it go on. It is nil if
// envseal does not have the terminal itself.
func lendTerminal(group int) *borrowed {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	if ui.InBackground(tty) || unix.IoctlSetPointerInt(int(tty.Fd()), unix.TIOCSPGRP, group) != nil {
		tty.Close()
		return nil
	}
	proc.SignalGroup(group, syscall.SIGCONT)
	return &borrowed{tty}
}

// giveBack makes envseal's own group the foreground group again. It does nothing on nil.
func (b *borrowed) giveBack() {
	if b == nil {
		return
	}
	if !signal.Ignored(syscall.SIGTTOU) { // which stops who takes a terminal that it does not have
		signal.Ignore(syscall.SIGTTOU)
		defer signal.Reset(syscall.SIGTTOU)
	}
	_ = unix.IoctlSetPointerInt(int(b.tty.Fd()), unix.TIOCSPGRP, unix.Getpgrp())
	b.tty.Close()
}
