package cmd

import (
	"slices"

	"github.com/urfave/cli/v2"
)

// commandMaker makes a command of envseal.
type commandMaker struct {
	names []string // what the command made is called, with its aliases
	make  func() *cli.Command
}

// commandMakers are all commands in the order of the help. args is the whole command line.
func commandMakers(args []string) []commandMaker {
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
		{[]string{"completion"}, completionCommand},
		{[]string{"man"}, manCommand},
		{[]string{"version"}, versionCommand},
		{nil, helpCommand}, // which shows them all
	}
}

// onlyTells is for commands that print a text and end, to which signals may do what they do to any process.
func onlyTells(args []string) bool {
	return len(args) > 1 && slices.Contains([]string{"completion", "man", "version", "help", "h"}, args[1])
}

// commandsFor makes the command that the command line names, or all where it names none. To make all, with their hundreds of flags, and have them
// checked by urfave/cli takes as long as the rest of a short run.
func commandsFor(args []string) []*cli.Command {
	makers := commandMakers(args)
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

// namedFlag is a flag of urfave/cli that keeps its names: the library makes them with a regular expression, and asks for those of all flags for each flag.
type namedFlag struct {
	libraryFlag
	names []string
}

// libraryFlag is what urfave/cli looks for in flags of one value.
type libraryFlag interface {
	cli.ActionableFlag
	cli.CategorizableFlag
	cli.DocGenerationFlag
	cli.RequiredFlag
	cli.VisibleFlag
}

// Names implements cli.Flag.
func (f namedFlag) Names() []string { return f.names }

// withNames makes named flags of the plain ones.
func withNames(flags []cli.Flag) {
	for i, f := range flags {
		switch f := f.(type) {
		case *cli.BoolFlag:
			flags[i] = namedFlag{f, f.Names()}
		case *cli.IntFlag:
			flags[i] = namedFlag{f, f.Names()}
		case *cli.StringFlag:
			flags[i] = namedFlag{f, f.Names()}
		}
	}
}
