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
	var from unix.Stat_t
	if unix.Fstat(int(in.Fd()), &from) != nil {
		return false
	}
	current, replaceable := compareOutput(unix.AT_FDCWD, filepath.Clean(t.target), &statedFile{int(in.Fd()), &from}, t.current)
	t.older = !current && replaceable
	if current && t.c.Bool("verbose") {
		note("%s: skipped: %s", display(t.name), skipUnchanged)
	}
	return current
}

// compareOutput asks rule, which is treeWork.current, about what has the output's name in dir. It is neither current nor replaceable if it is not there, no regular file, or the
// input itself: whatever it is comes out when the output gets its name.
func compareOutput(dir int, name string, in *statedFile, rule func(in, out *statedFile) (current, replaceable bool)) (current, replaceable bool) {
	out := -1
	err := retry(func() (err error) {
		out, err = unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return false, false
	}
	defer unix.Close(out)
	var there unix.Stat_t
	if unix.Fstat(out, &there) != nil || there.Mode&unix.S_IFMT != unix.S_IFREG || there.Ino == in.st.Ino && there.Dev == in.st.Dev {
		return false, false
	}
	return rule(in, &statedFile{out, &there})
}
