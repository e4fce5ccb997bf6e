package cmd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// directory is an open directory. A name is looked up in it by its descriptor, so that it is the
// same directory from the first look at a file to its last rename, whoever moves it meanwhile.
type directory struct {
	*os.File
	named atomic.Bool // files without a name cannot be made here
}

// stat is what a file system tells of a file.
type stat struct {
	fileID
	mode     os.FileMode
	size     int64
	modTime  time.Time
	links    uint64
	blocks   int64
	uid, gid int
}

// fileID is a file's identity, whatever its names.
type fileID struct{ dev, ino uint64 }

func (s *stat) isRegular() bool { return s.mode.IsRegular() }

func (s *stat) isLink() bool { return s.mode&fs.ModeSymlink != 0 }

// isCharDevice is for a terminal, /dev/null and the like.
func (s *stat) isCharDevice() bool { return s.mode&fs.ModeCharDevice != 0 }

// isDirect tells what is written in place: devices and named pipes.
func (s *stat) isDirect() bool { return s.mode&(fs.ModeDevice|fs.ModeNamedPipe) != 0 }

// isSame tells whether nobody has written to the file since other was got from it.
func (s *stat) isSame(other *stat) bool {
	return s.fileID == other.fileID && s.size == other.size && s.modTime.Equal(other.modTime)
}

func statOf(st *unix.Stat_t) stat {
	mode := os.FileMode(st.Mode & 0o777)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	}
	return stat{
		fileID: fileID{uint64(st.Dev), uint64(st.Ino)}, mode: mode, size: st.Size,
		modTime: time.Unix(st.Mtim.Unix()), links: uint64(st.Nlink), blocks: int64(st.Blocks),
		uid: int(st.Uid), gid: int(st.Gid),
	}
}

// statFD is fstat.
func statFD(fd int) (stat, error) {
	var st unix.Stat_t
	err := retry(func() error { return unix.Fstat(fd, &st) })
	return statOf(&st), err
}

// statPath looks at what path leads to, or with follow false at a link itself. It is for names
// that nothing else is done with.
func statPath(path string, follow bool) (stat, error) { return statAt(unix.AT_FDCWD, path, follow) }

func statAt(dir int, name string, follow bool) (stat, error) {
	var st unix.Stat_t
	flags := unix.AT_SYMLINK_NOFOLLOW
	if follow {
		flags = 0
	}
	err := retry(func() error { return unix.Fstatat(dir, name, &st, flags) })
	return statOf(&st), err
}

// splitName gives the directory of a path and the name in it, "" where path has none: it ends
// in a slash, or in . or .. .
func splitName(path string) (parent, name string) {
	parent, name = filepath.Split(path)
	if name == "." || name == ".." {
		parent, name = path, ""
	}
	if parent == "" {
		parent = "."
	}
	return parent, name
}

func (d *directory) fd() int { return int(d.Fd()) }

// path is that of name in the directory, for messages.
func (d *directory) path(name string) string { return filepath.Join(d.Name(), name) }

// stat looks at name, and with follow at what it leads to where it is a link.
func (d *directory) stat(name string, follow bool) (stat, error) {
	return statAt(d.fd(), name, follow)
}

// open opens name by flags of open(2).
func (d *directory) open(name string, flags int, perm uint32) (fd int, err error) {
	err = retry(func() (err error) {
		fd, err = unix.Openat(d.fd(), name, flags|unix.O_CLOEXEC|unix.O_NOCTTY, perm)
		return err
	})
	if err != nil {
		return -1, err
	}
	return fd, nil
}

// again opens the same directory once more, to be listed from its beginning.
func (d *directory) again() (*directory, error) {
	fd, err := d.open(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return &directory{File: os.NewFile(uintptr(fd), d.Name())}, nil
}

func (d *directory) unlink(name string) error {
	return retry(func() error { return unix.Unlinkat(d.fd(), name, 0) })
}

// removeDirectory removes the empty directory name.
func (d *directory) removeDirectory(name string) error {
	return retry(func() error { return unix.Unlinkat(d.fd(), name, unix.AT_REMOVEDIR) })
}

func (d *directory) rename(from, to string) error {
	return retry(func() error { return unix.Renameat(d.fd(), from, d.fd(), to) })
}

// renameNew renames unless there is something of the new name: fs.ErrExist then.
func (d *directory) renameNew(from, to string) error {
	return retry(func() error { return renameNew(d.fd(), from, to) })
}

// isLocal tells whether no other machine can have a file of the directory open.
func (d *directory) isLocal() bool { return kindOf(d.fd()).local }

// sync brings the names in d to the disk.
func (d *directory) sync() error { return syncDirectory(d.File, d.File) }

// readLink is where the link name leads.
func (d *directory) readLink(name string) (string, error) {
	buf := make([]byte, 4096)
	n, err := unix.Readlinkat(d.fd(), name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// makeLink makes the link name to target. Something of that name is replaced where replace says
// so, unless it is a directory.
func (d *directory) makeLink(target, name string, replace bool) error {
	if !replace {
		return unix.Symlinkat(target, d.fd(), name)
	}
	temp := tempName()
	if err := unix.Symlinkat(target, d.fd(), temp); err != nil {
		return err
	}
	err := d.rename(temp, name)
	if err != nil {
		_ = d.unlink(temp)
	}
	return err
}

// keepLinkTimes gives the link name the times of the link of that name in from.
func (d *directory) keepLinkTimes(name string, from *directory) {
	var st unix.Stat_t
	if unix.Fstatat(from.fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
		times := []unix.Timespec{st.Atim, st.Mtim}
		_ = unix.UtimesNanoAt(d.fd(), name, times, unix.AT_SYMLINK_NOFOLLOW)
	}
}

// lock locks a file until it is closed. It is false if another process has it, or had it and
// removed the file. A file system without locks counts as locked: nobody else can lock there
// either, and so nobody removes anything.
func lock(fd int) bool {
	err := retry(func() error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false
	}
	st, err := statFD(fd)
	return err != nil || st.links > 0
}

// closeErrors asks for the errors that a network file system tells only when a file is closed,
// while the file can still be given up.
func closeErrors(fd int) error {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return unix.Close(dup)
}

// retry repeats a system call for as long as signals interrupt it.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// descriptorNumber is N if path is one of the names of the process's own descriptor N, such as
// /dev/stdout or /dev/fd/3.
func descriptorNumber(path string) (int, bool) {
	path = filepath.Clean(path)
	switch path {
	case "/dev/stdin":
		return 0, true
	case "/dev/stdout":
		return 1, true
	case "/dev/stderr":
		return 2, true
	}
	for _, dir := range []string{"/dev/fd/", "/proc/self/fd/"} {
		if number, ok := strings.CutPrefix(path, dir); ok {
			n, err := strconv.ParseUint(number, 10, 31)
			return int(n), err == nil
		}
	}
	return 0, false
}
