package cmd

import (
	"errors"
	"io/fs"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// What the workers made has no names yet. It gets them in batches: all of a batch is brought to the disk, then each file appears under its name, then the names are brought to
// the disk. Whenever the machine stops, each file is there whole, or what was there before.
//
// Where a whole file system can be synced at one go, one sync does for the names of a batch and the contents of the next. So 10 000 files take some 20 waits for the disk.

const (
	batchFiles  = 512
	batchBytes  = 256 << 20
	fewFiles    = 16 // so many are synced one by one: a sync of the file system would wait for everybody else's data too
	parallelism = 8  // of single syncs
)

// committer gives the outputs of a run their names.
type committer struct {
	run   *treeRun
	tree  *outTree // of -O; nil beside the files
	limit int      // descriptors that a batch may hold open

	mu    sync.Mutex
	now   *commitBatch // being filled
	queue chan *commitBatch
	ended chan struct{}

	// The rest belongs to the goroutine that commits.
	named     []*treeFile // with names that a sync has yet to bring to the disk
	dirs      []*folder   // the same for links
	aboveLock sync.Mutex
	above     map[string]bool // directories below -O whose own names are on the disk
}

// commitBatch is what gets its names together.
type commitBatch struct {
	files   []*treeFile
	links   []*folder // where symbolic links were made
	folders map[*folder]bool
	bytes   int64
}

func newCommitter(t *treeRun) *committer {
	c := &committer{run: t, limit: batchLimit(), now: &commitBatch{folders: map[*folder]bool{}}, queue: make(chan *commitBatch, 1), ended: make(chan struct{}), above: map[string]bool{}}
	go c.loop()
	return c
}

// batchLimit leaves room for the batches that are on their way, and for everything else.
func batchLimit() int {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil || r.Cur > 1<<20 {
		r.Cur = 1 << 20
	}
	return min(max(int(r.Cur)-128, 64)/4, 2*batchFiles)
}

// add takes over a finished file. Without syncs it gets its name at once.
func (c *committer) add(f *treeFile) {
	f.dir.use()
	if c.run.noSync {
		if c.publish(f) {
			c.settled(f)
		}
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.now
	b.files = append(b.files, f)
	b.bytes += f.size
	b.folders[f.dir] = true
	if len(b.files) >= batchFiles || b.bytes >= batchBytes || len(b.files)+2*len(b.folders) >= c.limit {
		c.send()
	}
}

// touch has the names in a directory be synced.
func (c *committer) touch(d *folder) {
	if c.run.noSync {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.now.links); n > 0 && c.now.links[n-1] == d {
		return
	}
	d.use()
	c.now.links = append(c.now.links, d)
	c.now.folders[d] = true
	if len(c.now.files)+2*len(c.now.folders) >= c.limit {
		c.send()
	}
}

// send hands the batch to the goroutine that commits, and waits if that is behind. The lock is held, so that the other workers wait as well.
func (c *committer) send() {
	c.queue <- c.now
	c.now = &commitBatch{folders: map[*folder]bool{}}
}

// finish commits what is left, and returns when all is on the disk.
func (c *committer) finish() {
	c.mu.Lock()
	c.send()
	c.mu.Unlock()
	close(c.queue)
	<-c.ended
	c.tree.close()
	c.run.log.flushed()
}

func (c *committer) loop() {
	defer close(c.ended)
	for b := range c.queue {
		c.commit(b)
	}
	c.end()
}

// commit brings a batch to the disk and publishes it.
func (c *committer) commit(b *commitBatch) {
	if len(b.files)+len(b.links) == 0 {
		return
	}
	if fd := c.commonDisk(b); fd >= 0 && len(b.files) > fewFiles && retry(func() error { return syncWhole(fd) }) == nil {
		c.settleNamed() // their names were part of it
	} else {
		c.syncFiles(b)
		c.syncNames()
	}
	for _, f := range b.files {
		if f.temp != nil && c.publish(f) {
			c.named = append(c.named, f)
		}
	}
	c.dirs = append(c.dirs, b.links...)
	c.run.log.flushed()
}

// end gives the directories that were made their attributes, and brings the last names to the disk.
func (c *committer) end() {
	if len(c.named) == 0 && c.run.fruitless() {
		c.tree.takeBack()
	}
	if c.run.noSync {
		c.blame(c.tree.finish(false))
		c.settleNamed()
		return
	}
	if len(c.named)+len(c.dirs)+c.tree.count() > fewFiles {
		if fd := c.commonDisk(nil); fd >= 0 {
			c.blame(c.tree.finish(false))
			if retry(func() error { return syncWhole(fd) }) == nil {
				c.settleNamed()
				return
			}
		}
	}
	c.blame(c.tree.finish(true))
	c.syncNames()
}

// blame keeps an error that is no single file's.
func (c *committer) blame(err error) {
	if err != nil {
		c.run.failure(shownOut(c.tree), err)
	}
}

func shownOut(o *outTree) string {
	if o == nil {
		return "output"
	}
	return o.path
}

// settleNamed is for files whose names are on the disk.
func (c *committer) settleNamed() {
	for _, f := range c.named {
		c.settled(f)
	}
	for _, d := range c.dirs {
		d.leave()
	}
	c.named, c.dirs = nil, nil
}

// publish gives a file its name and closes it. On a failure, which it tells, the file is gone.
func (c *committer) publish(f *treeFile) bool {
	err := f.appear()
	if err == nil && c.run.noSync && !f.dir.local {
		err = closeErrors(f.temp.fd)
	}
	if err != nil {
		err = f.outputError(err)
		f.giveUp()
		c.run.failure(f.path(), err)
		f.dir.leave()
		return false
	}
	f.drop()
	return true
}

// appear gives the file its name. What has the name already goes, if it is not a directory, not the input itself and nothing that the run needs, and the user wants it to.
func (f *treeFile) appear() error {
	live.ending.RLock()
	defer live.ending.RUnlock()
	err := f.temp.linkNew()
	if !f.force || !errors.Is(err, fs.ErrExist) {
		return err
	}
	var there unix.Stat_t
	if e := unix.Fstatat(f.temp.dir, f.target, &there, unix.AT_SYMLINK_NOFOLLOW); e == nil {
		if there.Mode&unix.S_IFMT == unix.S_IFDIR || there.Ino == f.in.Ino && there.Dev == f.in.Dev || f.run.ownFile(&there) != nil {
			return err
		}
	}
	return f.temp.replace()
}

// settled is for a file that is in its place for good.
func (c *committer) settled(f *treeFile) {
	defer f.dir.leave()
	c.run.finished(f)
	if c.run.remove {
		if err := f.removeInput(); err != nil {
			c.run.failure(f.path(), err)
		}
	}
}

// finished counts a file and tells of it.
func (t *treeRun) finished(f *treeFile) {
	t.done.Add(1)
	t.progress.fileDone()
	if t.log != nil {
		line := logLine{Input: f.path(), SHA256: f.sum, Duration: f.took.Seconds()}
		if f.sized {
			line.InputSize = &f.in.Size
		}
		if f.target != "" {
			line.Output, line.OutputSize = f.dir.showOut(f.target), &f.size
		}
		t.log.done(line, &f.record)
	}
	t.opened(f.record.keyID)
	if t.verbose {
		note("%s: %s", display(f.path()), f.story())
	}
}

// story is what -v tells of a file.
func (f *treeFile) story() string {
	how := "sealed for "
	if f.record.keyID != "" {
		how = "opened with "
	}
	if f.target != "" {
		how = shown(f.dir.showOut(f.target)) + " " + how
	}
	return how + strings.Join(f.record.keyIDs(), ", ") + " in " + f.took.Round(time.Microsecond).String()
}

// removeInput is --rm. What has the input's name by now must be what was read.
func (f *treeFile) removeInput() error {
	var now unix.Stat_t
	dir, flags := int(f.dir.in.Fd()), unix.AT_SYMLINK_NOFOLLOW
	if f.named {
		flags = 0
	}
	err := unix.Fstatat(dir, f.name, &now, flags)
	if err == nil && (now.Ino != f.in.Ino || now.Dev != f.in.Dev || now.Size != f.in.Size || now.Mtim != f.in.Mtim) {
		return fail(exitOther, "", "%s: output is written, but the input is kept: it was changed meanwhile", shown(f.path()))
	}
	if err == nil {
		err = retry(func() error { return unix.Unlinkat(dir, f.name, 0) })
	}
	if err != nil {
		return fail(exitOther, "", "%s: output is written, but the input could not be removed: %w", shown(f.path()), err)
	}
	return nil
}
