package cmd

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// childAttributes give a command its process group, and end it when envseal is killed, which leaves no time for anything else: otherwise
// it would take the end of its input for that of the data.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// widePipe is the size of the pipe to or from a command: with the usual 64 KiB, both sides would wait for each other all the time.
const widePipe = 1 << 20

// widen makes a pipe larger, as far as the system lets it.
func widen(f *os.File) { _, _ = unix.FcntlInt(f.Fd(), unix.F_SETPIPE_SZ, widePipe) }
