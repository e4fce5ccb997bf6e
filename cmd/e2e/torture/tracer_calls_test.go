//go:build torture && linux && amd64

package torture

import (
	"bytes"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kind is what the harness knows of a system call: where its descriptors and names are among its
// arguments, -1 for nowhere.
type kind struct {
	name   string
	fd     int // a descriptor
	path   int // a name; what it is relative to is the argument before it
	toFD   int // a second descriptor
	toPath int // a second name
	count  int // a number of bytes
	side   side
}

// side says on which side of the work a call is, where the file that it is about does not tell.
type side int

const (
	neither side = iota
	reads
	writes
	syncs
)

func byFD(name string, s side, count int) kind { return kind{name, 0, -1, -1, -1, count, s} }
func byPath(name string, s side) kind          { return kind{name, -1, 1, -1, -1, -1, s} }
func byPaths(name string) kind                 { return kind{name, -1, 1, -1, 3, -1, writes} }

// kinds are the calls that name files. Others are counted by no fault.
var kinds = map[uint64]kind{
	unix.SYS_READ: byFD("read", reads, 2), unix.SYS_PREAD64: byFD("pread64", reads, 2),
	unix.SYS_READV:  byFD("readv", reads, -1),
	unix.SYS_PREADV: byFD("preadv", reads, -1), unix.SYS_GETDENTS64: byFD("getdents64", reads, -1),
	unix.SYS_WRITE: byFD("write", writes, 2), unix.SYS_PWRITE64: byFD("pwrite64", writes, 2),
	unix.SYS_WRITEV:  byFD("writev", writes, -1),
	unix.SYS_PWRITEV: byFD("pwritev", writes, -1), unix.SYS_FALLOCATE: byFD("fallocate", writes, -1),
	unix.SYS_FTRUNCATE: byFD("ftruncate", writes, -1),
	unix.SYS_FSYNC:     byFD("fsync", syncs, -1), unix.SYS_FDATASYNC: byFD("fdatasync", syncs, -1),
	unix.SYS_SYNCFS:          byFD("syncfs", syncs, -1),
	unix.SYS_SYNC_FILE_RANGE: byFD("sync_file_range", writes, -1),
	unix.SYS_COPY_FILE_RANGE: {"copy_file_range", 0, -1, 2, -1, 4, writes},
	unix.SYS_SPLICE:          {"splice", 0, -1, 2, -1, 4, writes},
	unix.SYS_SENDFILE:        {"sendfile", 1, -1, 0, -1, 3, writes},
	unix.SYS_CLOSE:           byFD("close", neither, -1), unix.SYS_FSTAT: byFD("fstat", neither, -1),
	unix.SYS_LSEEK:  byFD("lseek", neither, -1),
	unix.SYS_FCHMOD: byFD("fchmod", writes, -1), unix.SYS_FCHOWN: byFD("fchown", writes, -1),
	unix.SYS_FLOCK:      byFD("flock", neither, -1),
	unix.SYS_FSTATFS:    byFD("fstatfs", neither, -1),
	unix.SYS_FLISTXATTR: byFD("flistxattr", neither, -1),
	unix.SYS_FGETXATTR:  byFD("fgetxattr", neither, -1),
	unix.SYS_FSETXATTR:  byFD("fsetxattr", writes, -1),
	unix.SYS_FADVISE64:  byFD("fadvise64", neither, -1),
	unix.SYS_OPENAT:     byPath("openat", neither), unix.SYS_NEWFSTATAT: byPath("newfstatat", neither),
	unix.SYS_UNLINKAT: byPath("unlinkat", writes),
	unix.SYS_MKDIRAT:  byPath("mkdirat", writes), unix.SYS_READLINKAT: byPath("readlinkat", neither),
	unix.SYS_FACCESSAT: byPath("faccessat", neither),
	unix.SYS_FCHMODAT:  byPath("fchmodat", writes), unix.SYS_UTIMENSAT: byPath("utimensat", writes),
	unix.SYS_RENAMEAT: byPaths("renameat"), unix.SYS_RENAMEAT2: byPaths("renameat2"),
	unix.SYS_LINKAT:    byPaths("linkat"),
	unix.SYS_SYMLINKAT: {"symlinkat", -1, 2, -1, -1, -1, writes},
}

// call is a system call at its entry.
type call struct {
	pid, tid int
	cwd      string
	nr       uint64
	args     [6]uint64
	kind     kind // without a name if the call is about no file
}

// readCall is what the thread is about to do; entry is false at the end of a call.
func readCall(tid int) (c *call, entry bool, err error) {
	const getSyscallInfo, atEntry = 0x420e, 1
	var info struct { // struct ptrace_syscall_info
		op     uint8
		_      [3]uint8
		_      uint32
		ip, sp uint64
		nr     uint64
		args   [6]uint64
		_      [3]uint64
	}
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, getSyscallInfo, uintptr(tid), unsafe.Sizeof(info),
		uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 {
		return nil, false, errno
	}
	return &call{tid: tid, nr: info.nr, args: info.args, kind: kinds[info.nr]}, info.op == atEntry, nil
}

// paths are the files that the call is about, with their whole paths.
func (c *call) paths() []string {
	var all []string
	for _, arg := range []int{c.kind.fd, c.kind.toFD} {
		if c.kind.name != "" && arg >= 0 {
			all = append(all, openFD(c.pid, c.args[arg]))
		}
	}
	for _, arg := range []int{c.kind.path, c.kind.toPath} {
		if c.kind.name != "" && arg >= 0 {
			all = append(all, c.named(arg))
		}
	}
	return all
}

// named is the path that the name in an argument means.
func (c *call) named(arg int) string {
	name, dir := c.text(c.args[arg]), c.cwd
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	if at := int32(c.args[arg-1]); at != unix.AT_FDCWD {
		dir = openFD(c.pid, c.args[arg-1])
	}
	return filepath.Join(dir, name)
}

// text reads a string from the program's memory, "" for a null pointer.
func (c *call) text(addr uint64) string {
	if addr == 0 {
		return ""
	}
	buf := make([]byte, unix.PathMax)
	const page = 4096
	n := min(uint64(len(buf)), page-addr%page)
	for {
		got, err := unix.ProcessVMReadv(c.tid, []unix.Iovec{{Base: &buf[0], Len: n}},
			[]unix.RemoteIovec{{Base: uintptr(addr), Len: int(n)}}, 0)
		if err != nil {
			return ""
		}
		if end := bytes.IndexByte(buf[:got], 0); end >= 0 {
			return string(buf[:end])
		}
		if n == uint64(len(buf)) {
			return ""
		}
		n = min(uint64(len(buf)), n+page)
	}
}

// within tells whether the call is about a file in dir, or about dir itself, and which one.
func (c *call) within(dir string) (path string, ok bool) {
	if c.kind.name == "" {
		return "", false
	}
	for _, path := range c.paths() {
		if rest, ok := strings.CutPrefix(path, dir); ok && (rest == "" || rest[0] == '/') {
			return path, true
		}
	}
	return "", false
}
