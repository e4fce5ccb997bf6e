package cmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"
)

// batch is a run over the files of a command line: one after the other, going on after a failure.
type batch struct {
	c     *cli.Context
	taken map[string]string // outputs of this run, and whose they are
	names []string          // as typed; "-" alone means stdin
}

// newBatch takes the arguments of a command; none means stdin.
func newBatch(c *cli.Context) (*batch, error) {
	b := &batch{c: c, names: c.Args().Slice()}
	if len(b.names) == 0 {
		b.names = []string{"-"}
	}
	for _, n := range b.names {
		if n == "" {
			return nil, fail(exitUsage, "", "file name is empty")
		}
		if n == "-" && len(b.names) > 1 {
			return nil, fail(exitUsage, "give stdin a run of its own", "- (stdin) cannot be mixed with files")
		}
	}
	return b, b.checkOutput()
}

// checkOutput refuses what no file of the run could make right.
func (b *batch) checkOutput() error {
	out, dir := b.c.String("output"), b.c.String("output-dir")
	switch {
	case out == "" && b.c.IsSet("output") || dir == "" && b.c.IsSet("output-dir"):
		return fail(exitUsage, "is a variable empty that should name it?", "the name of the output is empty")
	case out != "" && dir != "":
		return fail(exitUsage, "", "-o and -O exclude each other")
	case out != "" && len(b.names) > 1:
		return fail(exitUsage, "use -O DIR for several files", "-o takes one file, %d are given", len(b.names))
	case dir != "" && b.names[0] == "-":
		return fail(exitUsage, "use -o FILE", "-O needs named files, the input is stdin")
	case dir == "":
		return nil
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fail(exitOutput, "make it first: mkdir -p "+dir, "output directory %s does not exist", shown(dir))
	}
	return nil
}

// run calls do for each file. A single file fails with its own code; of several the failures are printed as they come, summed up, and give exit code 3.
func (b *batch) run(ctx context.Context, do func(ctx context.Context, name string) error) error {
	if len(b.names) == 1 {
		return named(b.names[0], do(ctx, b.names[0]))
	}
	var failed []string
	for i, name := range b.names {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := named(name, do(ctx, name))
		if err == nil {
			continue
		}
		failed = append(failed, name)
		report(err)
		if b.c.Bool("fail-fast") {
			if rest := len(b.names) - i - 1; rest > 0 {
				note("stopped: %d more not tried", rest)
			}
			break
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return fail(exitSome, "", "%d of %d files failed: %s", len(failed), len(b.names), listed(failed))
}

// listed names the first few of many.
func listed(names []string) string {
	const most = 20
	s := ""
	for i, n := range names[:min(len(names), most)] {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%q", n)
	}
	if len(names) > most {
		s += fmt.Sprintf(" and %d more", len(names)-most)
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
	if dir := b.c.String("output-dir"); dir != "" {
		to = filepath.Join(dir, filepath.Base(to))
	}
	return to, b.take(to, name)
}

// take keeps two inputs of one run from the same output, where even -f would lose the first.
func (b *batch) take(target, name string) error {
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
