// Package tree works on many files: those below directories, those of a list, or several of a
// command line.
//
// One goroutine walks and hands out files by the directory (walk.go, and names.go for those that
// the user named); workers seal or open them (file.go); what they made gets its names in batches,
// once it is on the disk (commit.go). Start with Run; Work is what a command has to bring.
//
// Every directory below the root of a tree and below -O is opened by way of os.Root, and files by a
// single name in their directory, without following a link. So nothing outside the roots is read or
// written, whoever swaps directories for links meanwhile. No input is removed before its output has
// its name on the disk.
package tree

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/envseal/envseal/cmd/internal/batch"
	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/proc"
	"github.com/envseal/envseal/cmd/internal/transfer"
	"github.com/envseal/envseal/cmd/internal/ui"
)

// ErrStream says that a small file is not for Work.Whole.
var ErrStream = errors.New("to be worked on as a stream")

// treeRun is one run.
type treeRun struct {
	flags.Work
	ctx      context.Context
	work     Work
	commits  *committer
	progress *ui.Progress
	log      *transfer.Log
	own      []file.Guarded // what no output may replace
	reads    bool           // the command writes nothing
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
	hints   ui.Hints
	skipped map[string]int // what was left out, by reason
	keys    map[string]int // files by the key that opened them
}

const (
	mostErrors = 10_000 // failures that get a line when they happen
)

// Run works through the files of the batch: one by itself, many side by side. own is what no
// output may replace.
func Run(ctx context.Context, b *batch.Files, own []file.Guarded, work Work) error {
	log, err := transfer.NewLog(b.Work, work.Verb(), own)
	if err != nil {
		return err
	}
	own = append(own, log.Guard()...)
	if b.IsMany() {
		err = runTree(ctx, b, own, work, log)
	} else {
		err = b.Run(ctx, func(ctx context.Context, name string) error {
			_, err := work.Single(ctx, name, log)
			return err
		})
		if err != nil {
			log.Failed(ui.InputName(b.Names[0]), err)
		}
	}
	if e := log.Close(); err == nil {
		err = e
	}
	return err
}

// newTreeRun makes a run. The caller ends it with finish.
func newTreeRun(ctx context.Context, o flags.Work, own []file.Guarded, work Work,
	log *transfer.Log) (*treeRun, error) {
	if o.Suffix == "" {
		return nil, exit.Errorf(exit.Usage, "", "--suffix is empty")
	}
	if o.Remove && o.NoSync {
		ui.Warn("inputs are kept: --rm removes a file only once its output is safely on the disk, and --no-sync does not wait for that")
		o.Remove = false
	}
	if o.Jobs == 0 {
		o.Jobs = runtime.NumCPU()
	}
	t := &treeRun{
		Work: o, ctx: ctx, work: work, log: log, own: own,
		reads: work.Verb() == flags.Verify, bigFiles: make(chan struct{}, 1),
	}
	t.skipped, t.keys = map[string]int{}, map[string]int{}
	t.progress = ui.NewTreeProgress(o.Progress, o.Quiet || o.DryRun)
	t.commits = newCommitter(t)
	return t, nil
}

// runTree works through all names of the batch.
func runTree(ctx context.Context, b *batch.Files, own []file.Guarded, work Work,
	log *transfer.Log) error {
	t, err := newTreeRun(ctx, b.Work, own, work, log)
	if err != nil {
		return err
	}
	forget := proc.AtExit(t.interrupted)
	defer forget()
	if t.progress.Shows() {
		go t.measure(b.Names)
	}
	units := make(chan *unit, t.Jobs)
	var workers sync.WaitGroup
	for range t.Jobs {
		workers.Go(func() {
			w := &treeWorker{treeRun: t}
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

// treeBallast is memory that is never touched, and so is none to the system, but makes the garbage
// collector wait for twice as much before it runs. Otherwise it would for every few hundred small
// files, whose own memory is 1 or 2 MiB: a sixth of the time. Unlike a higher GOGC it does not
// multiply what a run needs that has much to remember.
const treeBallast = 8 << 20

// failure is for a file that came to nothing: it is said at once, and counted.
func (t *treeRun) failure(name string, err error) {
	if !t.Recursive { // below a directory no link is followed, and no name is opened again
		err = batch.Advise(t.work.Verb(), name, err)
	}
	err = ui.Named(name, err)
	fatal := t.work.Fatal(err) || file.OutOfSpace(err)
	t.mu.Lock()
	if t.fatal != nil && fatal { // one of those that failed together with the one that stopped the run
		t.mu.Unlock()
		return
	}
	t.failed++
	if t.first == nil {
		t.first = err
	}
	if len(t.names) < ui.MostNamed {
		t.names = append(t.names, name)
	}
	if fatal {
		t.fatal = err
		t.stopped.Store(true)
	}
	if t.FailFast {
		t.stopped.Store(true)
	}
	t.progress.Fail()
	line := t.failed
	t.mu.Unlock()
	t.log.Failed(name, err)
	if !fatal {
		t.say(line, err)
	}
}

// say prints a failure, and each hint once.
func (t *treeRun) say(line int, err error) {
	if line > mostErrors {
		return
	}
	t.hints.Say(err)
	if line == mostErrors {
		ui.Note("%d files have failed: further ones are not shown one by one", line)
	}
}

// skip counts a file that is left out, and names it where the user wants to know.
func (t *treeRun) skip(name, why string) {
	t.mu.Lock()
	t.skipped[why]++
	t.mu.Unlock()
	if t.Verbose {
		ui.Note("%s: skipped: %s", ui.ShownInput(name), why)
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

// measure finds out how much there is to do, for the display alone, and while the work has begun.
func (t *treeRun) measure(names []string) {
	var files, bytes int64
	for _, name := range names {
		err := filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
			if t.stopped.Load() || t.over.Load() {
				return fs.SkipAll
			}
			if err != nil || !d.Type().IsRegular() && path != name {
				return nil
			}
			_, e := t.work.Target(d.Name())
			if e != nil || path != name &&
				(file.IsOwnTemp(d.Name()) || t.work.Skips(d.Name(), t.OutputDir == "") != "") {
				return nil
			}
			if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
				files, bytes = files+1, bytes+info.Size()
			}
			return nil
		})
		if err != nil || t.stopped.Load() || t.over.Load() {
			return
		}
	}
	t.progress.SetTotals(files, bytes)
}
