package tree

import (
	"path/filepath"

	"github.com/envseal/envseal/cmd/internal/batch"
	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
)

// namedFiles gathers files that were named one by one into units of the same directory.
type namedFiles struct {
	*walker
	unit   *unit
	parent string
}

// add takes a name from the command line or a list.
func (n *namedFiles) add(name string) {
	st, err := file.StatPath(name, true)
	if err != nil {
		n.fail(name, file.InputError(name, err))
		return
	}
	switch mode := st.Mode; {
	case mode.IsDir() && n.Recursive:
		n.flush()
		n.addTree(name)
	case mode.IsDir():
		n.fail(name, file.DirectoryError(name))
	case !mode.IsRegular():
		n.flush()
		n.send(&unit{special: name, named: true})
	default:
		n.file(name)
	}
}

// addTree walks through a directory. Below -O, one that was named on the command line is the root
// itself, and one of a list keeps its path.
func (n *namedFiles) addTree(name string) {
	prefix := "."
	if n.batch.List && n.out != nil {
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
	dir, _, err := n.out.openAll(filepath.Dir(rel), n.work.DirPerm)
	if dir != nil {
		dir.Close()
	}
	return err
}

var errNotBelow = exit.Errorf(exit.Usage,
	"go to a directory above the files, and name them from there",
	"-O keeps the paths of a list, and this one does not lie below the current directory")

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

// take keeps two files from one output, as files of several directories could have it below -O. A
// list keeps the paths.
func (n *namedFiles) take(base, name string) error {
	target, err := n.work.Target(base)
	if err == nil && target != "" && n.out == nil {
		err = batch.CheckBeside(name)
	}
	if err != nil || n.batch.List || target == "" {
		return err
	}
	return n.batch.Take(n.unit.dir.showOut(target), name)
}

// openParent opens the directory of a named file. Links in its path are followed: it was the user
// who wrote it.
func (n *namedFiles) openParent(parent string) (*folder, error) {
	in, err := file.OpenDir(parent)
	if err != nil {
		return nil, file.InputError(parent, err)
	}
	st, err := in.Stat()
	if err != nil {
		in.Close()
		return nil, file.InputError(parent, err)
	}
	d, err := n.joinNamed(&folder{in: in, shown: prefixOf(parent)}, parent, &st)
	if err != nil {
		in.Close()
	}
	return d, err
}

// joinNamed joins the directory of named files with the one for their outputs.
func (n *namedFiles) joinNamed(d *folder, parent string, st *file.Stat) (_ *folder, err error) {
	rel := filepath.Clean(parent)
	switch {
	case n.out == nil || st.ID == n.out.id:
		if n.writes() { // a walk does this as it comes by
			n.sweep(d.in)
		}
		return n.beside(d), nil
	case !n.batch.List:
		rel = "."
	case !filepath.IsLocal(rel):
		return nil, errNotBelow
	}
	d.rel, d.outShown = rel, prefixOf(filepath.Join(n.out.path, rel))
	if d.out, d.fresh, err = n.out.openAll(rel, n.work.DirPerm); err != nil {
		return nil, err
	}
	return n.ready(d), nil
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
