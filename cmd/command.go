package cmd

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
)

// A command at one end of envseal: --from-command is sealed, --to-command gets what is opened. Either form of both:
//
//	--from-command 'pg_dump app | tee log'      a line for /bin/sh
//	--from-command -- pg_dump "$database"       a program and its arguments, to the end of the command line
//
// A shell pipeline loses the exit code of the program before it: a dump that failed in the middle makes a sealed file that opens without complaint. Here a
// failure of the command is a failure of the whole.

const (
	fromCommand = "from-command"
	toCommand   = "to-command"
	argvMark    = "--" // the value of these flags where the command follows behind it
)

func fromCommandFlag() cli.Flag {
	return beforeCommand(&cli.StringFlag{Name: fromCommand, Category: catFiles, Usage: "seal what the shell command `CMD` writes, and nothing if it fails (exit code 10); or --from-command -- CMD ARGS..."})
}

func toCommandFlag() cli.Flag {
	return beforeCommand(&cli.StringFlag{Name: toCommand, Category: catFiles, Usage: "hand the opened data to the shell command `CMD`, which is ended before it sees the end of an input that is not whole (its own failure: exit code 11); or --to-command -- CMD ARGS..."})
}

// splitCommand tells the files among the arguments from the command behind argvMark; see
// flagReader.read.
func splitCommand(c *cli.Context) (files, argv []string) {
	files = c.Args().Slice()
	if c.String(fromCommand) == argvMark || c.String(toCommand) == argvMark {
		if i := slices.Index(files, argvMark); i >= 0 {
			return files[:i], files[i+1:]
		}
	}
	return files, nil
}

// fileArgs are the arguments that are files.
func fileArgs(c *cli.Context) []string {
	files, _ := splitCommand(c)
	return files
}

// commandLine is a line for the shell, or a program and its arguments.
type commandLine struct {
	shell string
	argv  []string
}

// commandOf is the command that the flag names, nil if it was not given.
func commandOf(c *cli.Context, flag string) (*commandLine, error) {
	if !c.IsSet(flag) {
		return nil, nil
	}
	usage := "write --" + flag + " 'CMD ARGS', or --" + flag + " -- CMD ARGS"
	_, argv := splitCommand(c)
	line := &commandLine{shell: c.String(flag)}
	if line.shell == argvMark {
		line = &commandLine{argv: argv}
	}
	if strings.TrimSpace(line.shell) == "" && (len(argv) == 0 || argv[0] == "") {
		return nil, fail(exitUsage, usage, "--%s: no command is given", flag)
	}
	return line, nil
}

// String is what the command is called in messages.
func (l *commandLine) String() string {
	if l.argv != nil {
		return shown(strings.Join(l.argv, " "))
	}
	return shown(l.shell)
}

// command makes the process. Its messages go where envseal's go.
func (l *commandLine) command(stdin, stdout *os.File) *exec.Cmd {
	argv := l.argv
	if argv == nil {
		argv = []string{"/bin/sh", "-c", l.shell}
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, os.Stderr
	return cmd
}

// producer is the command of --from-command, nil without. It takes the place of the only file.
func (b *batch) producer() (*commandLine, error) {
	if b.c.Bool("fail-on-empty") && b.many() {
		return nil, fail(exitUsage, "run it once for each file", "--fail-on-empty goes with one input")
	}
	line, err := commandOf(b.c, fromCommand)
	if line == nil || err != nil {
		return nil, err
	}
	if b.list {
		return nil, refuseFlags(b.c, fromCommand, "there is no file", "files0-from")
	}
	if b.many() || b.names[0] != "-" || b.c.NArg() > 0 && b.c.String(fromCommand) != argvMark {
		return nil, fail(exitUsage, "name the output with -o", "--%s: a file is given too: %s", fromCommand, shown(b.names[0]))
	}
	b.names[0] = line.String()
	return line, refuseFlags(b.c, fromCommand, "there is no file", "rm", "output-dir")
}

// consumer is the command of --to-command, nil without.
func (b *batch) consumer() (*commandLine, error) {
	for _, flag := range []string{"range", toCommand} {
		if b.c.IsSet(flag) && b.many() {
			return nil, fail(exitUsage, "run it once for each file", "--%s goes with one file", flag)
		}
	}
	line, err := commandOf(b.c, toCommand)
	if line == nil || err != nil {
		return nil, err
	}
	return line, refuseFlags(b.c, toCommand, "the data goes to the command", "output", "output-dir", "rm", "force")
}

// refuseFlags refuses what makes no sense together with the flag for a command or a range.
func refuseFlags(c *cli.Context, flag, why string, others ...string) error {
	for _, other := range others {
		if c.IsSet(other) {
			return fail(exitUsage, "", "--%s and --%s exclude each other: %s", flag, other, why)
		}
	}
	return nil
}

// startError is why a command did not even start.
func startError(line *commandLine, code int, err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return fail(code, "", "%s: there is no such command", line)
	}
	return fail(code, "", "%s: the command did not start: %w", line, reason(err))
}

// ending says in words how a process ended that did not succeed.
func ending(status syscall.WaitStatus) string {
	switch {
	case status.Signaled():
		return fmt.Sprintf("ended by signal %d (%s)", status.Signal(), status.Signal())
	case status.ExitStatus() == 127:
		return "exit code 127, which says that it was not found"
	}
	return fmt.Sprintf("exit code %d", status.ExitStatus())
}
