package flags

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// What envseal knows of a flag beside what the library does.

// ownFlag is a flag of the library with more to it. It keeps its names, too: the library makes them
// with a regular expression, and asks for those of all flags for each flag.
type ownFlag struct {
	libraryFlag
	names    []string
	words    []string
	precedes bool
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
func (f ownFlag) Names() []string { return f.names }

// Words are the values that the flag takes, of those that take a few.
func (f ownFlag) Words() []string { return f.words }

// PrecedesCommand tells whether the value may be "--", and what follows it a command to the end of
// the line, flags and all.
func (f ownFlag) PrecedesCommand() bool { return f.precedes }

// OneOf is a flag that takes one of a few words. They are offered by completion; it is the command
// that refuses others.
func OneOf(f *cli.StringFlag, words ...string) cli.Flag {
	return ownFlag{libraryFlag: f, names: f.Names(), words: words}
}

// BeforeCommand is a flag whose value is a line for the shell, or "--" and a command behind it.
func BeforeCommand(f *cli.StringFlag) cli.Flag {
	return ownFlag{libraryFlag: f, names: f.Names(), precedes: true}
}

// OptionalValue is a flag whose value may be left out; if there is one, it stands behind "=". The
// value's IsBoolFlag says so to package flag, and its Words, if it has any, are offered.
type OptionalValue struct{ *cli.GenericFlag }

// TakesValue implements cli.DocGenerationFlag.
func (OptionalValue) TakesValue() bool { return false }

// OptionalValue tells the flag from one that takes no value.
func (OptionalValue) OptionalValue() bool { return true }

// Words are the values that the flag takes, of those that take a few.
func (f OptionalValue) Words() []string {
	if v, ok := f.Value.(interface{ Words() []string }); ok {
		return v.Words()
	}
	return nil
}

// String is for the help.
func (f OptionalValue) String() string { return cli.FlagStringer(f) }

// Prepare gives the command c and all below it what the library would when it runs them: a full
// name, an action and --help.
func Prepare(c *cli.Command, name string) {
	c.HelpName = name
	if c.Action == nil {
		c.Action = noCommand
	}
	help := &cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show help"}
	for i, f := range c.Flags {
		if groupOf(f) == CatOutput {
			help.Category = CatOutput
		}
		switch f := f.(type) {
		case *cli.BoolFlag, *cli.IntFlag, *cli.StringFlag:
			c.Flags[i] = ownFlag{libraryFlag: f.(libraryFlag), names: f.Names()}
		}
	}
	c.Flags = append(slices.Clip(c.Flags), ownFlag{libraryFlag: help, names: help.Names()})
	for _, sub := range c.Subcommands {
		Prepare(sub, name+" "+sub.Name)
	}
}

// wordsOf are the values that f takes, nil if they are not a few.
func wordsOf(f cli.Flag) []string {
	if f, ok := f.(interface{ Words() []string }); ok {
		return f.Words()
	}
	return nil
}

func hasOptionalValue(f cli.Flag) bool {
	o, ok := f.(interface{ OptionalValue() bool })
	return ok && o.OptionalValue()
}

func precedesCommand(f cli.Flag) bool {
	p, ok := f.(interface{ PrecedesCommand() bool })
	return ok && p.PrecedesCommand()
}

func needsValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

func isRepeated(f cli.Flag) bool {
	s, ok := f.(cli.DocGenerationSliceFlag)
	return ok && s.IsSliceFlag()
}

func groupOf(f cli.Flag) string {
	if f, ok := f.(cli.CategorizableFlag); ok {
		return f.GetCategory()
	}
	return ""
}

// dashes are what precedes the name of a flag.
func dashes(name string) string {
	if len(name) == 1 {
		return "-"
	}
	return "--"
}

// placeholder is what the help calls the value of a flag: the word in backquotes.
func placeholder(usage string) string {
	if _, rest, ok := strings.Cut(usage, "`"); ok {
		if name, _, ok := strings.Cut(rest, "`"); ok {
			return name
		}
	}
	return "VALUE"
}
