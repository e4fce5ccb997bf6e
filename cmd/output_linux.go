package cmd

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// openDirectory opens a directory that may be searched and written to, even if it may not be listed.
func openDirectory(path string) (*os.File, error) {
	dir, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrPermission) {
		return os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY, 0)
	}
	return dir, err
}

// syncDirectory makes names in dir last. A directory that may not be listed cannot be synced by itself, so there the file
// system is that f lies on. Some file systems have no notion of it, which is theirs to answer for.
func syncDirectory(dir, f *os.File) error {
	err := retry(func() error { return unix.Fsync(int(dir.Fd())) })
	if errors.Is(err, syscall.EBADF) {
		err = retry(func() error { return unix.Syncfs(int(f.Fd())) })
	}
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

// openUnnamed makes a file on the file system of dir that has no name, and goes with its last descriptor. It is -1 if that is not possible or if the file
// could not be given a name later.
func openUnnamed(dir int, mode uint32) int {
	if ownDescriptors() < 0 {
		return -1
	}
	fd := -1
	err := retry(func() (err error) {
		fd, err = unix.Openat(dir, ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, mode)
		return err
	})
	if err != nil {
		return -1
	}
	return fd
}

// linkUnnamed gives a file of openUnnamed its name in dir, if nothing has it. By way of /proc it takes no privilege.
func linkUnnamed(fd, dir int, name string) error {
	own := ownDescriptors()
	if own < 0 {
		return syscall.ENOSYS
	}
	return retry(func() error { return unix.Linkat(own, strconv.Itoa(fd), dir, name, unix.AT_SYMLINK_FOLLOW) })
}

// ownDescriptors is the directory /proc/self/fd, open as long as the process lives, -1 if there is none.
var ownDescriptors = sync.OnceValue(func() int {
	fd, err := unix.Open("/proc/self/fd", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	var st unix.Stat_t
	if err != nil || unix.Fstatat(fd, strconv.Itoa(fd), &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return -1
	}
	return fd
})

// renameNew renames within dir unless there is something of the new name.
func renameNew(dir int, from, to string) error {
	return retry(func() error { return unix.Renameat2(dir, from, dir, to, unix.RENAME_NOREPLACE) })
}

// setModTime is futimens(3), which package unix does not have: futimes rounds to microseconds, and utimensat takes a path.
func setModTime(fd int, t time.Time) error {
	mtime, err := unix.TimeToTimespec(t)
	if err != nil {
		return err
	}
	times := [2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, mtime}
	return retry(func() error {
		if _, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0); errno != 0 {
			return errno
		}
		return nil
	})
}

// localFS are the file systems whose locks all who can reach them see.
var localFS = map[int64]bool{
	unix.EXT4_SUPER_MAGIC: true, unix.XFS_SUPER_MAGIC: true, unix.BTRFS_SUPER_MAGIC: true, unix.F2FS_SUPER_MAGIC: true,
	unix.TMPFS_MAGIC: true, unix.RAMFS_MAGIC: true, unix.OVERLAYFS_SUPER_MAGIC: true, unix.MSDOS_SUPER_MAGIC: true,
	0x2fc12fc1: true, // ZFS
	0xca451a4e: true, // bcachefs
}

// isLocal says whether no other machine can have the file open.
func isLocal(fd int) bool {
	var st unix.Statfs_t
	err := retry(func() error { return unix.Fstatfs(fd, &st) })
	return err == nil && localFS[int64(st.Type)]
}
