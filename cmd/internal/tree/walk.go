package tree

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/envseal/envseal/cmd/internal/batch"
	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/ui"
)

// Why something in a tree is left out.
const (
	skipLink     = "symbolic link, which is not followed"
	skipLinkHint = skipLink + " (--links=keep makes it again)"
	skipSpecial  = "not a regular file"
	skipTemp     = "temp file of an interrupted run"
	skipOutput   = "the output directory itself"
)

// unit is a handful of files of one directory, for one worker.
type unit struct {
	dir     *folder
	names   []string
	named   bool   // the user named these files: a symbolic link is followed
	special string // something that is not a regular file, which the user named, alone in its unit
}

// unitSize is how many files a worker takes at a time.
const unitSize = 128

// walker finds the files of a run.
type walker struct {
	*treeRun
	units chan<- *unit
	out   *outTree // nil: beside the files
	batch *batch.Files
	swept map[file.ID]bool // directories in which no temp file of a killed run is left
}

// walk sends the files of all names to units.
func (t *treeRun) walk(b *batch.Files, units chan<- *unit) {
	w := &walker{treeRun: t, units: units, batch: b, swept: map[file.ID]bool{}}
	if t.OutputDir != "" {
		out, err := openOutTree(t.OutputDir, t.Recursive, !t.NoSync, t.DryRun)
		if err != nil {
			t.tried.Add(1)
			t.failure(t.OutputDir, err)
			return
		}
		w.out = out
		t.commits.tree = out
	}
	n := namedFiles{walker: w}
	for _, name := range b.Names {
		if t.stopped.Load() {
			t.untried.Store(true)
			break
		}
		n.add(name)
	}
	n.flush()
}

// tree walks through everything below the directory path. prefix is where its root lies below -O.
func (w *walker) tree(path, prefix string) {
	root, err := os.OpenRoot(path)
	if err != nil {
		w.fail(path, file.InputError(path, err))
		return
	}
	defer root.Close()
	if w.out != nil && w.isOutput(root) {
		beside := *w
		beside.out = nil
		w = &beside
	}
	// A stack of what is still to be looked at instead of recursion: however deep the tree is, few
	// directories are open.
	before := w.found
	for todo := []string{"."}; len(todo) > 0; {
		if w.stopped.Load() {
			w.untried.Store(true)
			return
		}
		rel := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		below := w.directory(root, path, rel, prefix)
		for _, name := range slices.Backward(below) {
			todo = append(todo, filepath.Join(rel, name))
		}
	}
	if w.reads && !w.batch.List && w.found == before {
		w.fail(path, exit.Errorf(exit.Other,
			"is it the right directory, and mounted? --suffix names another ending",
			"%s: no file below it ends in %s", ui.Shown(path), w.Suffix))
	}
}

// isOutput tells whether root is the directory of -O.
func (w *walker) isOutput(root *os.Root) bool {
	dir, err := file.OpenBelow(root, ".")
	if err != nil {
		return false
	}
	defer dir.Close()
	st, err := dir.Stat()
	return err == nil && st.ID == w.out.id
}

func (w *walker) fail(name string, err error) {
	w.found++
	w.tried.Add(1)
	w.failure(name, err)
}

// directory sends the files of one directory, and returns the names of the directories in it.
func (w *walker) directory(root *os.Root, base, rel, prefix string) (below []string) {
	path := base
	if rel != "." {
		path = prefixOf(base) + rel
	}
	in, err := file.OpenBelow(root, rel)
	if err != nil {
		w.fail(path, file.InputError(path, err))
		return nil
	}
	st, err := in.Stat()
	if err == nil && w.out != nil && rel != "." && st.ID == w.out.id {
		in.Close()
		w.skip(path, skipOutput)
		return nil
	}
	// All names before the first file: outputs beside the inputs must not be met as inputs.
	var entries []fs.DirEntry
	if err == nil {
		entries, err = in.ReadDir(-1)
	}
	if err != nil {
		in.Close()
		w.fail(path, file.InputError(path, err))
		return nil
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	d, err := w.folder(in, path, filepath.Join(prefix, rel), &st)
	if err != nil {
		in.Close()
		w.fail(path, err)
		return nil
	}
	defer d.leave()
	return w.sort(d, entries)
}

// folder joins an input directory with the one for its outputs, which is made where it is not
// there.
func (w *walker) folder(in *file.Dir, path, rel string, st *file.Stat) (*folder, error) {
	d := &folder{in: in, shown: prefixOf(path), rel: rel}
	if w.out == nil {
		return w.beside(d), nil
	}
	d.outShown = prefixOf(filepath.Join(w.out.path, rel))
	var err error
	if d.out, d.fresh, err = w.out.open(rel, st, w.work.DirPerm(st.Mode)); err != nil {
		return nil, err
	}
	return w.ready(d), nil
}

// beside has the outputs go where the inputs are.
func (w *walker) beside(d *folder) *folder {
	d.out, d.outShown = d.in, d.shown
	return w.ready(d)
}

// ready is a folder for its first user.
func (w *walker) ready(d *folder) *folder {
	d.use()
	if d.out == nil {
		return d
	}
	d.local = d.out.IsLocal()
	if d.out != d.in && !d.fresh && w.writes() {
		w.sweep(d.out)
	}
	return d
}

// sort hands out the files of a directory and returns its directories.
func (w *walker) sort(d *folder, entries []fs.DirEntry) (below []string) {
	u := &unit{dir: d}
	for _, e := range entries {
		name, mode := e.Name(), e.Type()
		switch {
		case mode.IsDir():
			below = append(below, name)
		case mode&fs.ModeSymlink != 0:
			w.link(d, name)
		case file.IsOwnTemp(name):
			if d.out == d.in && w.writes() && strings.HasSuffix(name, file.TempSuffix) {
				d.in.RemoveIfStale(name)
			}
			w.skip(d.show(name), skipTemp)
		case !mode.IsRegular():
			w.skip(d.show(name), skipSpecial)
		default:
			if why := w.work.Skips(name, d.out == d.in); why != "" {
				w.skip(d.show(name), why)
				continue
			}
			if u.names = append(u.names, name); len(u.names) == unitSize {
				w.send(u)
				u = &unit{dir: d}
			}
		}
	}
	w.send(u)
	return below
}

// sweep removes what killed runs left in a directory of outputs, once.
func (w *walker) sweep(dir *file.Dir) {
	if st, err := dir.Stat(); err == nil && !w.swept[st.ID] {
		w.swept[st.ID] = true
		dir.Sweep()
	}
}

func (w *walker) send(u *unit) {
	if len(u.names) == 0 && u.special == "" {
		return
	}
	if w.found += len(u.names); w.stopped.Load() {
		w.untried.Store(true)
		return
	}
	if u.dir != nil {
		u.dir.use()
	}
	w.units <- u
}
