package cmd

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
)

// What a run over many files says in the end.

// interrupted runs when a signal ends the process.
func (t *treeRun) interrupted() {
	t.stopped.Store(true)
	t.log.flushed()
	switch n := int(t.done.Load()); {
	case n == 0:
	case t.reads:
		note("%s verified", plural(n, "file"))
	default:
		note("%s done; --update leaves out next time what is done", areFiles(n))
	}
}

// finish sums up.
func (t *treeRun) finish() error {
	t.over.Store(true)
	err := t.result()
	t.progress.finish(err)
	if !t.quiet {
		t.sumUp()
	}
	return err
}

// writes tells whether anything on the disk may change: outputs appear, and what killed runs left goes.
func (t *treeRun) writes() bool { return !t.dryRun && !t.reads }

// result is the run's error: one file's own if it was the only one, else exit code 3.
func (t *treeRun) result() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	tried := int(t.tried.Load())
	switch {
	case context.Cause(t.ctx) != nil:
		return context.Cause(t.ctx)
	case t.fatal != nil && t.done.Load() == 0:
		return t.fatal
	case t.fatal != nil:
		_, hint := explain(t.fatal)
		say(os.Stderr, t.fatal, hint)
		if hint = "--update leaves out what is done"; t.reads {
			hint = ""
		}
		return fail(exitSome, hint, "stopped: %s done, %d failed, the others were not tried", areFiles(int(t.done.Load())), t.failed)
	case t.failed == 0:
		return nil
	case tried <= 1 && t.failed == 1 && !t.untried.Load():
		return &reported{t.first}
	}
	stopped := ""
	if t.untried.Load() {
		stopped = "; stopped, the others were not tried"
	}
	return fail(exitSome, "", "%d of %s failed: %s%s", t.failed, plural(tried, "file"), listed(t.names, t.failed), stopped)
}

// sumUp says what was left out, and which keys opened the files.
func (t *treeRun) sumUp() {
	for _, why := range slices.Sorted(maps.Keys(t.skipped)) {
		if n := t.skipped[why]; why != skipUnchanged || t.verbose {
			note("%s skipped: %s", plural(n, "file"), why)
		}
	}
	switch n := plural(int(t.done.Load()), "file"); {
	case t.reads:
		note("%s verified", n)
	case t.verbose:
		note("%s done", n)
	}
	keys := slices.Sorted(maps.Keys(t.keys))
	for _, id := range keys[:min(len(keys), mostNamed)] {
		note("%s opened with %s", plural(t.keys[id], "file"), id)
	}
	if n := len(keys) - mostNamed; n > 0 {
		note("and with %d more keys", n)
	}
}

// areFiles is "1 file is" or "2 files are".
func areFiles(n int) string {
	if n == 1 {
		return "1 file is"
	}
	return plural(n, "file") + " are"
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
