package cmd

import (
	"slices"

	"github.com/envseal/envseal/cmd/internal/decrypt"
	"github.com/envseal/envseal/cmd/internal/doctor"
	"github.com/envseal/envseal/cmd/internal/encrypt"
	"github.com/envseal/envseal/cmd/internal/inspect"
	"github.com/envseal/envseal/cmd/internal/keyfile"
	"github.com/envseal/envseal/cmd/internal/keystore"
	"github.com/envseal/envseal/cmd/internal/kms"
	"github.com/envseal/envseal/cmd/internal/manual"
	"github.com/envseal/envseal/cmd/internal/rewrap"
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
		{[]string{"encrypt", "enc", "e"}, encrypt.Command},
		{[]string{"decrypt", "dec", "d"}, decrypt.Command},
		{[]string{"verify"}, decrypt.VerifyCommand},
		{[]string{"inspect", "info"}, inspect.Command},
		{[]string{"rewrap"}, rewrap.Command},
		{[]string{"data-key"}, func() *cli.Command { return keyfile.Command("data-key") }},
		{[]string{"key-pair"}, func() *cli.Command { return keyfile.Command("key-pair") }},
		{[]string{"kms"}, func() *cli.Command { return kms.Command(args) }},
		{[]string{"doctor"}, doctor.Command},
		{[]string{"keystore"}, keystore.Command},
		{[]string{"completion"}, func() *cli.Command { return manual.CompletionCommand(describeAll) }},
		{[]string{"man"}, func() *cli.Command { return manual.ManCommand(versionText(), describeAll) }},
		{[]string{"version"}, versionCommand},
		{nil, func() *cli.Command { return manual.HelpCommand(root) }}, // which shows them all
	}
}

// describeAll describes the program with all commands.
func describeAll() *manual.Entry { return manual.Describe(rootCommand()) }

// onlyTells is for commands that print a text and end, to which signals may do what they do to any
// process.
func onlyTells(args []string) bool {
	return len(args) > 1 &&
		slices.Contains([]string{"completion", "man", "version", "help", "h"}, args[1])
}

// commandsFor makes the command that the command line names, or all where it names none. To make
// all, with their hundreds of flags, takes as long as the rest of a short run.
func commandsFor(root *cli.Command, args []string) []*cli.Command {
	makers := commandMakers(root, args)
	isNamed := func(m commandMaker) bool { return len(args) > 1 && slices.Contains(m.names, args[1]) }
	if i := slices.IndexFunc(makers, isNamed); i >= 0 {
		makers = makers[i : i+1]
	}
	var all []*cli.Command
	for _, m := range makers {
		all = append(all, m.make())
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
