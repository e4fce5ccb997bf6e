package cmd

import (
	"os"
	"path/filepath"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/ui"
	"golang.org/x/sys/unix"
)

// checkOutputDir looks at the directory of -O, which a run makes itself where only the last part of
// its path is missing. Anything else in its way is an error.
func checkOutputDir(path string) (there bool, err error) {
	st, err := statPath(path, true)
	switch {
	case err == nil && st.mode.IsDir():
		return true, nil
	case err == nil:
		return false, exit.Errorf(exit.Output, "-O takes a directory; -o FILE names the output of a single file",
			"output directory %s: is a file", ui.Shown(path))
	case !notThere(err):
		return false, outputDirError(path, err)
	}
	if isThere(path) {
		return false, exit.Errorf(exit.Output, "", "output directory %s: is a symbolic link that leads nowhere",
			ui.Shown(path))
	}
	if _, err := statPath(filepath.Dir(filepath.Clean(path)), true); err != nil {
		return false, outputDirError(path, err)
	}
	return false, nil
}

// makeOutputDir makes the directory of -O if it is not there, but not its parents. With sync its
// name is on the disk before anything is in it.
func makeOutputDir(path string, perm os.FileMode, sync bool) (made bool, err error) {
	if there, err := checkOutputDir(path); there || err != nil {
		return false, err
	}
	parent, err := openDirectory(filepath.Dir(filepath.Clean(path)))
	if err != nil {
		return false, outputDirError(path, err)
	}
	defer parent.Close()
	base := filepath.Base(filepath.Clean(path))
	switch err := unix.Mkdirat(parent.fd(), base, uint32(perm)); {
	case exists(err):
		return false, nil
	case err != nil:
		return false, outputDirError(path, err)
	}
	if sync {
		if err := parent.sync(); err != nil {
			_ = parent.removeDirectory(base)
			return false, outputDirError(path, err)
		}
	}
	return true, nil
}

// takeBackDir removes a directory that was made for nothing. It stays if somebody else has put
// something there.
func takeBackDir(path string) error { return unix.Rmdir(path) }

func outputDirError(path string, err error) error {
	if notThere(err) {
		return exit.Errorf(exit.Output, "make it first: mkdir -p "+ui.ShellWord(path),
			"output directory %s: there is no directory %s", ui.Shown(path),
			ui.Shown(filepath.Dir(filepath.Clean(path))))
	}
	return exit.Errorf(exit.Output, "", "output directory %s: %w", ui.Shown(path), exit.Reason(err))
}

// openBelow opens a directory below root. What it gives does not know that root: package os looks at
// every file in a directory of a Root to list it, and a single one that cannot be looked at would
// hide all the others.
func openBelow(root *os.Root, rel string) (*directory, error) {
	f, err := root.OpenFile(rel, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	dup, err := inheritedFile(int(f.Fd()), f.Name())
	if err != nil {
		return nil, err
	}
	return &directory{File: dup}, nil
}
