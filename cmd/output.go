package cmd

import (
	"errors"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

// outputOptions say how an output appears. The zero value makes a file of mode 0000: set perm.
type outputOptions struct {
	force   bool        // replace what is there
	perm    os.FileMode // mode of the finished file; until then it is 0600
	modTime time.Time   // modification time of the finished file; the zero time leaves it alone
	noSync  bool        // leave it to the kernel when it reaches the disk
	dryRun  bool        // only find out whether it could be made: Abort follows, and a pipe is not waited for
	inputs  []*input    // what the output must not be
}

// output is a file being made: nobody sees it before Commit, and Commit shows it whole or not at all.
//
// Until then it has no name where the file system can do that (O_TMPFILE), so that not even SIGKILL leaves anything behind;
// elsewhere it is a file .envseal-*.tmp beside the target, locked while it is in use, and the next run in that
// directory removes those that nobody holds.
//
// A device, a named pipe, /dev/stdout and /dev/fd/N are written directly: there is nothing to make appear.
//
// Write and File().WriteAt may be used by several goroutines as far as os.File allows it; Commit and Abort end the use.
type output struct {
	outputOptions
	*tempFile        // on its way to its name; nil if direct
	target    string // as typed, for messages
	parent    *os.File
	file      *os.File
	sum       hash.Hash // of what is written to a pipe, which cannot be read again; nil if nobody wants it
	direct    bool
	wrote     atomic.Bool // something, directly
	ended     bool
}

// createOutput starts the file target. It refuses, with exit code 8, a target that exists (unless force), that is a
// symbolic link (unless force, which replaces the link and not what it leads to), that is a directory or a socket, a disk
// (unless force), and with or without force one that is the same file as an input, by whatever name.
func createOutput(target string, o outputOptions) (*output, error) {
	out := &output{outputOptions: o, target: target}
	if n, ok := descriptorNumber(target); ok {
		return out.openDescriptor(n)
	}
	info, err := os.Lstat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return out.create()
	case err != nil:
		return nil, out.failure(err)
	}
	if err := out.checkTarget(info); err != nil {
		return nil, err
	}
	if isDirect(info) {
		if o.dryRun {
			return out, nil
		}
		return out.openDirect(info)
	}
	return out.create()
}

// checkTarget decides whether what is there may be replaced or written to.
func (o *output) checkTarget(info os.FileInfo) error {
	name, mode := shown(o.target), info.Mode()
	if err := o.checkInputs(info); err != nil {
		return err
	}
	if mode&fs.ModeSymlink != 0 {
		if behind, err := os.Stat(o.target); err == nil {
			if err := o.checkInputs(behind); err != nil {
				return err
			}
		}
	}
	switch {
	case mode.IsDir():
		return fail(exitOutput, "-o takes the name of a file", "%s: is a directory", name)
	case mode&fs.ModeSocket != 0:
		return fail(exitOutput, "", "%s: is a socket", name)
	case o.force:
		return nil
	case mode&fs.ModeSymlink != 0:
		return fail(exitOutput, "-f replaces the link, and leaves alone what it leads to", "%s: is a symbolic link", name)
	case mode.IsRegular():
		return existsError(name)
	case mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0:
		return fail(exitOutput, "-f overwrites what is on it", "%s: is a disk", name)
	}
	return nil
}

func existsError(name string) error {
	return fail(exitOutput, "-f replaces it", "%s: exists already", name)
}

// checkInputs refuses to write what is being read. Character devices are exempt: a terminal or /dev/null is both at once.
func (o *output) checkInputs(info os.FileInfo) error {
	if info.Mode()&fs.ModeCharDevice != 0 {
		return nil
	}
	for _, in := range o.inputs {
		if os.SameFile(in.info, info) {
			return in.outputError(o.target, "give the output another name with -o")
		}
	}
	return nil
}

// create makes the temp file.
func (o *output) create() (*output, error) {
	parent, base := filepath.Split(o.target)
	if base == "" || base == "." || base == ".." {
		return nil, fail(exitOutput, "-o takes the name of a file", "%s: is not the name of a file", shown(o.target))
	}
	if parent == "" {
		parent = "."
	}
	dir, err := openDirectory(parent)
	if err != nil {
		return nil, o.parentError(parent, err)
	}
	removeStale(dir)

	live.ending.RLock() // from here to the list, or a signal would miss the file
	defer live.ending.RUnlock()
	if o.tempFile, err = createTemp(int(dir.Fd()), base, 0o600); err != nil {
		dir.Close()
		return nil, o.parentError(parent, err)
	}
	o.parent, o.file = dir, os.NewFile(uintptr(o.fd), filepath.Join(dir.Name(), o.temp))
	live.addOutput(o)
	return o, nil
}

// parentError explains why nothing can be made in the directory parent.
func (o *output) parentError(parent string, err error) error {
	name := shown(filepath.Clean(parent))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail(exitOutput, "mkdir -p "+name, "%s: there is no directory %s", shown(o.target), name)
	case errors.Is(err, syscall.ENOTDIR):
		return fail(exitOutput, "", "%s: %s is not a directory", shown(o.target), name)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fail(exitOutput, "choose another place with -o", "%s: cannot write to directory %s: %w", shown(o.target), name, reason(err))
	}
	return o.failure(err)
}

// failure is an error of the output for the user: exit code 8, named, and with what can be done about it.
func (o *output) failure(err error) error {
	var known *exitError
	if errors.As(err, &known) {
		return err
	}
	hint := ""
	switch {
	case errors.Is(err, fs.ErrExist):
		return existsError(shown(o.target))
	case errors.Is(err, syscall.ENOSPC):
		hint = "make room, or choose another place with -o"
	case errors.Is(err, syscall.EDQUOT):
		hint = "the quota is used up; choose another place with -o"
	case errors.Is(err, syscall.ENAMETOOLONG):
		hint = "give the output a shorter name with -o FILE"
	case errors.Is(err, syscall.EFBIG):
		hint = "larger than the file system or the limit of ulimit -f allows"
	}
	return fail(exitOutput, hint, "%s: %w", shown(o.target), reason(err))
}

// Write implements io.Writer. Where the output is a pipe that nobody reads any more, the process ends as SIGPIPE would have it.
func (o *output) Write(p []byte) (int, error) {
	n, err := o.file.Write(p)
	if n > 0 && o.direct {
		o.wrote.Store(true)
	}
	if o.sum != nil {
		o.sum.Write(p[:n])
	}
	if err != nil {
		if o.direct && errors.Is(err, syscall.EPIPE) {
			live.endByPipe(o.file)
		}
		err = o.failure(err)
	}
	return n, err
}

// WriteAt implements io.WriterAt for outputs that are not direct.
func (o *output) WriteAt(p []byte, off int64) (int, error) {
	n, err := o.file.WriteAt(p, off)
	if err != nil {
		err = o.failure(err)
	}
	return n, err
}

// File is the open file, for system calls that only a file takes, such as allocating it ahead. The output keeps owning it.
func (o *output) File() *os.File { return o.file }
