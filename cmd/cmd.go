// Package cmd is envseal's command line: it finds the command that the arguments name, has it read
// its flags and run, and tells how it ended. It does no cryptography and opens no file.
//
// Begin with [Main]. Each command is a package of its own in cmd/internal, and what commands share
// stands below them; docs/architecture.md shows the floors.
package cmd

import (
	"context"

	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/envseal/envseal/cmd/internal/manual"
	"github.com/envseal/envseal/cmd/internal/proc"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/urfave/cli/v2"
)

// Main runs the command line args, args[0] being the program, and returns the exit code. It uses
// the standard streams, and leaves by os.Exit itself only on a signal, or where the reader of
// standard output has gone.
func Main(args []string) int {
	args = commandFirst(args)
	if !onlyTells(args) {
		proc.Catch(ui.HideProgress, ui.ReportProgress)
		defer proc.Leave()
	}
	err := run(context.Background(), args)
	keys.WarnUnlocked()
	return ui.Report(err)
}

// run does what the command line says.
func run(ctx context.Context, args []string) error {
	root := rootCommand(args...)
	args, err := flags.AWSOrder(root.Command("kms"), args)
	if err != nil {
		return err
	}
	c, err := flags.Read(ctx, root, args)
	switch {
	case err != nil:
		return err
	case c.Bool("help"):
		command, _ := flags.FindCommand(c.Command, c.Args().Slice())
		return manual.ShowHelp(command)
	}
	return keys.AdviseLocal(ctx, flags.ReadNamedKeys(c), flags.ReadStore(c), c.Command.Action(c))
}

// rootCommand is the program. Of the commands it has the one that args name, as in envseal NAME
// [OPERATION] ..., and where they name none, or help, all.
func rootCommand(args ...string) *cli.Command {
	root := &cli.Command{
		Name:  "envseal",
		Usage: "seal files by envelope encryption on AWS KMS",
		UsageText: "envseal COMMAND [flags] [FILE...]\n\n" +
			"envseal encrypt -k alias/backup FILE      writes FILE.sealed\n" +
			"envseal decrypt FILE.sealed               writes FILE\n" +
			"cat FILE | envseal encrypt -k alias/backup | envseal decrypt",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "version", Usage: "print the version"}},
	}
	root.Subcommands = commandsFor(root, args)
	flags.Prepare(root, root.Name)
	return root
}
