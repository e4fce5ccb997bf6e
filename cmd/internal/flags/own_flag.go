package flags

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"
)

// ownFlag is a flag of the library, and what envseal knows of it besides. It keeps its names, too:
// the library makes them with a regular expression, and asks for those of all flags for each flag.
type ownFlag struct {
	libraryFlag
	names    []string
	words    []string // the values that it takes, if they are a few
	optional bool     // the value may be left out; if there is one, it stands behind "="
	precedes bool     // the value may be "--", and what follows it a command to the end of the line
	repeats  bool     // it may be given more than once
}

// libraryFlag is what all flags of urfave/cli are.
type libraryFlag interface {
	cli.ActionableFlag
	cli.CategorizableFlag
	cli.DocGenerationFlag
	cli.RequiredFlag
}

// own is f as an ownFlag, which it may be already.
func own(f cli.Flag) *ownFlag {
	if f, ok := f.(*ownFlag); ok {
		return f
	}
	_, repeats := f.(*cli.StringSliceFlag)
	return &ownFlag{libraryFlag: f.(libraryFlag), names: f.Names(), repeats: repeats}
}

// Names implements cli.Flag.
func (f *ownFlag) Names() []string { return f.names }

// TakesValue implements cli.DocGenerationFlag: it tells whether there must be a value.
func (f *ownFlag) TakesValue() bool { return !f.optional && f.libraryFlag.TakesValue() }

// OneOf is a flag that takes one of a few words. They are offered by completion; it is the command
// that refuses others.
func OneOf(f *cli.StringFlag, words ...string) cli.Flag {
	o := own(f)
	o.words = words
	return o
}

// BeforeCommand is a flag whose value is a line for the shell, or [ArgvMark] and a command behind
// it.
func BeforeCommand(f *cli.StringFlag) cli.Flag {
	o := own(f)
	o.precedes = true
	return o
}

// optionalValue is the value of a flag that may be given without one; if there is one, it stands
// behind "=". It is zero until the flag is given, and with =false.
type optionalValue[T comparable] struct {
	value T
	bare  string // the value of the flag alone
	parse func(string) (T, error)
}

// OptionalValue makes f such a flag. bare is its value where none is given; what is wrong with one
// parse says by naming those that there are. Where it takes a few words, completion offers them.
func OptionalValue[T comparable](f *cli.GenericFlag, bare string, parse func(string) (T, error),
	words ...string) cli.Flag {
	f.Value = &optionalValue[T]{bare: bare, parse: parse}
	o := own(f)
	o.optional, o.words = true, words
	return o
}

// ReadOptional reads a flag of [OptionalValue].
func ReadOptional[T comparable](c *cli.Context, name string) (value T) {
	if v, ok := c.Generic(name).(*optionalValue[T]); ok {
		value = v.value
	}
	return value
}

// Set implements cli.Generic.
func (v *optionalValue[T]) Set(s string) error {
	switch s {
	case "true": // what [Read] says where there is no value
		s = v.bare
	case "false":
		v.value = *new(T)
		return nil
	}
	value, err := v.parse(s)
	if err == nil {
		v.value = value
	}
	return err
}

// String implements cli.Generic.
func (v *optionalValue[T]) String() string {
	if v == nil || v.value == *new(T) {
		return ""
	}
	return fmt.Sprint(v.value)
}

// Prepare gives the command c and all below it what the library would when it runs them: a full
// name, an action and --help. It comes before [Read] and [Describe].
func Prepare(c *cli.Command, name string) {
	c.HelpName = name
	if c.Action == nil {
		c.Action = noCommand
	}
	help := &cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show help"}
	c.Flags = append(slices.Clip(c.Flags), help)
	for i, f := range c.Flags {
		o := own(f)
		if c.Flags[i] = o; o.GetCategory() == CatOutput {
			help.Category = CatOutput
		}
	}
	for _, sub := range c.Subcommands {
		Prepare(sub, name+" "+sub.Name)
	}
}

// byName has each flag under all its names.
func byName(flags []cli.Flag) map[string]*ownFlag {
	m := map[string]*ownFlag{}
	for _, f := range flags {
		f := own(f)
		for _, name := range f.names {
			m[name] = f
		}
	}
	return m
}

// dashed is the name of a flag as it is typed.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}
