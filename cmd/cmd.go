// Package cmd is envseal's command line: flags, files, terminals and exit codes. It does no cryptography.
//
// One command a file. What they share: errors.go and explain.go (the one place for exit codes and hints), keys.go (key references), batch.go (several files),
// input.go and output.go (the rules for files).
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
)

// Main runs the command line args, args[0] being the program, and returns the exit code. It uses the standard streams, and
// leaves by os.Exit itself only on a signal.
func Main(args []string) int {
	args = commandFirst(args)
	if !onlyTells(args) {
		catchSignals()
		defer live.leave()
	}
	app := newApp(args...)
	args, err := permute(app, args)
	if err == nil {
		err = app.RunContext(context.Background(), args)
	}
	if out, ok := app.Writer.(*pipeWriter); ok && err == nil {
		err = out.err // help that could not be written
	}
	warnUnlocked()
	return report(err)
}

// newApp makes the command line. Of the commands it has the one that args name, as in envseal NAME [OPERATION] ..., and where they name none, or help, all.
func newApp(args ...string) *cli.App {
	app := &cli.App{
		Name:                      "envseal",
		HelpName:                  "envseal",
		Usage:                     "seal files by envelope encryption on AWS KMS",
		UsageText:                 "envseal COMMAND [flags] [FILE...]\n\nenvseal encrypt -k alias/backup FILE      writes FILE.sealed\nenvseal decrypt FILE.sealed               writes FILE\ncat FILE | envseal encrypt -k alias/backup | envseal decrypt",
		HideVersion:               true,
		HideHelpCommand:           true,
		DisableSliceFlagSeparator: true,
		UseShortOptionHandling:    true,
		Writer:                    os.Stderr, // help goes to stdout only where it was asked for: stdout is for data
		ErrWriter:                 os.Stderr,
		ExitErrHandler:            func(*cli.Context, error) {},
		OnUsageError:              usageErrorOf,
		Action:                    noCommand,
		Commands:                  commandsFor(args),
	}
	prepare(app.Commands)
	cli.FlagStringer = plainFlag(cli.FlagStringer)
	return app
}

// plainFlag leaves out of the help what a flag is when it is not given, where that is nothing.
func plainFlag(text cli.FlagStringFunc) cli.FlagStringFunc {
	return func(f cli.Flag) string {
		return strings.ReplaceAll(strings.ReplaceAll(text(f), " (default: false)", ""), " (default: 0)", "")
	}
}

// prepare gives every command what urfave/cli does not hand down.
func prepare(commands []*cli.Command) {
	for _, c := range commands {
		c.OnUsageError = usageErrorOf
		c.Before = refuseEmptyNames
		c.UseShortOptionHandling = true
		c.HideHelpCommand = true
		withNames(c.Flags)
		if len(c.Subcommands) > 0 {
			prepare(c.Subcommands)
			if c.Action == nil {
				c.Action = noCommand
			}
		}
		if do := c.Action; do != nil {
			c.Action = func(c *cli.Context) error {
				return adviseLocal(c.Context, readNamedKeys(c), readStore(c), do(c))
			}
		}
	}
}

// refuseEmptyNames refuses a flag that names a file or directory and is given without a name: an empty variable of a script, most likely, which must not have the flag pass for one
// that was not given. Of those with a variable of the environment it is not known which of both was empty.
func refuseEmptyNames(c *cli.Context) error {
	for _, f := range c.Command.Flags {
		d, ok := f.(cli.DocGenerationFlag)
		if !ok || isRepeated(f) || len(d.GetEnvVars()) > 0 || !d.TakesValue() {
			continue
		}
		name, kind := f.Names()[0], placeholder(d.GetUsage())
		if (kind == "FILE" || kind == "DIR") && c.String(name) == "" && c.IsSet(name) {
			return fail(exitUsage, "is a variable empty that should name it?", "--%s: the name is empty", name)
		}
	}
	return nil
}

// usageErrorOf replaces urfave's, which prints the whole help to where the data goes.
func usageErrorOf(c *cli.Context, err error, _ bool) error {
	if err := valueError(c, err); err != nil {
		return err
	}
	return fail(exitUsage, "try `"+helpFor(c)+"`", "%w", err)
}

func helpFor(c *cli.Context) string {
	if c.Command == nil || c.Command.HelpName == "" {
		return "envseal help"
	}
	return c.Command.HelpName + " --help"
}

// noCommand runs where a command or subcommand is missing or unknown.
func noCommand(c *cli.Context) error {
	name := c.Args().First()
	if name == "" {
		if c.Bool("help") {
			return cli.ShowAppHelp(c)
		}
		if c.Command != nil && c.Command.HelpName != "" && c.Command.HelpName != c.App.Name {
			return fail(exitUsage, orHelp(c.Command.HelpName, ""), "no command given")
		}
		return fail(exitUsage, "try `envseal help`, or `envseal encrypt -k KEY FILE`", "no command given")
	}
	return fail(exitUsage, "try `envseal help`", "unknown command %q", name)
}

// report prints err as a user should see it, and returns its exit code.
func report(err error) int {
	if err == nil {
		return 0
	}
	code, hint := explain(err)
	var said *reported
	if !errors.As(err, &said) {
		say(os.Stderr, err, hint)
	}
	return code
}

// say prints the message and the hint, each on a line of its own, and both in one piece, as files fail side by side.
func say(w io.Writer, err error, hint string) {
	defer holdProgress()()
	text := "envseal: error: " + oneLine(err) + "\n"
	if hint != "" {
		text += "envseal: hint: " + printable(hint) + "\n"
	}
	fmt.Fprint(w, text)
}

// warn prints a line that does not change the exit code.
func warn(format string, args ...any) {
	defer holdProgress()()
	fmt.Fprintf(os.Stderr, "envseal: warning: %s\n", printable(fmt.Sprintf(format, args...)))
}

// note prints a line of information.
func note(format string, args ...any) {
	defer holdProgress()()
	fmt.Fprintf(os.Stderr, "envseal: %s\n", printable(fmt.Sprintf(format, args...)))
}
