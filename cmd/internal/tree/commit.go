package tree

import (
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/proc"
	"github.com/envseal/envseal/cmd/internal/ui"
)

// What the workers made has no names yet. It gets them in batches: all of a batch is brought to the
// disk, then each file appears under its name, then the names are brought to the disk. Whenever the
// machine stops, each file is there whole, or what was there before.
//
// Where a whole file system can be synced at one go, one sync does for the names of a batch and the
// contents of the next. So 10 000 files take some 20 waits for the disk.

const (
	batchFiles = 512
	batchBytes = 256 << 20
	// so many are synced one by one: the file system may have everybody else's data too
	fewFiles    = 16
	parallelism = 8 // of single syncs
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
	c := &committer{
		run: t, limit: batchLimit(), now: &commitBatch{folders: map[*folder]bool{}},
		queue: make(chan *commitBatch, 1), ended: make(chan struct{}), above: map[string]bool{},
	}
	go c.loop()
	return c
}

// batchLimit leaves room for the batches that are on their way, and for everything else.
func batchLimit() int {
	return min(max(proc.MostDescriptors()-128, 64)/4, 2*batchFiles)
}

// add takes over a finished file. Without syncs it gets its name at once.
func (c *committer) add(f *treeFile) {
	f.dir.use()
	if c.run.NoSync {
		if c.synced(f) && c.publish(f) {
			c.inPlace(f)
		}
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.now
	b.files = append(b.files, f)
	b.bytes += f.size
	b.folders[f.dir] = true
	c.sendIfFull()
}

// touch has the names in a directory be synced.
func (c *committer) touch(d *folder) {
	if c.run.NoSync {
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
	c.sendIfFull()
}

func (c *committer) sendIfFull() {
	b := c.now
	if len(b.files) >= batchFiles || b.bytes >= batchBytes ||
		len(b.files)+2*len(b.folders) >= c.limit {
		c.send()
	}
}

// send hands the batch to the goroutine that commits, and waits if that is behind. The lock is
// held, so that the other workers wait as well.
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
	c.run.log.Flushed()
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
	if disk := c.commonDisk(b); disk != nil && len(b.files) > fewFiles && disk.SyncWhole() == nil {
		c.namesSynced() // their names were part of it
	} else {
		inParallel(len(b.files), func(i int) { c.synced(b.files[i]) })
		c.syncNames()
	}
	for _, f := range b.files {
		if f.out != nil && c.publish(f) {
			c.named = append(c.named, f)
		}
	}
	c.dirs = append(c.dirs, b.links...)
	c.run.log.Flushed()
}

// end gives the directories that were made their attributes, and brings the last names to the disk.
func (c *committer) end() {
	if len(c.named) == 0 && c.run.fruitless() {
		c.tree.takeBack()
	}
	if c.run.NoSync {
		c.blame(c.tree.finish(false))
		c.namesSynced()
		return
	}
	if len(c.named)+len(c.dirs)+c.tree.count() > fewFiles {
		if disk := c.commonDisk(nil); disk != nil {
			c.blame(c.tree.finish(false))
			if disk.SyncWhole() == nil {
				c.namesSynced()
				return
			}
		}
	}
	c.blame(c.tree.finish(true))
	c.syncNames()
}

// blame keeps an error that is no single file's.
func (c *committer) blame(err error) {
	if err == nil {
		return
	}
	name := "output"
	if c.tree != nil {
		name = c.tree.path
	}
	c.run.failure(name, err)
}

// namesSynced is for files whose names are on the disk.
func (c *committer) namesSynced() {
	for _, f := range c.named {
		c.inPlace(f)
	}
	for _, d := range c.dirs {
		d.leave()
	}
	c.named, c.dirs = nil, nil
}

// synced brings a file to the disk by itself. On a failure, which it tells, the file is gone.
func (c *committer) synced(f *treeFile) bool { return c.step(f, f.out.Sync(!f.dir.local)) }

// publish gives a file its name and closes it. On a failure, which it tells, the file is gone.
func (c *committer) publish(f *treeFile) bool {
	_, err := f.out.Publish()
	if !c.step(f, err) {
		return false
	}
	f.giveUp() // which has its name
	return true
}

// step gives a file up after an error.
func (c *committer) step(f *treeFile, err error) bool {
	if err == nil {
		return true
	}
	err = f.out.Failure(err)
	f.giveUp()
	c.run.failure(f.path(), err)
	f.dir.leave()
	return false
}

// inPlace is for a file that is in its place for good.
func (c *committer) inPlace(f *treeFile) {
	defer f.dir.leave()
	c.run.finished(f)
	if c.run.Remove {
		if err := f.in.Remove(); err != nil {
			c.run.failure(f.path(), err)
		}
	}
}

// commonDisk is a directory on the file system of all outputs that wait, nil if they lie on several
// or on one that cannot be synced as a whole.
func (c *committer) commonDisk(b *commitBatch) *file.Dir {
	dirs := map[*file.Dir]bool{}
	if c.tree != nil && c.tree.dir != nil {
		dirs[c.tree.dir] = true
	}
	if b != nil {
		for d := range b.folders {
			dirs[d.out] = true
		}
	}
	for _, f := range c.named {
		dirs[f.dir.out] = true
	}
	var some *file.Dir
	var disk uint64
	for dir := range dirs {
		st, err := dir.Stat()
		if err != nil || some != nil && st.Dev != disk {
			return nil
		}
		some, disk = dir, st.Dev
	}
	if some == nil || !some.SyncsWhole() {
		return nil
	}
	return some
}

// syncNames syncs the directories in which files were published.
func (c *committer) syncNames() {
	failed := map[*folder]error{}
	for _, f := range c.named {
		failed[f.dir] = nil
	}
	for _, d := range c.dirs {
		failed[d] = nil
	}
	all := slices.Collect(maps.Keys(failed))
	errs := make([]error, len(all))
	inParallel(len(all), func(i int) { errs[i] = c.syncFolder(all[i]) })
	for i, d := range all {
		failed[d] = errs[i]
	}
	kept := c.named[:0]
	for _, f := range c.named {
		if err := failed[f.dir]; err != nil {
			c.run.failure(f.path(),
				exit.Errorf(exit.Output, "", "%s: is written, but may be gone after a power cut: "+
					"sync of its directory: %w", ui.Shown(f.outPath()), exit.Reason(err)))
			f.dir.leave()
			continue
		}
		kept = append(kept, f)
	}
	c.named = kept
	c.namesSynced()
}

// syncFolder syncs a directory of outputs, and where this run made it, its name and those above it.
func (c *committer) syncFolder(d *folder) error {
	if err := d.out.Sync(); err != nil || !d.fresh {
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
