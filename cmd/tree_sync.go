package cmd

import (
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// noWholeSync has the tests take the way of file systems that cannot be synced as a whole.
var noWholeSync = false

// commonDisk is a descriptor on the file system of all outputs that wait, -1 if they lie on several or on one that cannot be synced as a whole.
func (c *committer) commonDisk(b *commitBatch) int {
	var on uint64
	some := -1
	same := func(dir *os.File) bool {
		var st unix.Stat_t
		if unix.Fstat(int(dir.Fd()), &st) != nil || some >= 0 && uint64(st.Dev) != on {
			return false
		}
		on, some = uint64(st.Dev), int(dir.Fd())
		return true
	}
	if c.tree != nil && c.tree.dir != nil && !same(c.tree.dir) {
		return -1
	}
	if b != nil {
		for d := range b.folders {
			if !same(d.out) {
				return -1
			}
		}
	}
	for _, f := range c.named {
		if !same(f.dir.out) {
			return -1
		}
	}
	if some < 0 || noWholeSync || !canSyncWhole(some) {
		return -1
	}
	return some
}

// syncFiles syncs the files of a batch one by one, and gives those up that cannot be.
func (c *committer) syncFiles(b *commitBatch) {
	inParallel(len(b.files), func(i int) {
		f := b.files[i]
		if err := retry(func() error { return unix.Fsync(f.temp.fd) }); err != nil {
			f.giveUp()
			c.run.failure(f.path(), f.outputError(err))
			f.dir.leave()
		}
	})
}

// syncNames syncs the directories in which files were published.
func (c *committer) syncNames() {
	var all []*folder
	seen := map[*folder]int{}
	add := func(d *folder) {
		if _, ok := seen[d]; !ok {
			seen[d] = len(all)
			all = append(all, d)
		}
	}
	for _, f := range c.named {
		add(f.dir)
	}
	for _, d := range c.dirs {
		add(d)
	}
	failed := make([]error, len(all))
	if !c.run.noSync {
		inParallel(len(all), func(i int) { failed[i] = c.syncFolder(all[i]) })
	}
	kept := c.named[:0]
	for _, f := range c.named {
		if err := failed[seen[f.dir]]; err != nil {
			c.run.failure(f.path(), fail(exitOutput, "", "%s: is written, but may be gone after a power cut: sync of its directory: %w", shown(f.dir.showOut(f.target)), reason(err)))
			f.dir.leave()
			continue
		}
		kept = append(kept, f)
	}
	c.named = kept
	c.settleNamed()
}

// syncFolder syncs a directory of outputs, and where this run made it, its name and those above it.
func (c *committer) syncFolder(d *folder) error {
	if err := syncDirectory(d.out, d.out); err != nil || !d.fresh {
		return err
	}
	for rel := d.rel; rel != "."; rel = filepath.Dir(rel) {
		if c.isAbove(rel) {
			return nil
		}
		if err := c.tree.sync(filepath.Dir(rel)); err != nil {
			return err
		}
	}
	return nil
}

// isAbove tells whether the name of the directory rel is on the disk, and that it will be if not.
func (c *committer) isAbove(rel string) bool {
	c.aboveLock.Lock()
	defer c.aboveLock.Unlock()
	done := c.above[rel]
	c.above[rel] = true
	return done
}

// closeErrors asks a network file system for the errors that it tells only when a file is closed.
func closeErrors(fd int) error {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return unix.Close(dup)
}

// inParallel calls do for 0..n-1, several at a time.
func inParallel(n int, do func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, parallelism) {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
