package cmd

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"
)

// batch is a run over the files of a command line: one after the other, going on after a failure.
type batch struct {
	c     *cli.Context
	names []string // as typed; "-" alone means stdin
	list  bool     // the names come from --files0-from
	log   *fileLog // of --log-json; nil without

	mu    sync.Mutex
	taken map[string]string // outputs of this run, and whose they are
}

// newBatch takes the arguments of a command; none means stdin, unless there is a list of names.
func newBatch(c *cli.Context) (*batch, error) {
	b := &batch{c: c, names: fileArgs(c)}
	if c.String("files0-from") != "" {
		named, err := newNamedBatch(c)
		if err != nil {
			return nil, err
		}
		b.names, b.list = named.names, true
		return b, b.check()
	}
	if len(b.names) == 0 {
		b.names = []string{"-"}
	}
	for i, n := range b.names {
		if fd, ok := descriptorNumber(n); ok && fd == 0 {
			b.names[i], n = "-", "-" // /dev/stdin.sealed is no place for an output
		}
		if n == "" {
			return nil, fail(exitUsage, "", "file name is empty")
		}
		if n == "-" && len(b.names) > 1 {
			return nil, fail(exitUsage, "give stdin a run of its own", "- (stdin) cannot be mixed with files")
		}
	}
	return b, b.check()
}

// check refuses what no file of the run could make right.
func (b *batch) check() error {
	if err := b.checkLevel(); err != nil {
		return err
	}
	if err := b.checkValues(); err != nil {
		return err
	}
	if err := b.checkOutput(); err != nil {
		return err
	}
	return b.checkHeader()
}

// checkValues refuses values that cannot be, of flags that this run may not even come to.
func (b *batch) checkValues() error {
	if _, err := parseProgressMode(b.c.String("progress")); err != nil {
		return err
	}
	if links := b.c.String("links"); links != linksSkip && links != linksKeep && b.c.IsSet("links") {
		return fail(exitUsage, "skip or keep", "--links %s: no such way", shown(links))
	}
	_, err := sizeHint(b.c)
	return err
}

// checkOutput refuses outputs that cannot be.
func (b *batch) checkOutput() error {
	out, dir := b.c.String("output"), b.c.String("output-dir")
	switch {
	case out != "" && dir != "":
		return fail(exitUsage, "", "-o and -O exclude each other")
	case b.c.Bool("recursive") && !b.list && b.names[0] == "-":
		return fail(exitUsage, "name a directory", "-R needs named directories, the input is stdin")
	case out != "" && (b.list || b.c.Bool("recursive")):
		return fail(exitUsage, "use -O DIR", "-o takes one file")
	case out != "" && len(b.names) > 1:
		return fail(exitUsage, "use -O DIR for several files", "-o takes one file, %d are given", len(b.names))
	case dir != "" && !b.list && b.names[0] == "-":
		return fail(exitUsage, "use -o FILE", "-O needs named files, the input is stdin")
	case dir != "" && b.c.Bool("recursive") && !b.list && len(b.names) > 1: // their contents would get mixed up
		return fail(exitUsage, "give each directory its own -O, or their names to --files0-from, which keeps their paths", "-R with -O takes one directory, %d are given", len(b.names))
	case dir == "":
		return nil
	}
	_, err := checkOutputDir(dir)
	return err
}

// many tells whether this is a run over many files, as far as the command line shows.
func (b *batch) many() bool {
	return b.list || len(b.names) > 1 || b.c.Bool("recursive")
}

// each works through all files: several at a time where there are many.
func (b *batch) each(ctx context.Context, work treeWork) (err error) {
	if b.log, err = newFileLog(b.c, work.verb()); err != nil {
		return err
	}
	if b.many() {
		err = b.runTree(ctx, work)
	} else if err = b.run(ctx, work.single); err != nil {
		b.log.failed(display(b.names[0]), err)
	}
	if e := b.log.close(); err == nil {
		err = e
	}
	return err
}

// run calls do for each file, one after the other. A single file fails with its own code; of several the failures are printed as they come, summed up, and give exit code 3.
func (b *batch) run(ctx context.Context, do func(ctx context.Context, name string) error) error {
	if len(b.names) == 1 {
		return named(b.names[0], advise(b.c.Command.Name, b.names[0], do(ctx, b.names[0])))
	}
	var names []string
	failed := 0
	var said hints
	for i, name := range b.names {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := named(name, advise(b.c.Command.Name, name, do(ctx, name)))
		if err == nil {
			continue
		}
		if failed++; failed <= mostNamed {
			names = append(names, name)
		}
		said.say(err)
		if b.c.Bool("fail-fast") {
			if rest := len(b.names) - i - 1; rest > 0 {
				note("stopped: %d more not tried", rest)
			}
			break
		}
	}
	if failed == 0 {
		return nil
	}
	return fail(exitSome, "", "%d of %d files failed: %s", failed, len(b.names), listed(names, failed))
}

// listed names the first few of all.
func listed(names []string, all int) string {
	s := ""
	for i, n := range names {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%q", n)
	}
	if all > len(names) {
		s += fmt.Sprintf(" and %d more", all-len(names))
	}
	return s
}

// named puts the file before the reason, unless the reason begins with it.
func named(name string, err error) error {
	if err == nil || strings.HasPrefix(err.Error(), display(name)+":") {
		return err
	}
	return fmt.Errorf("%s: %w", display(name), err)
}

// display is [shown] for the name of an input as it was typed, of which - is standard input.
func display(name string) string {
	if name == "-" || name == "" {
		return "stdin"
	}
	return shown(name)
}

// target is where the output for an input goes: "-" for stdout.
func (b *batch) target(name string, rename func(string) (string, error)) (string, error) {
	if out := b.c.String("output"); out != "" {
		return out, nil
	}
	if name == "-" {
		return "-", nil
	}
	to, err := rename(name)
	if err != nil {
		return "", err
	}
	if to != "-" && b.c.String("output-dir") == "" {
		if err := checkBeside(name); err != nil {
			return "", err
		}
	}
	if dir := b.c.String("output-dir"); dir != "" {
		to = filepath.Join(dir, filepath.Base(to))
	}
	return to, b.take(to, name)
}

// checkBeside refuses a descriptor: nothing can stand beside its name.
func checkBeside(name string) error {
	if _, ok := descriptorNumber(name); ok {
		return fail(exitUsage, "name the output with -o FILE, or its directory with -O DIR", "%s: has no place for an output beside it", shown(name))
	}
	return nil
}

// take keeps two inputs of one run from the same output, where even -f would lose the first.
func (b *batch) take(target, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	target = filepath.Clean(target)
	if other, ok := b.taken[target]; ok {
		return fail(exitUsage, "give it a run of its own, with another output", "%s is already the output of %s", shown(target), shown(other))
	}
	if b.taken == nil {
		b.taken = map[string]string{}
	}
	b.taken[target] = name
	return nil
}
