package file

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

// Dir is an open directory. A name is looked up in it by its descriptor, so that it is the same
// directory from the first look at a file to its last rename, whoever moves it meanwhile. Where it
// may be searched but not listed, all works but listing. Whoever opens it closes it.
type Dir struct {
	*os.File
	named atomic.Bool // files without a name cannot be made here
}

// Stat is what a file system tells of a file.
type Stat struct {
	ID
	Mode     os.FileMode // type and permissions, without setuid, setgid and the sticky bit
	Size     int64       // bytes
	ModTime  time.Time   // of the contents
	Links    uint64      // names
	UID, GID int         // owner and group
	blocks   int64       // that it takes on the disk, of 512 bytes
	changed  time.Time   // the file or its attributes
}

// ID is a file's identity, whatever its names. Dev is the file system's.
type ID struct{ Dev, ino uint64 }

// IsRegular is for a regular file.
func (s *Stat) IsRegular() bool { return s.Mode.IsRegular() }

// IsLink is for a symbolic link.
func (s *Stat) IsLink() bool { return s.Mode&fs.ModeSymlink != 0 }

// isCharDevice is for a terminal, /dev/null and the like.
func (s *Stat) isCharDevice() bool { return s.Mode&fs.ModeCharDevice != 0 }

// IsDirect tells what is written in place: devices and named pipes.
func (s *Stat) IsDirect() bool { return s.Mode&(fs.ModeDevice|fs.ModeNamedPipe) != 0 }

// isSame tells whether nobody has written to the file since other was got from it.
func (s *Stat) isSame(other *Stat) bool {
	return s.ID == other.ID && s.Size == other.Size && s.ModTime.Equal(other.ModTime)
}

// types are those of files, as the system writes them.
var types = map[uint32]os.FileMode{
	unix.S_IFDIR: fs.ModeDir, unix.S_IFLNK: fs.ModeSymlink, unix.S_IFIFO: fs.ModeNamedPipe,
	unix.S_IFSOCK: fs.ModeSocket, unix.S_IFBLK: fs.ModeDevice,
	unix.S_IFCHR: fs.ModeDevice | fs.ModeCharDevice,
}

func statOf(st *unix.Stat_t) Stat {
	return Stat{
		ID:   ID{uint64(st.Dev), uint64(st.Ino)},
		Mode: os.FileMode(st.Mode&0o777) | types[uint32(st.Mode)&unix.S_IFMT], Size: st.Size,
		ModTime: time.Unix(st.Mtim.Unix()), Links: uint64(st.Nlink), UID: int(st.Uid), GID: int(st.Gid),
		blocks: int64(st.Blocks), changed: time.Unix(st.Ctim.Unix()),
	}
}

// StatFile looks at an open file.
func StatFile(f *os.File) (Stat, error) { return statFD(int(f.Fd())) }

func statFD(fd int) (Stat, error) {
	var st unix.Stat_t
	err := Retry(func() error { return unix.Fstat(fd, &st) })
	return statOf(&st), err
}

// StatPath looks at what path leads to, or with follow false at a link itself. It is for names
// that nothing else is done with.
func StatPath(path string, follow bool) (Stat, error) { return statAt(unix.AT_FDCWD, path, follow) }

func statAt(dir int, name string, follow bool) (Stat, error) {
	var st unix.Stat_t
	flags := unix.AT_SYMLINK_NOFOLLOW
	if follow {
		flags = 0
	}
	err := Retry(func() error { return unix.Fstatat(dir, name, &st, flags) })
	return statOf(&st), err
}

// SplitName gives the directory of a path and the name in it, "" where path has none: it ends
// in a slash, or in . or .. .
func SplitName(path string) (parent, name string) {
	parent, name = filepath.Split(path)
	if name == "." || name == ".." {
		parent, name = path, ""
	}
	if parent == "" {
		parent = "."
	}
	return parent, name
}

func (d *Dir) fd() int { return int(d.Fd()) }

// Stat looks at the directory itself.
func (d *Dir) Stat() (Stat, error) { return statFD(d.fd()) }

// Path is that of name in the directory, for messages.
func (d *Dir) Path(name string) string { return filepath.Join(d.Name(), name) }

// Look looks at name, and with follow at what it leads to where it is a link.
func (d *Dir) Look(name string, follow bool) (Stat, error) {
	return statAt(d.fd(), name, follow)
}

const (
	createNew = unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW    // flags of open(2)
	toChange  = unix.O_RDWR | unix.O_NOFOLLOW | unix.O_NONBLOCK // does not wait for a pipe's reader
)

// CreateNew makes the file name, for its owner alone: fs.ErrExist if something has the name.
func (d *Dir) CreateNew(name string) (*os.File, error) {
	return d.openFile(name, unix.O_WRONLY|createNew, 0o600)
}

// OpenToChange opens the file name for reading and writing. It follows no link.
func (d *Dir) OpenToChange(name string) (*os.File, error) { return d.openFile(name, toChange, 0) }

func (d *Dir) openFile(name string, flags int, perm uint32) (*os.File, error) {
	fd, err := d.open(name, flags, perm)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), d.Path(name)), nil
}

// open opens name by flags of open(2).
func (d *Dir) open(name string, flags int, perm uint32) (fd int, err error) {
	err = Retry(func() (err error) {
		fd, err = unix.Openat(d.fd(), name, flags|unix.O_CLOEXEC|unix.O_NOCTTY, perm)
		return err
	})
	if err != nil {
		return -1, err
	}
	return fd, nil
}

// again opens the same directory once more, to be listed from its beginning.
func (d *Dir) again() (*os.File, error) {
	return d.openFile(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
}

// Unlink removes name, which is no directory.
func (d *Dir) Unlink(name string) error {
	return Retry(func() error { return unix.Unlinkat(d.fd(), name, 0) })
}

// RemoveDirectory removes the empty directory name.
func (d *Dir) RemoveDirectory(name string) error {
	return Retry(func() error { return unix.Unlinkat(d.fd(), name, unix.AT_REMOVEDIR) })
}

func (d *Dir) rename(from, to string) error {
	return Retry(func() error { return unix.Renameat(d.fd(), from, d.fd(), to) })
}

// RenameNew renames unless there is something of the new name: fs.ErrExist then.
func (d *Dir) RenameNew(from, to string) error {
	return Retry(func() error { return renameNew(d.fd(), from, to) })
}

// IsLocal tells whether no other machine can have a file of the directory open.
func (d *Dir) IsLocal() bool { return kindOf(d.fd()).local }

// SyncsWhole tells whether SyncWhole brings all data and names of all files of its file system to
// the disk. It is not so where a server or another program does the writing.
func (d *Dir) SyncsWhole() bool { return kindOf(d.fd()).whole }

// Sync makes the names in the directory last. Some file systems have no notion of it, which is
// theirs to answer for.
func (d *Dir) Sync() error {
	err := syncFile(d.fd())
	switch {
	case errors.Is(err, syscall.EBADF): // of a directory that may not be listed
		return d.syncUnlisted()
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOTSUP):
		return nil
	}
	return err
}

// ReadLink is where the link name leads.
func (d *Dir) ReadLink(name string) (string, error) {
	buf := make([]byte, 4096)
	n, err := unix.Readlinkat(d.fd(), name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// MakeLink makes the link name to target. Something of that name is replaced where replace says
// so, unless it is a directory.
func (d *Dir) MakeLink(target, name string, replace bool) error {
	if !replace {
		return unix.Symlinkat(target, d.fd(), name)
	}
	temp := tempName()
	if err := unix.Symlinkat(target, d.fd(), temp); err != nil {
		return err
	}
	err := d.rename(temp, name)
	if err != nil {
		_ = d.Unlink(temp)
	}
	return err
}

// KeepLinkTimes gives the link name the times of the link of that name in from.
func (d *Dir) KeepLinkTimes(name string, from *Dir) {
	var st unix.Stat_t
	if unix.Fstatat(from.fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
		times := []unix.Timespec{st.Atim, st.Mtim}
		_ = unix.UtimesNanoAt(d.fd(), name, times, unix.AT_SYMLINK_NOFOLLOW)
	}
}

// SetModTime sets the modification time of an open file, to the nanosecond where the system can.
func SetModTime(f *os.File, t time.Time) error { return setModTime(int(f.Fd()), t) }

// Lock locks a file until it is closed. It is false if another process has it, or had it and
// removed the file. A file system without locks counts as locked: nobody else can lock there
// either, and so nobody removes anything.
func Lock(fd int) bool {
	err := Retry(func() error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false
	}
	st, err := statFD(fd)
	return err != nil || st.Links > 0
}

// closeErrors asks for the errors that a network file system tells only when a file is closed,
// while the file can still be given up.
func closeErrors(fd int) error {
	dup, err := duplicate(fd, "")
	if err != nil {
		return err
	}
	return dup.Close()
}

// Retry repeats a system call for as long as signals interrupt it.
func Retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// Descriptor is N if path is one of the names of the process's own descriptor N, such as
// /dev/stdout or /dev/fd/3.
func Descriptor(path string) (int, bool) {
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
