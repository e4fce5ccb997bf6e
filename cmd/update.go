package cmd

import (
	"path/filepath"

	"golang.org/x/sys/unix"
)

// upToDate is --update for a single file: whether it is left out, since its output is there, by the rule for the files of a tree (treeWork.current). Where an older output is
// there, it lets the transfer replace that.
func (t *transfer) upToDate(in *input) bool {
	whole := in.regular && in.size == in.info.Size() // not one whose beginning was read by somebody else
	if !t.c.Bool("update") || t.current == nil || !whole || !t.mtime || t.to != nil || t.target == "-" {
		return false
	}
	if _, ok := descriptorNumber(t.target); ok {
		return false
	}
	out := -1
	err := retry(func() (err error) {
		out, err = unix.Open(filepath.Clean(t.target), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return false // not there, or whatever it is comes out when the output is made
	}
	defer unix.Close(out)
	var from, there unix.Stat_t
	if unix.Fstat(int(in.Fd()), &from) != nil || unix.Fstat(out, &there) != nil || there.Mode&unix.S_IFMT != unix.S_IFREG || there.Ino == from.Ino && there.Dev == from.Dev {
		return false
	}
	current, replaceable := t.current(&statedFile{int(in.Fd()), &from}, &statedFile{out, &there})
	t.older = !current && replaceable
	if current && t.c.Bool("verbose") {
		note("%s: skipped: %s", display(t.name), skipUnchanged)
	}
	return current
}
