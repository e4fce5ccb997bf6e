package cmd

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Why something in a tree is left out.
const (
	skipLink      = "symbolic link, which is not followed (--links=keep makes it again)"
	skipSpecial   = "not a regular file"
	skipTemp      = "temp file of an interrupted run"
	skipOutput    = "the output directory itself"
	skipUnchanged = "unchanged"
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
	batch *batch
	list  bool // the names come from a list, and keep their paths below -O
}

// walk sends the files of all names to units.
func (t *treeRun) walk(b *batch, units chan<- *unit) {
	w := &walker{treeRun: t, units: units, batch: b, list: b.list}
	if t.outputDir != "" {
		out, err := openOutTree(t.outputDir, t.recursive, t.dryRun)
		if err != nil {
			t.tried.Add(1)
			t.failure(t.outputDir, err)
			return
		}
		w.out = out
		t.commits.tree = out
	}
	n := namedFiles{walker: w}
	for _, name := range b.names {
		if t.stopped.Load() {
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
		w.fail(path, inputError(path, err))
		return
	}
	defer root.Close()
	if info, err := root.Stat("."); err == nil && w.out != nil && idOf(info) == w.out.id {
		beside := *w
		beside.out = nil
		w = &beside
	}
	// A stack of what is still to be looked at instead of recursion: however deep the tree is, few directories are open.
	for todo := []string{"."}; len(todo) > 0 && !w.stopped.Load(); {
		rel := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		below := w.directory(root, path, rel, prefix)
		for _, name := range slices.Backward(below) {
			todo = append(todo, joined(rel, name))
		}
	}
}

func (w *walker) fail(name string, err error) {
	w.tried.Add(1)
	w.failure(name, err)
}

// directory sends the files of one directory, and returns the names of the directories in it.
func (w *walker) directory(root *os.Root, base, rel, prefix string) (below []string) {
	path := joined(base, rel)
	if base[len(base)-1] == filepath.Separator {
		path = joined(base[:len(base)-1], rel)
	}
	in, err := openBelow(root, rel)
	if err != nil {
		w.fail(path, inputError(path, err))
		return nil
	}
	info, err := in.Stat()
	if err == nil && w.out != nil && rel != "." && idOf(info) == w.out.id {
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
		w.fail(path, inputError(path, err))
		return nil
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	d, err := w.folder(in, path, joined(prefix, rel), info)
	if err != nil {
		in.Close()
		w.fail(path, err)
		return nil
	}
	defer d.leave()
	return w.sort(d, entries)
}

// folder joins an input directory with the one for its outputs, which is made where it is not there.
func (w *walker) folder(in *os.File, path, rel string, info os.FileInfo) (*folder, error) {
	d := &folder{in: in, shown: prefixOf(path), rel: rel}
	if w.out == nil {
		return w.beside(d), nil
	}
	d.outShown = prefixOf(joined(filepath.Clean(w.out.path), rel))
	var err error
	d.out, d.fresh, err = w.out.open(rel, info, w.work.dirPerm(info.Mode()))
	return w.ready(d, err)
}

// beside has the outputs go where the inputs are.
func (w *walker) beside(d *folder) *folder {
	d.out, d.outShown = d.in, d.shown
	d, _ = w.ready(d, nil)
	return d
}

// ready is what both ways end with.
func (w *walker) ready(d *folder, err error) (*folder, error) {
	if err != nil {
		return nil, err
	}
	d.use()
	if d.out == nil {
		return d, nil
	}
	d.local = isLocal(int(d.out.Fd()))
	if d.out != d.in && !d.fresh && !w.dryRun {
		removeStale(d.out)
	}
	return d, nil
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
		case isOwnTemp(name):
			if d.out == d.in && !w.dryRun && strings.HasSuffix(name, tempSuffix) {
				removeIfStale(d.in, name)
			}
			w.skip(d.show(name), skipTemp)
		case !mode.IsRegular():
			w.skip(d.show(name), skipSpecial)
		default:
			if why := w.notForUs(d, name); why != "" {
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

// notForUs tells why a file is no input. A sealed file among the inputs of encrypt, where the outputs go beside them, is most likely the output of an earlier run; below -O, where the
// two cannot be mixed up, it is sealed like any other.
func (w *walker) notForUs(d *folder, name string) string {
	if w.work.verb() == verbEncrypt {
		if d.out == d.in && strings.HasSuffix(name, w.suffix) {
			return "name ends in " + w.suffix + " already"
		}
		return ""
	}
	if _, err := w.work.target(name); err != nil {
		return "name does not end in " + w.suffix
	}
	return ""
}

func (w *walker) send(u *unit) {
	if len(u.names) == 0 && u.special == "" || w.stopped.Load() {
		return
	}
	if u.dir != nil {
		u.dir.use()
	}
	w.units <- u
}

// isOwnTemp knows the names of temp files and of journals.
func isOwnTemp(name string) bool {
	return strings.HasPrefix(name, tempPrefix) && (strings.HasSuffix(name, tempSuffix) || strings.HasSuffix(name, ".journal"))
}

// link makes a symbolic link again, if that is asked for.
func (w *walker) link(d *folder, name string) {
	if !w.keepLinks || d.out == d.in {
		if d.out != d.in || w.verbose {
			w.skip(d.show(name), skipLink)
		}
		return
	}
	if w.dryRun {
		note("%s: would make the symbolic link %s", display(d.show(name)), d.showOut(name))
		return
	}
	if err := w.copyLink(d, name); err != nil {
		w.fail(d.show(name), fail(exitOutput, "", "%s: %w", shown(d.showOut(name)), reason(err)))
		return
	}
	w.commits.touch(d)
}

func (w *walker) copyLink(d *folder, name string) error {
	from, to := int(d.in.Fd()), int(d.out.Fd())
	target, err := readLinkAt(from, name)
	if err != nil {
		return err
	}
	live.ending.RLock()
	defer live.ending.RUnlock()
	err = unix.Symlinkat(target, to, name)
	if err == unix.EEXIST {
		if there, e := readLinkAt(to, name); e == nil && there == target {
			return nil
		}
		if !w.force && !w.update {
			return existsError(shown(d.showOut(name)))
		}
		temp := tempName()
		if err = unix.Symlinkat(target, to, temp); err == nil {
			if err = unix.Renameat(to, temp, to, name); err != nil {
				_ = unix.Unlinkat(to, temp, 0)
			}
		}
	}
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if unix.Fstatat(from, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
		times := []unix.Timespec{st.Atim, st.Mtim}
		_ = unix.UtimesNanoAt(to, name, times, unix.AT_SYMLINK_NOFOLLOW)
	}
	return nil
}

func readLinkAt(dir int, name string) (string, error) {
	buf := make([]byte, 4096)
	n, err := unix.Readlinkat(dir, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// namedFiles gathers files that were named one by one into units of the same directory.
type namedFiles struct {
	*walker
	unit   *unit
	parent string
}

// add takes a name from the command line or a list.
func (n *namedFiles) add(name string) {
	info, err := os.Stat(name)
	if err != nil {
		n.fail(name, inputError(name, err))
		return
	}
	switch mode := info.Mode(); {
	case mode.IsDir() && n.recursive:
		n.flush()
		n.addTree(name)
	case mode.IsDir():
		n.fail(name, directoryError(name))
	case !mode.IsRegular():
		n.flush()
		n.send(&unit{special: name, named: true})
	default:
		n.file(name)
	}
}

// directory walks through a tree. Below -O, one that was named on the command line is the root itself, and one of a list keeps its path.
func (n *namedFiles) addTree(name string) {
	prefix := "."
	if n.list && n.out != nil {
		prefix = filepath.Clean(name)
		if err := n.makeParent(prefix); err != nil {
			n.fail(name, err)
			return
		}
	}
	n.tree(name, prefix)
}

// makeParent makes the directory below -O in which rel lies.
func (n *namedFiles) makeParent(rel string) error {
	if !filepath.IsLocal(rel) {
		return errNotBelow
	}
	dir, _, err := n.out.openAll(filepath.Dir(rel), n.work.dirPerm)
	if dir != nil {
		dir.Close()
	}
	return err
}

var errNotBelow = fail(exitUsage, "go to a directory above the files, and name them from there", "-O keeps the paths of a list, and this one does not lie below the current directory")

// file adds a regular file to the unit of its directory.
func (n *namedFiles) file(name string) {
	parent, base := filepath.Split(name)
	if parent == "" {
		parent = "."
	}
	if n.unit == nil || parent != n.parent {
		n.flush()
		d, err := n.openParent(parent)
		if err != nil {
			n.fail(name, err)
			return
		}
		n.unit, n.parent = &unit{dir: d, named: true}, parent
	}
	if err := n.take(base, name); err != nil {
		n.fail(name, err)
		return
	}
	if n.unit.names = append(n.unit.names, base); len(n.unit.names) == unitSize {
		n.send(n.unit)
		n.unit = &unit{dir: n.unit.dir, named: true}
	}
}

// take keeps two files from one output, as files of several directories could have it below -O. A list keeps the paths.
func (n *namedFiles) take(base, name string) error {
	target, err := n.work.target(base)
	if err != nil || n.list {
		return err
	}
	return n.batch.take(n.unit.dir.showOut(target), name)
}

// openParent opens the directory of a named file. Links in its path are followed: it was the user who wrote it.
func (n *namedFiles) openParent(parent string) (*folder, error) {
	in, err := openDirectory(parent)
	if err != nil {
		return nil, inputError(parent, err)
	}
	info, err := in.Stat()
	if err != nil {
		in.Close()
		return nil, inputError(parent, err)
	}
	d, err := n.joinNamed(&folder{in: in, shown: prefixOf(parent)}, parent, info)
	if err != nil {
		in.Close()
	}
	return d, err
}

// joinNamed joins the directory of named files with the one for their outputs.
func (n *namedFiles) joinNamed(d *folder, parent string, info os.FileInfo) (_ *folder, err error) {
	rel := filepath.Clean(parent)
	switch {
	case n.out == nil || idOf(info) == n.out.id:
		return n.beside(d), nil
	case !n.list:
		rel = "."
	case !filepath.IsLocal(rel):
		return nil, errNotBelow
	}
	d.rel, d.outShown = rel, prefixOf(joined(filepath.Clean(n.out.path), rel))
	d.out, d.fresh, err = n.out.openAll(rel, n.work.dirPerm)
	return n.ready(d, err)
}

// flush sends what is gathered.
func (n *namedFiles) flush() {
	if n.unit == nil {
		return
	}
	d := n.unit.dir
	n.send(n.unit)
	d.leave()
	n.unit = nil
}
