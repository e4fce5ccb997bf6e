package cmd

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// smallFile is up to which size a file is read whole into one buffer, and worked on without any further goroutine.
	smallFile = 1 << 20
	// bigFile is from which size a file gets all cores, while other big files wait.
	bigFile = 8 << 20
	// sealedRoom is what a small sealed file may have beyond its contents, as far as buffers are made in advance.
	sealedRoom = 64 << 10
)

// treeFile is a file of the run on its way.
type treeFile struct {
	dir    *folder
	name   string // of the input in dir
	named  bool   // by the user, so that a link is followed
	target string // of the output in dir, "" if there is none
	start  time.Time
	took   time.Duration
	in     unix.Stat_t
	sized  bool // in.Size is how much was read
	force  bool // replaces what is there
	run    *treeRun
	temp   *tempFile
	file   *os.File // temp, where it was written as a stream
	listed *output  // temp as one that a signal must remove, if it has a name
	size   int64    // of the output
	sum    string
	record record
}

func (f *treeFile) path() string { return f.dir.show(f.name) }

// giveUp closes and removes what was made of an output.
func (f *treeFile) giveUp() {
	if f.temp == nil {
		return
	}
	live.ending.RLock()
	f.temp.removeTemp()
	live.ending.RUnlock()
	f.drop()
}

// drop closes the output, which has its name or is given up.
func (f *treeFile) drop() {
	if f.listed != nil {
		live.dropOutput(f.listed)
	}
	if f.file != nil {
		f.file.Close()
	} else {
		unix.Close(f.temp.fd)
	}
	f.temp, f.listed, f.file = nil, nil, nil
}

// openFile opens the input without following a link, unless the user named it. It does not wait for a pipe's writer, should one have come in the file's place.
func (w *treeWorker) openFile(f *treeFile) (fd int, err error) {
	flags := unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	if !f.named {
		flags |= unix.O_NOFOLLOW
	}
	err = retry(func() (err error) {
		fd, err = unix.Openat(int(f.dir.in.Fd()), f.name, flags, 0)
		return err
	})
	if err != nil {
		return -1, inputError(f.path(), err)
	}
	if err := unix.Fstat(fd, &f.in); err != nil {
		unix.Close(fd)
		return -1, inputError(f.path(), err)
	}
	if f.in.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return -1, fail(exitOther, "", "%s: is not a regular file any more", shown(f.path()))
	}
	return fd, nil
}

// checkTarget looks at what has the output's name already, before any work is done for nothing. skip tells that it is the output.
func (w *treeWorker) checkTarget(f *treeFile, fd int) (skip bool, err error) {
	f.force = w.force
	if f.target == "" || f.dir.fresh || f.dir.out == nil || w.force && !w.update {
		return false, nil
	}
	var there unix.Stat_t
	if err := unix.Fstatat(int(f.dir.out.Fd()), f.target, &there, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, nil // not there, or whatever it is comes out when the output gets its name
	}
	if w.update && there.Mode&unix.S_IFMT == unix.S_IFREG {
		current, replaceable := compareOutput(int(f.dir.out.Fd()), f.target, &statedFile{fd, &f.in}, w.work.current)
		if current {
			return true, nil
		}
		f.force = f.force || replaceable
	}
	if f.force {
		return false, nil
	}
	return false, f.existsError(&there)
}

// existsError says why the output's name cannot be had.
func (f *treeFile) existsError(there *unix.Stat_t) error {
	name := shown(f.dir.showOut(f.target))
	if own := f.run.ownFile(there); own != nil {
		return own.outputError(f.dir.showOut(f.target), "give the output another place with -O")
	}
	switch {
	case there.Ino == f.in.Ino && there.Dev == f.in.Dev:
		return fail(exitOutput, "give the output another place with -O", "%s: is the input as well", name)
	case there.Mode&unix.S_IFMT == unix.S_IFDIR:
		return fail(exitOutput, "", "%s: is a directory", name)
	case there.Mode&unix.S_IFMT == unix.S_IFLNK:
		return fail(exitOutput, "-f replaces the link, and leaves alone what it leads to", "%s: is a symbolic link", name)
	}
	return existsError(name)
}

// create makes the temp file, if there is an output.
func (f *treeFile) create(perm os.FileMode) (err error) {
	if f.temp != nil || f.target == "" {
		return nil
	}
	live.ending.RLock()
	defer live.ending.RUnlock()
	f.temp, err = createTemp(int(f.dir.out.Fd()), f.target, perm)
	if err == nil && f.temp.temp != "" {
		f.listed = &output{tempFile: f.temp, target: f.dir.showOut(f.target)}
		live.addOutput(f.listed)
	}
	return err
}

// finishTemp gives the temp file its mode and time.
func (f *treeFile) finishTemp(perm os.FileMode) error {
	if f.temp.temp != "" || perm&ownUmask() != 0 {
		if err := retry(func() error { return unix.Fchmod(f.temp.fd, uint32(perm)) }); err != nil {
			return err
		}
	}
	return setModTime(f.temp.fd, time.Unix(f.in.Mtim.Unix()))
}

// outputError is an error of the output for the user.
func (f *treeFile) outputError(err error) error {
	if errors.Is(err, fs.ErrExist) {
		var there unix.Stat_t
		if unix.Fstatat(int(f.dir.out.Fd()), f.target, &there, unix.AT_SYMLINK_NOFOLLOW) == nil {
			return f.existsError(&there)
		}
	}
	return (&output{target: f.dir.showOut(f.target)}).failure(err)
}

func writeAll(fd int, p []byte) error {
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrShortWrite
		}
		p = p[n:]
	}
	return nil
}

// ownUmask is the process's umask, which nobody changes.
var ownUmask = sync.OnceValue(umask)
