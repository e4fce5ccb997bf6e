package cmd

import (
	"os"

	"golang.org/x/sys/unix"
)

// widePipe is the size given to the pipes that data goes through: with the usual 64 KiB, both sides would wait for each other all the time.
const widePipe = 1 << 20

// widen makes f larger if it is a pipe that is smaller, as far as the system lets it.
func widen(f *os.File) {
	if size, err := unix.FcntlInt(f.Fd(), unix.F_GETPIPE_SZ, 0); err == nil && size < widePipe {
		_, _ = unix.FcntlInt(f.Fd(), unix.F_SETPIPE_SZ, widePipe)
	}
}
