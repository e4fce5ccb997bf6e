package cmd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// checkOutputDir looks at the directory of -O, which a run makes itself where only the last part of its path is missing. Anything else in its way is an error.
func checkOutputDir(path string) (there bool, err error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return true, nil
	case err == nil:
		return false, fail(exitOutput, "-O takes a directory; -o FILE names the output of a single file", "output directory %s: is a file", shown(path))
	case !errors.Is(err, fs.ErrNotExist):
		return false, outputDirError(path, err)
	}
	if _, err := os.Lstat(path); err == nil {
		return false, fail(exitOutput, "", "output directory %s: is a symbolic link that leads nowhere", shown(path))
	}
	if _, err := os.Stat(filepath.Dir(filepath.Clean(path))); err != nil {
		return false, outputDirError(path, err)
	}
	return false, nil
}

// makeOutputDir makes the directory of -O if it is not there, but not its parents. With sync its name is on the disk before anything is in it.
func makeOutputDir(path string, perm os.FileMode, sync bool) (made bool, err error) {
	if there, err := checkOutputDir(path); there || err != nil {
		return false, err
	}
	switch err := os.Mkdir(path, perm); {
	case errors.Is(err, fs.ErrExist):
		return false, nil
	case err != nil:
		return false, outputDirError(path, err)
	}
	if !sync {
		return true, nil
	}
	parent, err := openDirectory(filepath.Dir(filepath.Clean(path)))
	if err == nil {
		err = syncDirectory(parent, parent)
		parent.Close()
	}
	if err != nil {
		_ = syscall.Rmdir(path)
		return false, outputDirError(path, err)
	}
	return true, nil
}

func outputDirError(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fail(exitOutput, "make it first: mkdir -p "+shellWord(path), "output directory %s: there is no directory %s", shown(path), shown(filepath.Dir(filepath.Clean(path))))
	}
	return fail(exitOutput, "", "output directory %s: %w", shown(path), reason(err))
}

// missingOutputDir is the directory of -O that the output of a single file wants made, "" if there is none.
func (t *transfer) missingOutputDir() (string, error) {
	dir := t.c.String("output-dir")
	if dir == "" || t.to != nil || t.target == "-" {
		return "", nil
	}
	there, err := checkOutputDir(dir)
	if there {
		dir = ""
	}
	return dir, err
}

// makeDir makes the directory of -O for the output of a single file. takeBack takes it back.
func (t *transfer) makeDir() error {
	dir, err := t.missingOutputDir()
	if dir == "" || err != nil {
		return err
	}
	made, err := makeOutputDir(dir, 0o777, !t.c.Bool("no-sync"))
	if made {
		t.made = dir
	}
	return err
}

// takeBack removes the directory that was made for an output which came to nothing.
func (t *transfer) takeBack() {
	if t.made != "" {
		_ = syscall.Rmdir(t.made) // which fails if somebody else has put something there
	}
}

// fruitless tells whether the run has failed with all of its files.
func (t *treeRun) fruitless() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.done.Load() == 0 && t.failed > 0
}

// takeBack removes the directories that a run made for nothing, as far as they are empty.
func (o *outTree) takeBack() {
	if o == nil || o.root == nil {
		return
	}
	for i := len(o.made) - 1; i >= 0; i-- {
		if rel := o.made[i].rel; rel != "." && o.remove(rel) == nil {
			o.made = slices.Delete(o.made, i, i+1)
		}
	}
	if o.fresh["."] && syscall.Rmdir(o.path) == nil {
		o.fresh["."], o.made = false, nil
	}
}

// remove removes the empty directory rel, and nothing else that may have its name.
func (o *outTree) remove(rel string) error {
	parent, err := openBelow(o.root, filepath.Dir(rel))
	if err != nil {
		return err
	}
	defer parent.Close()
	return unix.Unlinkat(int(parent.Fd()), filepath.Base(rel), unix.AT_REMOVEDIR)
}
