package cmd

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// adviseSequential doubles the kernel's read-ahead. It is advice: an error means nothing.
func adviseSequential(f *os.File) {
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_SEQUENTIAL)
}

// generatedFS are the file systems whose regular files are made up while they are read: st_size is 0 or one page, whatever they hold.
var generatedFS = map[int64]bool{
	unix.PROC_SUPER_MAGIC: true, unix.SYSFS_MAGIC: true, unix.CGROUP_SUPER_MAGIC: true, unix.CGROUP2_SUPER_MAGIC: true,
	unix.DEBUGFS_MAGIC: true, unix.TRACEFS_MAGIC: true, unix.SECURITYFS_MAGIC: true, unix.SELINUX_MAGIC: true,
}

// isGenerated says that the size of a regular file tells nothing about its contents, as in /proc.
func isGenerated(f *os.File, info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && isGeneratedFD(int(f.Fd()), st.Blocks)
}

// isGeneratedFD is isGenerated for a descriptor, and the number of blocks that fstat tells.
func isGeneratedFD(fd int, blocks int64) bool {
	if blocks != 0 {
		return false // it has blocks on a disk; the usual case costs no system call
	}
	var st unix.Statfs_t
	err := retry(func() error { return unix.Fstatfs(fd, &st) })
	return err == nil && generatedFS[int64(st.Type)]
}

// umask is the process's file mode mask. It is read from /proc, as umask(2) can only tell it by changing it, which would
// race with files made meanwhile. Where it cannot be known it is taken as strict.
func umask() os.FileMode {
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
