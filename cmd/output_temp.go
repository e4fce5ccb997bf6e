package cmd

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// namedTemps has the tests take the way of file systems that have no files without names.
var namedTemps = false

const (
	tempPrefix = ".envseal-"
	tempSuffix = ".tmp"
)

// tempFile is a file on its way to its name: it has none yet, or one that nobody takes for a whole file. A single output and the files of a tree get their names
// by it. It owns neither descriptor.
type tempFile struct {
	dir  int    // the directory
	fd   int    // the file
	base string // the name in dir that it is going to have
	temp string // the name it has meanwhile, "" for none; guarded by live.ending
}

// linkNew gives the file its name if nothing else has it: fs.ErrExist if something has.
func (t *tempFile) linkNew() error {
	if t.temp == "" {
		return linkUnnamed(t.fd, t.dir, t.base)
	}
	err := renameNew(t.dir, t.temp, t.base)
	if err == nil {
		t.temp = ""
	}
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	// Not every file system can rename without replacing. A second link can't replace either.
	err = retry(func() error { return unix.Linkat(t.dir, t.temp, t.dir, t.base, 0) })
	if err == nil {
		if err = retry(func() error { return unix.Unlinkat(t.dir, t.temp, 0) }); err == nil {
			t.temp = ""
		}
		return err
	}
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	// Nor has every one links (FAT). Looking first is the best that is left there.
	var st unix.Stat_t
	if err := unix.Fstatat(t.dir, t.base, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil {
		return syscall.EEXIST
	}
	return t.rename()
}

// replace puts the file in the place of another one. A file without a name needs one for that, for a moment.
func (t *tempFile) replace() error {
	if t.temp == "" {
		lock(t.fd)
		name := tempName()
		if err := linkUnnamed(t.fd, t.dir, name); err != nil {
			return err
		}
		t.temp = name
	}
	return t.rename()
}

func (t *tempFile) rename() error {
	err := retry(func() error { return unix.Renameat(t.dir, t.temp, t.dir, t.base) })
	if err == nil {
		t.temp = ""
	}
	return err
}

// withdraw takes back a new file whose name may not last.
func (t *tempFile) withdraw() {
	var now, mine unix.Stat_t
	if unix.Fstatat(t.dir, t.base, &now, unix.AT_SYMLINK_NOFOLLOW) != nil || unix.Fstat(t.fd, &mine) != nil {
		return
	}
	if now.Dev == mine.Dev && now.Ino == mine.Ino {
		_ = retry(func() error { return unix.Unlinkat(t.dir, t.base, 0) })
	}
}

// removeTemp removes the name of the temp file; it does nothing on nil. The caller holds live.ending.
func (t *tempFile) removeTemp() {
	if t == nil || t.temp == "" {
		return
	}
	_ = retry(func() error { return unix.Unlinkat(t.dir, t.temp, 0) })
	t.temp = ""
}

// createTemp makes a file that shall be called base in dir, without a name if the file system can. Its mode is 0600, or without a name mode as far as the
// umask allows: nobody else can open it then.
func createTemp(dir int, base string, mode os.FileMode) (*tempFile, error) {
	if !namedTemps {
		if fd := openUnnamed(dir, uint32(mode.Perm())); fd >= 0 {
			return &tempFile{dir: dir, fd: fd, base: base}, nil
		}
	}
	var err error
	for range 100 {
		name, fd := tempName(), -1
		err = retry(func() (err error) {
			fd, err = unix.Openat(dir, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
			return err
		})
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if lock(fd) {
			return &tempFile{dir: dir, fd: fd, base: base, temp: name}, nil
		}
		// Another run took it for left behind, in the moment before the lock, and removes it.
		unix.Close(fd)
		err = syscall.EBUSY
	}
	return nil, fmt.Errorf("no name for a temp file: %w", err)
}

func tempName() string {
	return tempPrefix + strings.ToLower(rand.Text()[:12]) + tempSuffix
}

// retry repeats a system call for as long as signals interrupt it.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
