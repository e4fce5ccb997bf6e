package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/ui"
	"golang.org/x/sys/unix"
)

// CheckDir looks at the directory of -O, which a run makes itself where only the last part of
// its path is missing. Anything else in its way is an error.
func CheckDir(path string) (there bool, err error) {
	st, err := StatPath(path, true)
	switch {
	case err == nil && st.Mode.IsDir():
		return true, nil
	case err == nil:
		return false, exit.Errorf(exit.Output,
			"-O takes a directory; -o FILE names the output of a single file",
			"output directory %s: is a file", ui.Shown(path))
	case !errors.Is(err, fs.ErrNotExist):
		return false, DirError(path, err)
	}
	if IsThere(path) {
		return false, exit.Errorf(exit.Output, "",
			"output directory %s: is a symbolic link that leads nowhere", ui.Shown(path))
	}
	if _, err := StatPath(filepath.Dir(filepath.Clean(path)), true); err != nil {
		return false, DirError(path, err)
	}
	return false, nil
}

// MakeDir makes the directory of -O if it is not there, but not its parents. With sync its
// name is on the disk before anything is in it.
func MakeDir(path string, perm os.FileMode, sync bool) (made bool, err error) {
	if there, err := CheckDir(path); there || err != nil {
		return false, err
	}
	parent, err := OpenDir(filepath.Dir(filepath.Clean(path)))
	if err != nil {
		return false, DirError(path, err)
	}
	defer parent.Close()
	base := filepath.Base(filepath.Clean(path))
	switch err := unix.Mkdirat(parent.fd(), base, uint32(perm)); {
	case errors.Is(err, fs.ErrExist):
		return false, nil
	case err != nil:
		return false, DirError(path, err)
	}
	if sync {
		if err := parent.Sync(); err != nil {
			_ = parent.RemoveDirectory(base)
			return false, DirError(path, err)
		}
	}
	return true, nil
}

// TakeBackDir removes a directory that was made for nothing. It stays if somebody else has put
// something there.
func TakeBackDir(path string) error { return unix.Rmdir(path) }

// DirError is an error of the directory of -O for the user.
func DirError(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return exit.Errorf(exit.Output, "make it first: mkdir -p "+ui.ShellWord(path),
			"output directory %s: there is no directory %s", ui.Shown(path),
			ui.Shown(filepath.Dir(filepath.Clean(path))))
	}
	return exit.Errorf(exit.Output, "", "output directory %s: %w", ui.Shown(path), exit.Reason(err))
}

// OpenBelow opens a directory below root. What it gives does not know that root: package os looks
// at every file in a directory of a Root to list it, and a single one that cannot be looked at
// would hide all the others.
func OpenBelow(root *os.Root, rel string) (*Dir, error) {
	f, err := root.OpenFile(rel, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	dup, err := duplicate(int(f.Fd()), f.Name())
	if err != nil {
		return nil, err
	}
	return &Dir{File: dup}, nil
}
