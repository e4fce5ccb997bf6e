package tree

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/ui"
)

// folder is a directory of inputs and the one where their outputs go, open for as long as files of
// it are worked on.
type folder struct {
	shown    string // what stands before the name of an input in a message
	outShown string // and before that of an output
	in       *file.Dir
	// in itself where the outputs go beside the inputs; nil in a dry run, where it would be made
	out   *file.Dir
	rel   string // path of out below -O; "." beside the files
	fresh bool   // this run made out: nothing of anybody else is there
	local bool   // no other machine has out: closing a file brings no news
	users atomic.Int32
}

// use keeps the folder open until leave.
func (d *folder) use() { d.users.Add(1) }

// leave closes the folder when nobody uses it any more.
func (d *folder) leave() {
	if d.users.Add(-1) > 0 {
		return
	}
	d.in.Close()
	if d.out != nil && d.out != d.in {
		d.out.Close()
	}
}

func (d *folder) show(name string) string { return d.shown + name }

func (d *folder) showOut(name string) string { return d.outShown + name }

// prefixOf is what stands before a name in the directory path.
func prefixOf(path string) string {
	switch {
	case path == "." || path == "":
		return ""
	case path[len(path)-1] == filepath.Separator:
		return path
	}
	return path + string(filepath.Separator)
}

// madeDir is a directory that the run made below -O, and what it shall look like in the end.
type madeDir struct {
	rel     string
	mode    os.FileMode
	modTime time.Time // zero leaves it alone
}

// outTree is the directory of -O, below which the outputs go.
type outTree struct {
	root  *os.Root
	dir   *file.Dir // the root itself; nil as root in a dry run in which it would be made
	path  string
	id    file.ID
	made  []madeDir
	fresh map[string]bool // directories made by this run, by their path below root
	dry   bool
}

// openOutTree opens the directory of -O, which it makes if it is not there: private, for trees, is
// only for its owner until finish. With sync its name is on the disk by then.
func openOutTree(path string, private, sync, dry bool) (*outTree, error) {
	o := &outTree{path: path, fresh: map[string]bool{}, dry: dry}
	if dry {
		if there, err := file.CheckDir(path); !there {
			return o, err
		}
	} else {
		perm := os.FileMode(0o777)
		if private {
			perm = 0o700
		}
		made, err := file.MakeDir(path, perm, sync)
		if err != nil {
			return nil, err
		}
		o.fresh["."] = made
		if made && private {
			o.made = []madeDir{{rel: ".", mode: 0o777 &^ file.Umask()}}
		}
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, file.DirError(path, err)
	}
	o.root = root
	o.dir, err = file.OpenBelow(root, ".")
	if err != nil {
		return nil, file.DirError(path, err)
	}
	st, err := o.dir.Stat()
	if err != nil {
		return nil, file.DirError(path, err)
	}
	o.id = st.ID
	return o, nil
}

// count is how many directories were made.
func (o *outTree) count() int {
	if o == nil {
		return 0
	}
	return len(o.made)
}

func (o *outTree) close() {
	if o != nil && o.root != nil {
		o.dir.Close()
		o.root.Close()
	}
}

// open opens the directory rel, and makes it if it is not there, for as long as the run only for
// its owner. like is the directory whose mode and time it gets in the end, nil for none. fresh
// tells that this run made it.
func (o *outTree) open(rel string, like *file.Stat,
	perm os.FileMode) (dir *file.Dir, fresh bool, err error) {
	if o.root == nil {
		return nil, true, nil
	}
	if rel == "." && o.fresh["."] && like != nil { // a tree's root
		o.made[0] = madeDir{rel, perm, like.ModTime}
	}
	if rel != "." && !o.dry {
		switch err := o.root.Mkdir(rel, 0o700); {
		case err == nil:
			o.fresh[rel] = true
			o.made = append(o.made, madeDir{rel, perm, like.ModTime})
		case !errors.Is(err, fs.ErrExist):
			return nil, false, o.failure(rel, err)
		}
	}
	info, err := o.root.Lstat(rel)
	switch {
	case o.dry && errors.Is(err, fs.ErrNotExist):
		return nil, true, nil
	case err != nil:
		return nil, false, o.failure(rel, err)
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, false, exit.Errorf(exit.Output, "remove the link, or choose another -O",
			"%s: is a symbolic link, which is not followed", ui.Shown(prefixOf(o.path)+rel))
	case !info.IsDir():
		return nil, false, exit.Errorf(exit.Output, "", "%s: is not a directory",
			ui.Shown(prefixOf(o.path)+rel))
	}
	dir, err = file.OpenBelow(o.root, rel)
	if err != nil {
		return nil, false, o.failure(rel, err)
	}
	return dir, o.fresh[rel], nil
}

// openAll makes and opens rel and all directories above it, as a list of files needs it. The
// directories of the same paths below the current one are their models; the current one itself is
// none.
func (o *outTree) openAll(rel string,
	perm func(os.FileMode) os.FileMode) (dir *file.Dir, fresh bool, err error) {
	if rel == "." {
		return o.open(rel, nil, 0)
	}
	for i := 0; i <= len(rel); i++ {
		if i < len(rel) && rel[i] != filepath.Separator {
			continue
		}
		if dir != nil {
			dir.Close()
		}
		like, err := file.StatPath(rel[:i], true)
		if err != nil {
			return nil, false, file.InputError(rel[:i], err)
		}
		if dir, fresh, err = o.open(rel[:i], &like, perm(like.Mode)); err != nil {
			return nil, false, err
		}
	}
	return dir, fresh, nil
}

func (o *outTree) failure(rel string, err error) error {
	return exit.Errorf(exit.Output, "", "%s: %w", ui.Shown(prefixOf(o.path)+rel), exit.Reason(err))
}

// finish gives the directories that were made their modes and times. It goes backwards, as a
// directory may end up with a mode that lets nobody in. With sync each is brought to the disk, and
// the entry in its parent.
func (o *outTree) finish(sync bool) error {
	if o == nil || o.root == nil {
		return nil
	}
	var failed []error
	for i := len(o.made) - 1; i >= 0; i-- {
		if err := o.finishDir(o.made[i], sync); err != nil {
			failed = append(failed, o.failure(o.made[i].rel, err))
		}
	}
	return errors.Join(failed[:min(len(failed), ui.MostNamed)]...)
}

func (o *outTree) finishDir(d madeDir, sync bool) error {
	dir, err := file.OpenBelow(o.root, d.rel)
	if err != nil {
		return err
	}
	defer dir.Close()
	if d.mode != 0o700 {
		if err := dir.Chmod(d.mode); err != nil {
			return err
		}
	}
	if !d.modTime.IsZero() {
		if err := file.SetModTime(dir.File, d.modTime); err != nil {
			return err
		}
	}
	if !sync {
		return nil
	}
	if err := dir.Sync(); err != nil || d.rel == "." { // whose name is there since it was made
		return err
	}
	return o.sync(filepath.Dir(d.rel))
}

// sync brings the names in the directory rel to the disk.
func (o *outTree) sync(rel string) error {
	dir, err := file.OpenBelow(o.root, rel)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
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
	if o.fresh["."] && file.TakeBackDir(o.path) == nil {
		o.fresh["."], o.made = false, nil
	}
}

// remove removes the empty directory rel, and nothing else that may have its name.
func (o *outTree) remove(rel string) error {
	parent, err := file.OpenBelow(o.root, filepath.Dir(rel))
	if err != nil {
		return err
	}
	defer parent.Close()
	return parent.RemoveDirectory(filepath.Base(rel))
}
