package file

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// OpenDir opens a directory that may be searched and written to, even if it may not be
// listed.
func OpenDir(path string) (*Dir, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrPermission) {
		f, err = os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY, 0)
	}
	if err != nil {
		return nil, err
	}
	return &Dir{File: f}, nil
}

func syncFile(fd int) error { return Retry(func() error { return unix.Fsync(fd) }) }

// SyncWhole syncs the file system that the directory lies on. Since Linux 5.8 it tells of failed
// writes.
func (d *Dir) SyncWhole() error { return syncWhole(d.fd()) }

func syncWhole(fd int) error { return Retry(func() error { return unix.Syncfs(fd) }) }

// syncUnlisted syncs the file system of a directory that was opened with O_PATH and knows no sync,
// by way of a file in it.
func (d *Dir) syncUnlisted() error {
	fd, err := openUnnamed(d.fd(), 0o600)
	if err != nil {
		name := tempName()
		if fd, err = d.open(name, unix.O_RDWR|createNew, 0o600); err != nil {
			return err
		}
		_ = d.Unlink(name)
	}
	defer unix.Close(fd)
	return syncWhole(fd)
}

// openUnnamed makes a file on the file system of dir that has no name, and goes with its last
// descriptor. It fails where the file could not be given a name later, too.
func openUnnamed(dir int, mode uint32) (fd int, err error) {
	if ownDescriptors() < 0 {
		return -1, errors.ErrUnsupported
	}
	err = Retry(func() (err error) {
		fd, err = unix.Openat(dir, ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, mode)
		return err
	})
	return fd, err
}

// linkUnnamed gives a file of openUnnamed its name in dir, if nothing has it. By way of /proc it
// takes no privilege.
func linkUnnamed(fd, dir int, name string) error {
	return Retry(func() error {
		return unix.Linkat(ownDescriptors(), strconv.Itoa(fd), dir, name, unix.AT_SYMLINK_FOLLOW)
	})
}

// ownDescriptors is the directory /proc/self/fd, open as long as the process lives, -1 if there is
// none.
var ownDescriptors = sync.OnceValue(func() int {
	fd, err := unix.Open("/proc/self/fd", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	if _, err := statAt(fd, strconv.Itoa(fd), false); err != nil {
		return -1
	}
	return fd
})

// renameNew renames within dir unless there is something of the new name.
func renameNew(dir int, from, to string) error {
	return unix.Renameat2(dir, from, dir, to, unix.RENAME_NOREPLACE)
}

// setModTime is futimens(3), which package unix does not have: futimes rounds to microseconds, and
// utimensat takes a path.
func setModTime(fd int, t time.Time) error {
	mtime, err := unix.TimeToTimespec(t)
	if err != nil {
		return err
	}
	times := [2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, mtime}
	return Retry(func() error {
		_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0,
			uintptr(unsafe.Pointer(&times)), 0, 0, 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
}

// kind is what is known of a type of file system.
type kind struct {
	// local: no other machine can have a file of it open. All who can reach it see its locks, and
	// closing a file brings no news.
	local bool
	whole bool // see SyncsWhole
	// generated: its regular files are made up while they are read. st_size is 0 or one page,
	// whatever they hold.
	generated bool
}

// fsKinds are the types that are known, by the number that statfs(2) gives.
var fsKinds = map[int64]kind{
	unix.EXT4_SUPER_MAGIC:      {local: true, whole: true},
	unix.XFS_SUPER_MAGIC:       {local: true, whole: true},
	unix.BTRFS_SUPER_MAGIC:     {local: true, whole: true},
	unix.F2FS_SUPER_MAGIC:      {local: true, whole: true},
	unix.TMPFS_MAGIC:           {local: true, whole: true},
	unix.OVERLAYFS_SUPER_MAGIC: {local: true, whole: true},
	unix.RAMFS_MAGIC:           {local: true},
	unix.MSDOS_SUPER_MAGIC:     {local: true},
	0x2fc12fc1:                 {local: true}, // ZFS
	0xca451a4e:                 {local: true}, // bcachefs
	unix.PROC_SUPER_MAGIC:      {generated: true},
	unix.SYSFS_MAGIC:           {generated: true},
	unix.CGROUP_SUPER_MAGIC:    {generated: true},
	unix.CGROUP2_SUPER_MAGIC:   {generated: true},
	unix.DEBUGFS_MAGIC:         {generated: true},
	unix.TRACEFS_MAGIC:         {generated: true},
	unix.SECURITYFS_MAGIC:      {generated: true},
	unix.SELINUX_MAGIC:         {generated: true},
}

// kindOf is that of the file system that fd lies on. Nothing is promised of one that is not known.
func kindOf(fd int) kind {
	var st unix.Statfs_t
	if Retry(func() error { return unix.Fstatfs(fd, &st) }) != nil {
		return kind{}
	}
	return fsKinds[int64(st.Type)]
}

// ReadUmask is the process's file mode mask. It is read from /proc, as umask(2) can only tell it by
// changing it, which would race with files made meanwhile. Where it cannot be known it is taken as
// strict.
func ReadUmask() os.FileMode {
	const strict = 0o077
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return strict
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "Umask:"); ok {
			if mask, err := strconv.ParseUint(strings.TrimSpace(value), 8, 16); err == nil {
				return os.FileMode(mask) & os.ModePerm
			}
		}
	}
	return strict
}

// reserve makes a file size bytes long and has the file system find room for them. One that cannot
// say is left alone.
func reserve(fd int, size int64) error {
	err := Retry(func() error { return unix.Fallocate(fd, 0, 0, size) })
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG) {
		return err
	}
	return nil
}

// startWriteback begins to write a range to the disk and does not wait for it. An error shows at
// the sync.
func startWriteback(fd int, off, n int64) {
	_ = unix.SyncFileRange(fd, off, n, unix.SYNC_FILE_RANGE_WRITE)
}

// appends tells whether writes go to the end of a file wherever they are meant to go.
func appends(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err != nil || flags&unix.O_APPEND != 0
}

// adviseSequential doubles the kernel's read-ahead. It is advice: an error means nothing.
func adviseSequential(fd int) { _ = unix.Fadvise(fd, 0, 0, unix.FADV_SEQUENTIAL) }

// widePipe is the size given to the pipes that data goes through: with the usual 64 KiB, both sides
// would wait for each other all the time.
const widePipe = 1 << 20

// Widen makes fd larger if it is a pipe that is smaller, as far as the system lets it.
func Widen(fd int) {
	size, err := unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0)
	if err == nil && size < widePipe {
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, widePipe)
	}
}

// copyAttributes gives to the extended attributes of from.
func copyAttributes(to, from int) error {
	names, err := attribute(func(b []byte) (int, error) { return unix.Flistxattr(from, b) })
	if err != nil {
		return nil // a file system without
	}
	for name := range bytes.SplitSeq(names, []byte{0}) {
		if len(name) == 0 {
			continue
		}
		value, err := attribute(func(b []byte) (int, error) {
			return unix.Fgetxattr(from, string(name), b)
		})
		if err == nil {
			err = Retry(func() error { return unix.Fsetxattr(to, string(name), value, 0) })
		}
		if err != nil && string(name) == "system.posix_acl_access" {
			return err
		}
	}
	return nil
}

// attribute calls get for the size and then for the value.
func attribute(get func([]byte) (int, error)) ([]byte, error) {
	for {
		n, err := get(nil)
		if err != nil || n == 0 {
			return nil, err
		}
		b := make([]byte, n)
		if n, err = get(b); !errors.Is(err, syscall.ERANGE) {
			return b[:max(n, 0)], err
		}
	}
}
