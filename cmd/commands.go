package cmd

import (
	"slices"

	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/urfave/cli/v2"
)

// commandMaker makes a command of envseal.
type commandMaker struct {
	names []string // what the command made is called, with its aliases
	make  func() *cli.Command
}

// commandMakers are all commands in the order of the help. root is what they are below, and args
// the whole command line.
func commandMakers(root *cli.Command, args []string) []commandMaker {
	return []commandMaker{
		{[]string{"encrypt", "enc", "e"}, encryptCommand},
		{[]string{"decrypt", "dec", "d"}, decryptCommand},
		{[]string{"verify"}, verifyCommand},
		{[]string{"inspect", "info"}, inspectCommand},
		{[]string{"rewrap"}, rewrapCommand},
		{[]string{"data-key"}, dataKeyCommand},
		{[]string{"key-pair"}, keyPairCommand},
		{[]string{"kms"}, func() *cli.Command { return kmsCommand(args) }},
		{[]string{"doctor"}, doctorCommand},
		{[]string{"keystore"}, keystoreCommand},
		{[]string{"completion"}, func() *cli.Command { return completionCommand(describeAll) }},
		{[]string{"man"}, func() *cli.Command { return manCommand(versionText(), describeAll) }},
		{[]string{"version"}, versionCommand},
		{nil, func() *cli.Command { return helpCommand(root) }}, // which shows them all
	}
}

// describeAll describes the program with all commands.
func describeAll() *flags.CommandDoc { return flags.DocOf(rootCommand()) }

// onlyTells is for commands that print a text and end, to which signals may do what they do to any process.
func onlyTells(args []string) bool {
	return len(args) > 1 && slices.Contains([]string{"completion", "man", "version", "help", "h"}, args[1])
}

// commandsFor makes the command that the command line names, or all where it names none. To make all, with their hundreds of flags, and have them
// checked by urfave/cli takes as long as the rest of a short run.
func commandsFor(root *cli.Command, args []string) []*cli.Command {
	makers := commandMakers(root, args)
	if len(args) > 1 {
		for _, m := range makers {
			if slices.Contains(m.names, args[1]) {
				return []*cli.Command{m.make()}
			}
		}
	}
	all := make([]*cli.Command, len(makers))
	for i, m := range makers {
		all[i] = m.make()
	}
	return all
}

// commandFirst puts a command in the place of the flags that stand for one.
func commandFirst(args []string) []string {
	if len(args) < 2 {
		return args
	}
	command := ""
	switch args[1] {
	case "-h", "-help", "--help":
		command = "help"
	case "-version", "--version":
		command = "version"
	default:
		return args
	}
	return append([]string{args[0], command}, args[2:]...)
}
