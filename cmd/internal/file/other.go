//go:build !linux

package file

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// OpenDir opens a directory that may be searched and written to, even if it may not be
// listed.
func OpenDir(path string) (*Dir, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrPermission) {
		f, err = os.OpenFile(path, unix.O_SEARCH|unix.O_DIRECTORY, 0)
	}
	if err != nil {
		return nil, err
	}
	return &Dir{File: f}, nil
}

// syncFile is what package os does, which knows how each system brings a file to the disk.
func syncFile(fd int) error {
	f, err := duplicate(fd, "")
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// There is no call that waits for a whole file system, no file without a name, and no rename that
// never replaces.

// SyncWhole fails.
func (d *Dir) SyncWhole() error { return errors.ErrUnsupported }

func (d *Dir) syncUnlisted() error { return errors.ErrUnsupported }

func openUnnamed(int, uint32) (int, error) { return -1, errors.ErrUnsupported }

func linkUnnamed(int, int, string) error { return errors.ErrUnsupported }

func renameNew(int, string, string) error { return errors.ErrUnsupported }

// setModTime rounds to microseconds.
func setModTime(fd int, t time.Time) error {
	tv := unix.NsecToTimeval(t.UnixNano())
	return unix.Futimes(fd, []unix.Timeval{tv, tv})
}

// kind is what is known of a type of file system: nothing.
type kind struct{ local, whole, generated bool }

func kindOf(int) kind { return kind{} }

// ReadUmask is taken as strict: umask(2) can only tell it by changing it, which would race with
// files made meanwhile.
func ReadUmask() os.FileMode { return 0o077 }

func reserve(int, int64) error { return nil }

func startWriteback(int, int64, int64) {}

func appends(int) bool { return true }

func adviseSequential(int) {}

// Widen does nothing.
func Widen(int) {}

// copyAttributes copies none: what extended attributes are differs too much.
func copyAttributes(_, _ int) error { return nil }
