package cmd

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
)

// A run over many files: those below directories, those of a list, or several on the command line. One goroutine walks (tree_walk.go) and hands out files by the
// directory; workers seal or open them (tree_file.go); what they made gets its names in batches, once it is on the disk (tree_commit.go).
//
// Every directory below the tree's root and below -O is opened by way of os.Root, and files by a single name relative to their directory's descriptor, without following a
// link. So nothing outside the roots is read or written, whoever swaps directories for links meanwhile.

// treeWork is what a command does to each file.
type treeWork interface {
	// verb is the command's name.
	verb() string
	// target is the name of the output of a file of this name, "" for a command that writes nothing.
	target(name string) (string, error)
	// skips tells why a file in a tree is no input, "" if it is one. beside says that the outputs go beside the inputs.
	skips(name string, beside bool) string
	// check is what a dry run can find out about an input without asking a key service.
	check(ctx context.Context, in *input) error
	// perm is the mode of an output whose input has this one, dirPerm the same for directories.
	perm(os.FileMode) os.FileMode
	dirPerm(os.FileMode) os.FileMode
	// canWhole tells whether small files may go to whole.
	canWhole() bool
	// whole appends to dst the output of a file whose contents are src, and fills the record of ctx. errStream sends the file to stream.
	whole(ctx context.Context, dst, src []byte) ([]byte, error)
	// stream does the same for a file of any size, read from src, which is in. alone says that it may use all cores.
	stream(ctx context.Context, dst io.Writer, src io.Reader, in *input, alone bool) error
	// single does all for something that is not a regular file.
	single(ctx context.Context, name string) error
	// current tells whether out is the output of in, as far as times and sizes tell; replaceable, if not, that it is an older one.
	current(in, out *statedFile) (current, replaceable bool)
	// fatal tells whether all further files would fail by err too.
	fatal(err error) bool
}

// errStream says that a small file is not for treeWork.whole.
var errStream = errors.New("to be worked on as a stream")

// treeRun is one run.
type treeRun struct {
	treeOptions
	c        *cli.Context
	ctx      context.Context
	work     treeWork
	commits  *committer
	progress *progress
	log      *fileLog
	own      []*input // what no output may replace
	reads    bool     // the command writes nothing
	bigFiles chan struct{}

	tally
}

// tally is what has come of the files so far.
type tally struct {
	done    atomic.Int64
	tried   atomic.Int64
	stopped atomic.Bool // no further file is begun
	untried atomic.Bool // one was there
	over    atomic.Bool // the run has ended
	found   int         // files that the walk has come to, for itself alone

	mu      sync.Mutex
	failed  int
	names   []string // of the first that failed
	first   error
	fatal   error // why all was stopped
	hints   hints
	skipped map[string]int // what was left out, by reason
	keys    map[string]int // files by the key that opened them
}

const (
	mostNamed  = 20     // failed files in the last line
	mostErrors = 10_000 // failures that get a line when they happen
)

// newTreeRun makes a run out of the flags. The caller ends it with finish.
func newTreeRun(ctx context.Context, c *cli.Context, work treeWork, log *fileLog) (*treeRun, error) {
	o, err := newTreeOptions(c)
	if err != nil {
		return nil, err
	}
	if c.String("header") != "" {
		return nil, fail(exitUsage, "run it once for each file", "--header goes with one file")
	}
	if o.remove && o.noSync {
		warn("inputs are kept: --rm removes a file only once its output is safely on the disk, and --no-sync does not wait for that")
		o.remove = false
	}
	if o.jobs == 0 {
		o.jobs = runtime.NumCPU()
	}
	t := &treeRun{treeOptions: o, c: c, ctx: ctx, work: work, log: log, own: ownFilesOf(c), reads: work.verb() == verbVerify, bigFiles: make(chan struct{}, 1)}
	t.skipped, t.keys = map[string]int{}, map[string]int{}
	mode, err := parseProgressMode(c.String("progress"))
	if err != nil {
		return nil, err
	}
	t.progress = newTreeProgress(mode, o.quiet || o.dryRun)
	t.commits = newCommitter(t)
	return t, nil
}

// runTree works through all names of the batch.
func (b *batch) runTree(ctx context.Context, work treeWork) error {
	t, err := newTreeRun(ctx, b.c, work, b.log)
	if err != nil {
		return err
	}
	forget := atExit(t.interrupted)
	defer forget()
	if t.progress.shows() {
		go t.measure(b.names)
	}
	units := make(chan *unit, t.jobs)
	var workers sync.WaitGroup
	for range t.jobs {
		workers.Go(func() {
			w := newTreeWorker(t)
			defer w.wipe()
			for u := range units {
				w.unit(u)
			}
		})
	}
	ballast := make([]byte, treeBallast)
	t.walk(b, units)
	close(units)
	workers.Wait()
	t.commits.finish()
	runtime.KeepAlive(ballast)
	return t.finish()
}

// treeBallast is memory that is never touched, and so is none to the system, but makes the garbage collector wait for twice as much before it runs. Otherwise it would for every few
// hundred small files, whose own memory is 1 or 2 MiB: a sixth of the time. Unlike a higher GOGC it does not multiply what a run needs that has much to remember.
const treeBallast = 8 << 20

// failure is for a file that came to nothing: it is said at once, and counted.
func (t *treeRun) failure(name string, err error) {
	if !t.recursive { // below a directory no link is followed, and no name is opened again
		err = advise(t.work.verb(), name, err)
	}
	err = named(name, err)
	fatal := t.work.fatal(err) || isOutOfSpace(err)
	t.mu.Lock()
	if t.fatal != nil && fatal { // one of those that failed together with the one that stopped the run
		t.mu.Unlock()
		return
	}
	t.failed++
	if t.first == nil {
		t.first = err
	}
	if len(t.names) < mostNamed {
		t.names = append(t.names, name)
	}
	if fatal {
		t.fatal = err
		t.stopped.Store(true)
	}
	if t.failFast {
		t.stopped.Store(true)
	}
	t.progress.fail()
	line := t.failed
	t.mu.Unlock()
	t.log.failed(name, err)
	if !fatal {
		t.say(line, err)
	}
}

// say prints a failure, and each hint once.
func (t *treeRun) say(line int, err error) {
	if line > mostErrors {
		return
	}
	t.hints.say(err)
	if line == mostErrors {
		note("%d files have failed: further ones are not shown one by one", line)
	}
}

// skip counts a file that is left out, and names it where the user wants to know.
func (t *treeRun) skip(name, why string) {
	t.mu.Lock()
	t.skipped[why]++
	t.mu.Unlock()
	if t.verbose {
		note("%s: skipped: %s", display(name), why)
	}
}

// opened counts a file by the key that opened it, if there was one.
func (t *treeRun) opened(keyID string) {
	if keyID == "" {
		return
	}
	t.mu.Lock()
	t.keys[keyID]++
	t.mu.Unlock()
}

// isOutOfSpace tells whether no further file could be written either.
func isOutOfSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EROFS)
}

// ownFile is the one of the run's own files that st is of, nil if it is none of them.
func (t *treeRun) ownFile(st *unix.Stat_t) *input {
	id := fileID{uint64(st.Dev), uint64(st.Ino)}
	for _, in := range t.own {
		if idOf(in.info) == id {
			return in
		}
	}
	return nil
}
