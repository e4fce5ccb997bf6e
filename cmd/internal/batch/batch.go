// Package batch takes the files of a command line, named there or in a list, and says where the
// output of each goes. It opens no file but the list, and gives no two inputs of a run the same
// output. Start with New.
package batch

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/ui"
)

// Files are the files of a command line.
type Files struct {
	flags.Work
	command string   // its name
	Names   []string // as typed; "-" alone means stdin
	List    bool     // the names come from --files0-from

	mu    sync.Mutex
	taken map[string]string // outputs of this run, and whose they are
}

// New takes the arguments of a command; none means stdin, unless there is a list of names.
func New(command string, o flags.Work, args []string) (*Files, error) {
	if o.Names != "" {
		return NewNamed(command, o, args)
	}
	b := &Files{Work: o, command: command, Names: args}
	if len(b.Names) == 0 {
		b.Names = []string{"-"}
	}
	for i, n := range b.Names {
		if fd, ok := file.Descriptor(n); ok && fd == 0 {
			b.Names[i], n = "-", "-" // /dev/stdin.sealed is no place for an output
		}
		if n == "" {
			return nil, exit.Errorf(exit.Usage, "", "file name is empty")
		}
		if n == "-" && len(b.Names) > 1 {
			return nil, exit.Errorf(exit.Usage, "give stdin a run of its own",
				"- (stdin) cannot be mixed with files")
		}
	}
	return b, b.check()
}

// NewNamed is New for commands that take files only: named as arguments or by --files0-from, never
// stdin. Without any name it is an error, but an empty list is one with nothing to do.
func NewNamed(command string, o flags.Work, args []string) (*Files, error) {
	const hint = "name files, or a list of them with --files0-from"
	if o.Names == "" {
		if len(args) == 0 {
			return nil, exit.Errorf(exit.Usage, hint, "no file given")
		}
		b, err := New(command, o, args)
		if err == nil && b.Names[0] == "-" {
			err = exit.Errorf(exit.Usage, hint, "stdin cannot be used here")
		}
		return b, err
	}
	if len(args) > 0 {
		return nil, exit.Errorf(exit.Usage, "", "--files0-from goes without further files, %s is one",
			ui.Shown(args[0]))
	}
	names, err := readNames(o.Names)
	if err != nil {
		return nil, err
	}
	b := &Files{Work: o, command: command, Names: names, List: true}
	return b, b.check()
}

// maxName bounds a name in a list, so that a list which is none does not fill the memory.
const maxName = 1 << 16

// readNames reads a list of names.
func readNames(list string) ([]string, error) {
	in, err := file.Open(list)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var names []string
	for r := bufio.NewReaderSize(in, maxName); ; {
		part, err := r.ReadSlice(0)
		switch {
		case err == bufio.ErrBufferFull:
			return nil, exit.Errorf(exit.Usage, "the names must be ended by zero bytes: find ... -print0",
				"%s: a name of more than %d bytes", ui.ShownInput(list), maxName)
		case err == io.EOF && len(part) == 0:
			return names, nil
		case err != nil && err != io.EOF:
			return nil, err
		}
		name := strings.TrimSuffix(string(part), "\x00")
		switch {
		case len(names) == 0 && len(name) == len(part) &&
			strings.Contains(name, "\n") && !file.IsThere(name):
			return nil, exit.Errorf(exit.Usage,
				"find ends them so with -print0; a list of lines becomes one by: "+
					"tr '\\n' '\\0'", "%s: the names are not ended by zero bytes", ui.ShownInput(list))
		case name == "":
			return nil, exit.Errorf(exit.Usage, "", "%s: name %d is empty",
				ui.ShownInput(list), len(names)+1)
		case name == "-":
			name = "." + string(os.PathSeparator) + name // a file of that name, as nobody types a list
		}
		names = append(names, name)
	}
}

// check refuses what no file of the run could make right: values of flags that it may not even come
// to, and outputs that cannot be.
func (b *Files) check() error {
	stdin := !b.List && b.Names[0] == "-"
	switch {
	case b.Output != "" && b.OutputDir != "":
		return exit.Errorf(exit.Usage, "", "-o and -O exclude each other")
	case b.Recursive && stdin:
		return exit.Errorf(exit.Usage, "name a directory",
			"-R needs named directories, the input is stdin")
	case b.Output != "" && (b.List || b.Recursive):
		return exit.Errorf(exit.Usage, "use -O DIR", "-o takes one file")
	case b.Output != "" && len(b.Names) > 1:
		return exit.Errorf(exit.Usage, "use -O DIR for several files", "-o takes one file, %d are given",
			len(b.Names))
	case b.OutputDir != "" && stdin:
		return exit.Errorf(exit.Usage, "use -o FILE", "-O needs named files, the input is stdin")
	case b.OutputDir != "" && b.Recursive && !b.List && len(b.Names) > 1:
		// their contents would get mixed up
		return exit.Errorf(exit.Usage,
			"give each directory its own -O, or their names to --files0-from, which "+
				"keeps their paths", "-R with -O takes one directory, %d are given", len(b.Names))
	case b.OutputDir == "":
		return nil
	}
	_, err := file.CheckDir(b.OutputDir)
	return err
}

// CheckHeader refuses one detached header for several files. name is the value of --header.
func (b *Files) CheckHeader(name string) error {
	switch {
	case name == "-":
		return exit.Errorf(exit.Usage, "", "--header takes the name of a file")
	case name != "" && len(b.Names) > 1:
		return exit.Errorf(exit.Usage, "run it once for each file",
			"--header goes with one file, %d are given", len(b.Names))
	case name != "":
		return b.OneFile("header")
	}
	return nil
}

// OneFile refuses the flag for a run over many files.
func (b *Files) OneFile(flag string) error {
	if b.IsMany() {
		return exit.Errorf(exit.Usage, "run it once for each file", "--%s goes with one file", flag)
	}
	return nil
}

// IsMany tells whether this is a run over many files, as far as the command line shows.
func (b *Files) IsMany() bool { return b.List || len(b.Names) > 1 || b.Recursive }

// Run calls do for each file, one after the other. A single file fails with its own code; of
// several the failures are printed as they come, summed up, and give exit code 3.
func (b *Files) Run(ctx context.Context, do func(ctx context.Context, name string) error) error {
	if len(b.Names) == 1 {
		return ui.Named(b.Names[0], Advise(b.command, b.Names[0], do(ctx, b.Names[0])))
	}
	var names []string
	failed := 0
	var said ui.Hints
	for i, name := range b.Names {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := ui.Named(name, Advise(b.command, name, do(ctx, name)))
		if err == nil {
			continue
		}
		if failed++; failed <= ui.MostNamed {
			names = append(names, name)
		}
		said.Say(err)
		if b.FailFast {
			if rest := len(b.Names) - i - 1; rest > 0 {
				ui.Note("stopped: %d more not tried", rest)
			}
			break
		}
	}
	if failed == 0 {
		return nil
	}
	return exit.Errorf(exit.Some, "", "%d of %d files failed: %s",
		failed, len(b.Names), ui.Listed(names, failed))
}

// Target is where the output for an input goes: "-" for stdout.
func (b *Files) Target(name string, rename func(string) (string, error)) (string, error) {
	if b.Output != "" {
		return b.Output, nil
	}
	if name == "-" {
		return "-", nil
	}
	to, err := rename(name)
	if err != nil {
		return "", err
	}
	if b.OutputDir != "" {
		to = filepath.Join(b.OutputDir, filepath.Base(to))
	} else if to != "-" {
		if err := CheckBeside(name); err != nil {
			return "", err
		}
	}
	return to, b.Take(to, name)
}

// CheckBeside refuses a descriptor: nothing can stand beside its name.
func CheckBeside(name string) error {
	if _, ok := file.Descriptor(name); ok {
		return exit.Errorf(exit.Usage, "name the output with -o FILE, or its directory with -O DIR",
			"%s: has no place for an output beside it", ui.Shown(name))
	}
	return nil
}

// Take keeps two inputs of one run from the same output, where even -f would lose the first.
func (b *Files) Take(target, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	target = filepath.Clean(target)
	if other, ok := b.taken[target]; ok {
		return exit.Errorf(exit.Usage, "give it a run of its own, with another output",
			"%s is already the output of %s", ui.Shown(target), ui.Shown(other))
	}
	if b.taken == nil {
		b.taken = map[string]string{}
	}
	b.taken[target] = name
	return nil
}
