package tree

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/transfer"
	"github.com/envseal/envseal/cmd/internal/ui"
)

// What a run over many files says in the end.

// interrupted runs when a signal ends the process.
func (t *treeRun) interrupted() {
	t.stopped.Store(true)
	t.log.Flushed()
	switch n := int(t.done.Load()); {
	case n == 0:
	case t.reads:
		ui.Note("%s verified", ui.Plural(n, "file"))
	default:
		ui.Note("%s done; --update leaves out next time what is done", ui.AreFiles(n))
	}
}

// finish sums up.
func (t *treeRun) finish() error {
	t.over.Store(true)
	err := t.result()
	t.progress.Finish(err)
	if !t.Quiet {
		t.sumUp()
	}
	return err
}

// fruitless tells whether the run has failed with all of its files.
func (t *treeRun) fruitless() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.done.Load() == 0 && t.failed > 0
}

// finished counts a file and tells of it.
func (t *treeRun) finished(f *treeFile) {
	t.done.Add(1)
	t.progress.FileDone()
	if t.log != nil {
		line := transfer.LogLine{Input: f.path(), SHA256: f.sum, Duration: f.took.Seconds()}
		if f.in.Regular {
			line.InputSize = &f.in.Size
		}
		if f.target != "" {
			line.Output, line.OutputSize = f.outPath(), &f.size
		}
		t.log.Done(line, f.Result)
	}
	t.opened(f.KeyID)
	if t.Verbose {
		ui.Note("%s: %s", ui.ShownInput(f.path()), f.story())
	}
}

// writes tells whether anything on the disk may change: outputs appear, and what killed runs left
// goes.
func (t *treeRun) writes() bool { return !t.DryRun && !t.reads }

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
		_, hint := exit.Explain(t.fatal)
		ui.Say(t.fatal, hint)
		if hint = "--update leaves out what is done"; t.reads {
			hint = ""
		}
		return exit.Errorf(exit.Some, hint, "stopped: %s done, %d failed, the others were not tried",
			ui.AreFiles(int(t.done.Load())), t.failed)
	case t.failed == 0:
		return nil
	case tried <= 1 && t.failed == 1 && !t.untried.Load():
		return &exit.Reported{Err: t.first}
	}
	stopped := ""
	if t.untried.Load() {
		stopped = "; stopped, the others were not tried"
	}
	return exit.Errorf(exit.Some, "", "%d of %s failed: %s%s",
		t.failed, ui.Plural(tried, "file"), ui.Listed(t.names, t.failed), stopped)
}

// sumUp says what was left out, and which keys opened the files.
func (t *treeRun) sumUp() {
	for _, why := range slices.Sorted(maps.Keys(t.skipped)) {
		if n := t.skipped[why]; why != transfer.SkipUnchanged || t.Verbose {
			ui.Note("%s skipped: %s", ui.Plural(n, "file"), why)
		}
	}
	switch n := ui.Plural(int(t.done.Load()), "file"); {
	case t.reads:
		ui.Note("%s verified", n)
	case t.Verbose:
		ui.Note("%s done", n)
	}
	keys := slices.Sorted(maps.Keys(t.keys))
	for _, id := range keys[:min(len(keys), ui.MostNamed)] {
		ui.Note("%s opened with %s", ui.Plural(t.keys[id], "file"), id)
	}
	if n := len(keys) - ui.MostNamed; n > 0 {
		ui.Note("and with %d more keys", n)
	}
}

// SayOK prints the line for a file that is authentic.
func SayOK(name string) error {
	if ui.IsTerminal(os.Stdout) {
		defer ui.HoldProgress()()
	}
	_, err := fmt.Fprintf(file.StdoutText(), "%s: OK\n", ui.ShownInput(name))
	return err
}
