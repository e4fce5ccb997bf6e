package cmd

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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

// Commit makes the file appear under its name: mode and modification time, fsync, the name, fsync of the directory. If force was not
// given, a file that turned up meanwhile is not replaced. On an error the target is as it was before and the temp file is
// gone; the one exception is said in the message: where an old file was replaced and then the directory could not be
// synced, the new file stays.
func (o *output) Commit() error {
	if o.ended {
		return fail(exitOther, "", "%s: committed after its end", shown(o.target))
	}
	err := o.commit()
	if err != nil {
		err = o.failure(err)
	}
	o.end()
	return err
}

// Abort gives the output up: the target is as it was before, the temp file is gone. After Commit or Abort it does nothing.
func (o *output) Abort() {
	if !o.ended {
		o.end()
	}
}

func (o *output) commit() error {
	if err := o.settle(); err != nil {
		return err
	}
	if o.direct {
		return nil
	}
	replaced, err := o.publish()
	if err != nil || o.noSync {
		return err
	}
	if err := syncDirectory(o.dir, o.file); err != nil {
		if replaced {
			return fail(exitOutput, "", "%s: was replaced, but may be the old one again after a power cut: sync of its directory: %w",
				shown(o.target), reason(err))
		}
		o.withdraw()
		return err
	}
	return nil
}

// settle brings the contents and the attributes to the disk, and to light what errors have been put off until close.
func (o *output) settle() error {
	if !o.direct {
		if o.perm != 0o600 {
			if err := o.file.Chmod(o.perm); err != nil {
				return err
			}
		}
		if !o.modTime.IsZero() {
			if err := setModTime(o.file, o.modTime); err != nil {
				return err
			}
		}
	}
	if o.mustSync() {
		if err := o.file.Sync(); err != nil {
			return err
		}
	}
	// Network file systems report a failed write as late as close. Closing a duplicate asks them while the file can still be given up,
	// and it keeps standard output open.
	dup, err := unix.FcntlInt(o.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return unix.Close(dup)
}

// mustSync leaves out pipes and character devices, which cannot be synced, and whatever was opened by somebody else.
func (o *output) mustSync() bool {
	if o.noSync {
		return false
	}
	if !o.direct {
		return true
	}
	if _, ok := descriptorNumber(o.target); ok || o.file == os.Stdout {
		return false
	}
	info, err := o.file.Stat()
	return err == nil && info.Mode()&fs.ModeDevice != 0 && info.Mode()&fs.ModeCharDevice == 0
}

// publish gives the file its name, in one step that never shows a half. replaced tells that there was another file.
func (o *output) publish() (replaced bool, err error) {
	live.ending.RLock()
	defer live.ending.RUnlock()
	err = o.linkNew()
	if o.force && errors.Is(err, fs.ErrExist) {
		replaced, err = true, o.replace()
	}
	if err == nil {
		o.temp = ""
		live.dropOutput(o)
	}
	return replaced, err
}

// linkNew gives the file its name if nothing else has it: fs.ErrExist if something has.
func (o *output) linkNew() error {
	dir := int(o.dir.Fd())
	if o.temp == "" {
		return linkUnnamed(o.file, o.dir, o.base)
	}
	err := renameNew(dir, o.temp, o.base)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	// Not every file system can rename without replacing. A second link can't replace either.
	err = retry(func() error { return unix.Linkat(dir, o.temp, dir, o.base, 0) })
	if err == nil {
		return retry(func() error { return unix.Unlinkat(dir, o.temp, 0) })
	}
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	// Nor has every one links (FAT). Looking first is the best that is left there.
	var st unix.Stat_t
	if err := unix.Fstatat(dir, o.base, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil {
		return syscall.EEXIST
	}
	return retry(func() error { return unix.Renameat(dir, o.temp, dir, o.base) })
}

// replace puts the file in the place of another one. A file without a name needs one for that, for a moment.
func (o *output) replace() error {
	dir := int(o.dir.Fd())
	if o.temp == "" {
		lock(o.file)
		name := tempName()
		if err := linkUnnamed(o.file, o.dir, name); err != nil {
			return err
		}
		o.temp = name
	}
	return retry(func() error { return unix.Renameat(dir, o.temp, dir, o.base) })
}

// withdraw takes back a new file whose name may not last.
func (o *output) withdraw() {
	var now, mine unix.Stat_t
	dir := int(o.dir.Fd())
	if unix.Fstatat(dir, o.base, &now, unix.AT_SYMLINK_NOFOLLOW) != nil || unix.Fstat(int(o.file.Fd()), &mine) != nil {
		return
	}
	if now.Dev == mine.Dev && now.Ino == mine.Ino {
		_ = retry(func() error { return unix.Unlinkat(dir, o.base, 0) })
	}
}

// end releases what the output holds and removes the temp file if it still has one.
func (o *output) end() {
	live.ending.RLock()
	defer live.ending.RUnlock()
	o.ended = true
	o.removeTemp()
	live.dropOutput(o)
	// What was written has been synced and asked for errors, or is given up: nothing left to learn from close.
	if o.file != os.Stdout && o.file != os.Stderr {
		o.file.Close()
	}
	if o.dir != nil {
		o.dir.Close()
	}
}

// removeTemp removes the name of the temp file. The caller holds live.ending.
func (o *output) removeTemp() {
	if o.temp == "" {
		return
	}
	_ = retry(func() error { return unix.Unlinkat(int(o.dir.Fd()), o.temp, 0) })
	o.temp = ""
}

// createTemp makes a file of mode 0600 in dir, without a name if the file system can.
func createTemp(dir *os.File) (f *os.File, name string, err error) {
	if !namedTemps {
		if f := openUnnamed(dir); f != nil {
			return f, "", nil
		}
	}
	for range 100 {
		name, fd := tempName(), -1
		err = retry(func() (err error) {
			fd, err = unix.Openat(int(dir.Fd()), name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
			return err
		})
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		f := os.NewFile(uintptr(fd), filepath.Join(dir.Name(), name))
		if lock(f) {
			return f, name, nil
		}
		// Another run took it for left behind, in the moment before the lock, and removes it.
		f.Close()
		err = syscall.EBUSY
	}
	return nil, "", fmt.Errorf("no name for a temp file: %w", err)
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
