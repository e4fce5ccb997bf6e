//go:build !linux

package cmd

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func openDirectory(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
}

// syncDirectory makes names in dir last. Some file systems have no notion of it, which is theirs to answer for.
func syncDirectory(dir, _ *os.File) error {
	err := dir.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

// openUnnamed is -1: there are no files without a name here.
func openUnnamed(int, uint32) int { return -1 }

func linkUnnamed(int, int, string) error { return syscall.ENOSYS }

// renameNew is not to be had here: the caller falls back on a second link.
func renameNew(int, string, string) error { return syscall.ENOSYS }

// setModTime rounds to microseconds.
func setModTime(fd int, t time.Time) error {
	tv := unix.NsecToTimeval(t.UnixNano())
	return unix.Futimes(fd, []unix.Timeval{tv, tv})
}

func isLocal(int) bool { return false }
