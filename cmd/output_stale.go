package cmd

import (
	"errors"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Temp files of runs that were killed are told from those in use by a lock: it ends with the process that holds it, however that
// ends. A temp file is locked right after it is made; should another run find it in the moment between, that run gets the
// lock, and the maker, who does not get it or finds the file unlinked, makes another one.

const (
	// staleScanLimit bounds what looking for left temp files costs in a huge directory.
	staleScanLimit = 50_000
	// remoteStaleAge is how long a temp file must lie untouched on a file system where a lock may not be seen by other machines.
	remoteStaleAge = time.Hour
)

// swept holds the directories that this process has looked through.
var swept sync.Map // fileID -> struct{}

type fileID struct{ dev, ino uint64 }

// lock locks the file until it is closed. It is false if another process has it, or had it and removed the file. A file system
// without locks counts as locked: nobody else can lock there either, and so nobody removes anything.
func lock(fd int) bool {
	err := retry(func() error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false
	}
	var st unix.Stat_t
	return unix.Fstat(fd, &st) != nil || st.Nlink > 0
}

// removeStale removes the temp files in dir that nobody uses, once per process and directory. Failures do not matter.
func removeStale(dir *os.File) {
	var st unix.Stat_t
	if unix.Fstat(int(dir.Fd()), &st) != nil {
		return
	}
	if _, done := swept.LoadOrStore(fileID{uint64(st.Dev), uint64(st.Ino)}, struct{}{}); done {
		return
	}
	for seen := 0; seen < staleScanLimit; {
		names, err := dir.Readdirnames(1000)
		for _, name := range names {
			if strings.HasPrefix(name, tempPrefix) && strings.HasSuffix(name, tempSuffix) {
				removeIfStale(dir, name)
			}
		}
		if seen += len(names); err != nil {
			return
		}
	}
}

// removeIfStale removes name if it is a plain file of our own that nobody has locked. It is looked at through a descriptor,
// so that a link or a pipe planted under such a name does no harm.
func removeIfStale(dir *os.File, name string) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	var st, named unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != os.Geteuid() {
		return
	}
	if !isLocal(fd) && time.Since(time.Unix(st.Ctim.Unix())) < remoteStaleAge {
		return
	}
	if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) != nil {
		return
	}
	// Its owner may have finished meanwhile: only what still has this name is left behind.
	if unix.Fstatat(int(dir.Fd()), name, &named, unix.AT_SYMLINK_NOFOLLOW) == nil && named.Ino == st.Ino && named.Dev == st.Dev {
		_ = unix.Unlinkat(int(dir.Fd()), name, 0)
	}
}
