package cmd

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// refuseRemoval refuses a single input whose data --rm would leave behind, before anything is made of it. Where --rm keeps the input anyhow, it has no say.
func (t *transfer) refuseRemoval(in *input) error {
	_, descriptor := descriptorNumber(t.name)
	if !t.c.Bool("rm") || t.c.Bool("force") || t.c.Bool("no-sync") || t.target == "-" || !in.regular || in.path == "" || descriptor {
		return nil
	}
	if info, err := os.Lstat(in.path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return symlinkStays(in.path)
	}
	if st, ok := in.info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 {
		return hardLinksStay(in.path, uint64(st.Nlink))
	}
	return nil
}

// refuseRemoval is the same for a file of many.
func (w *treeWorker) refuseRemoval(f *treeFile) error {
	if !w.remove || w.force {
		return nil
	}
	var name unix.Stat_t
	if f.named && unix.Fstatat(int(f.dir.in.Fd()), f.name, &name, unix.AT_SYMLINK_NOFOLLOW) == nil && name.Mode&unix.S_IFMT == unix.S_IFLNK {
		return symlinkStays(f.path())
	}
	if f.in.Nlink > 1 {
		return hardLinksStay(f.path(), uint64(f.in.Nlink))
	}
	return nil
}

func symlinkStays(name string) error {
	return fail(exitOther, "-f removes the link all the same", "%s: is a symbolic link: --rm would leave the file that it leads to", shown(name))
}

func hardLinksStay(name string, links uint64) error {
	return fail(exitOther, "-f removes this name all the same", "%s: is one of %d hard links: --rm would leave the file under the others", shown(name), links)
}
