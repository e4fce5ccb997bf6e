package cmd

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// exitCodesText documents the exit codes. They are stable: scripts may rely on them.
const exitCodesText = `Exit codes of envseal. They are stable; treat an unknown one as a failure.

    0  done
    1  other failure: an input that cannot be read, that changed while it was read, or that is empty with --fail-on-empty
    2  usage: unknown flag, missing key, a directory where a file is needed
    3  some of several files failed; the messages say which and why
    4  damaged: tampered with, truncated, or data behind the end
    5  the key service refused: access denied; wrong, disabled, deleted or unknown key; no valid credentials
    6  the key service cannot be reached, limits its requests, does not answer, or has a quota that is used up: try again
    7  not an envseal file, or one of a newer format
    8  the output exists, is the input, or cannot be written
    9  policy: key, account or encryption context not allowed, or more data than --max-size
   10  the command of --from-command failed, or wrote nothing with --fail-on-empty
   11  the command of --to-command failed, or stopped reading before the end
  129  ended by SIGHUP
  130  ended by SIGINT (Ctrl-C), which ends the script or loop around it as well
  141  ended by SIGPIPE: the reader of the output went away
  143  ended by SIGTERM

Whatever the code, an output file is either whole or not there, and an existing one is untouched unless the code is 0.
What a failed decrypt wrote to a pipe must be discarded.
`

func helpCommand() *cli.Command {
	return &cli.Command{
		Name:      "help",
		Aliases:   []string{"h"},
		Usage:     "help on a command, or `envseal help exit-codes`",
		ArgsUsage: "[COMMAND [SUBCOMMAND] | exit-codes]",
		Action: func(c *cli.Context) error {
			c.App.Writer = stdoutWriter() // help that was asked for is data
			name := c.Args().First()
			switch {
			case name == "":
				return cli.ShowAppHelp(c)
			case name == "exit-codes":
				_, err := fmt.Fprint(stdoutWriter(), exitCodesText)
				return err
			}
			return helpOn(c, c.Args().Slice())
		},
	}
}

// helpOn shows what `envseal NAMES --help` does.
func helpOn(c *cli.Context, names []string) error {
	commands := c.App.Commands
	for i, name := range names {
		found := findCommand(commands, name)
		if found == nil {
			return unknownCommand(append([]string{c.App.Name}, names[:i]...), name, commands)
		}
		commands = found.Subcommands
	}
	app := newApp()
	out := stdoutWriter()
	app.Writer = out
	if err := app.RunContext(c.Context, append(append([]string{app.Name}, names...), "--help")); err != nil {
		return err
	}
	return out.err
}
