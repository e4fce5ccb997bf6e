package child

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/ui"
)

// A command at one end of envseal: --from-command is sealed, --to-command gets what is opened.
// Either form of both:
//
//	--from-command 'pg_dump app | tee log'      a line for /bin/sh
//	--from-command -- pg_dump "$database"       a program and its arguments, to the end of the command line
//
// A shell pipeline loses the exit code of the program before it: a dump that failed in the middle
// makes a sealed file that opens without complaint. Here a failure of the command is a failure of
// the whole.

// Line is a line for the shell, or a program and its arguments.
type Line struct {
	shell string
	argv  []string
}

// Parse is the command that a flag gives by its value, or with flags.ArgvMark by what is behind
// flags.ArgvMark among the arguments; nil if the flag was not given. files are the other arguments.
func Parse(flag, value string, given bool, args []string) (line *Line, files []string, err error) {
	if !given {
		return nil, args, nil
	}
	line = &Line{shell: value}
	if value == flags.ArgvMark {
		line.shell = ""
		if i := slices.Index(args, flags.ArgvMark); i >= 0 {
			args, line.argv = args[:i], args[i+1:]
		}
	}
	if strings.TrimSpace(line.shell) == "" && (len(line.argv) == 0 || line.argv[0] == "") {
		return nil, nil, exit.Errorf(exit.Usage, "write --"+flag+" 'CMD ARGS', or --"+flag+" -- CMD ARGS",
			"--%s: no command is given", flag)
	}
	return line, args, nil
}

// String is what the command is called in messages.
func (l *Line) String() string {
	if l.argv != nil {
		return ui.Shown(strings.Join(l.argv, " "))
	}
	return ui.Shown(l.shell)
}

// command makes the process. Its messages go where envseal's go.
func (l *Line) command(stdin, stdout *os.File) *exec.Cmd {
	argv := l.argv
	if argv == nil {
		argv = []string{"/bin/sh", "-c", l.shell}
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, os.Stderr
	return cmd
}

// startError is why a command did not even start.
func startError(line *Line, code int, err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return exit.Errorf(code, "", "%s: there is no such command", line)
	}
	return exit.Errorf(code, "", "%s: the command did not start: %w", line, exit.Reason(err))
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
