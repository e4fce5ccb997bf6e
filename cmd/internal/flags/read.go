package flags

import (
	"context"
	"flag"
	"strings"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/urfave/cli/v2"
)

// Read finds the command that args name below root, args[0] being the program, and reads its flags,
// which may stand anywhere among its arguments. It returns what the action of the command takes.
//
// The library's own way, cli.App.Run, stops at the first argument, splits values at commas, and
// prints the help by text/template, for which the linker keeps every method of every type.
func Read(ctx context.Context, root *cli.Command, args []string) (*cli.Context, error) {
	command, rest := FindCommand(root, args[min(1, len(args)):])
	if len(rest) > 0 && rest[0] != "" && rest[0][0] != '-' && len(command.Subcommands) > 0 {
		return nil, UnknownCommand(command, rest[0])
	}
	r, err := newFlagReader(command)
	if err != nil {
		return nil, err
	}
	if err := r.read(rest); err != nil {
		return nil, err
	}
	if err := r.set.Parse(append([]string{"--"}, r.arguments...)); err != nil {
		return nil, err
	}
	c := cli.NewContext(nil, r.set, &cli.Context{Context: ctx})
	c.Command = command
	if c.Bool("help") {
		return c, nil
	}
	return c, refuseEmptyNames(c)
}

// FindCommand goes down from root as long as words name a command, and gives what is left of them.
func FindCommand(root *cli.Command, words []string) (*cli.Command, []string) {
	for len(words) > 0 {
		c := root.Command(words[0])
		if c == nil {
			break
		}
		root, words = c, words[1:]
	}
	return root, words
}

// flagReader reads what stands behind the name of a command.
type flagReader struct {
	command   *cli.Command
	known     map[string]*ownFlag
	set       *flag.FlagSet
	given     map[string]string   // the name under which a flag was given, by its first
	lists     map[string][]string // the values of flags that may be repeated, by their first name
	arguments []string
}

func newFlagReader(command *cli.Command) (*flagReader, error) {
	r := &flagReader{
		command: command, known: byName(command.Flags),
		set:   flag.NewFlagSet(command.Name, flag.ContinueOnError),
		given: map[string]string{}, lists: map[string][]string{},
	}
	for _, f := range command.Flags {
		if err := f.Apply(r.set); err != nil {
			return nil, exit.Errorf(exit.Usage, TryHelp(command), "%w", err)
		}
		f := own(f)
		r.share(f, r.set.Lookup(f.names[0]).Value)
	}
	return r, nil
}

// share has all names of f stand for one value.
func (r *flagReader) share(f *ownFlag, value flag.Value) {
	for _, name := range f.names {
		r.set.Lookup(name).Value = value
	}
}

// read tells flags from arguments. Nothing behind "--" is a flag, and "-" is an argument.
func (r *flagReader) read(args []string) error {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			r.arguments = append(r.arguments, args...)
			return nil
		}
		if len(arg) < 2 || arg[0] != '-' {
			r.arguments = append(r.arguments, arg)
			continue
		}
		if each := unbundled(r.known, arg); each != nil {
			args = append(each, args...)
			continue
		}
		name, value, attached := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		f := r.known[name]
		switch {
		case f == nil:
			return unknownFlag(r.command, arg, r.known)
		case strings.HasPrefix(arg, "---"):
			return r.refuse("bad flag syntax: %s", arg)
		case attached:
		case !f.TakesValue():
			value = "true"
		case len(args) == 0:
			return r.refuse("flag %s needs a value", arg)
		default:
			value, args = args[0], args[1:]
		}
		if err := r.assign(f, name, value, attached); err != nil {
			return err
		}
		if value == ArgvMark && !attached && f.precedes {
			r.arguments = append(append(r.arguments, "--"), args...)
			return nil
		}
	}
	return nil
}

// assign gives the flag f, which is called name here, a value.
func (r *flagReader) assign(f *ownFlag, name, value string, attached bool) error {
	first := f.names[0]
	if before, ok := r.given[first]; ok && before != name {
		return r.refuse("Cannot use two forms of the same flag: %s %s", f.names[1], first)
	}
	r.given[first] = name
	if err := r.set.Set(name, value); err != nil {
		return r.valueError(f, name, value, attached, err)
	}
	if f.repeats {
		// the library would split at commas, and takes no other way from outside
		r.lists[first] = append(r.lists[first], strings.TrimSpace(value))
		r.share(f, cli.NewStringSlice(r.lists[first]...))
	}
	return nil
}

// refuse is an error in the use of a flag, with a hint at the help.
func (r *flagReader) refuse(format string, args ...any) error {
	return exit.Errorf(exit.Usage, TryHelp(r.command), format, args...)
}

// valueError says what is wrong with a value, err being the flag's own reason. A flag whose value
// may be left out says in its error which values there are.
func (r *flagReader) valueError(f *ownFlag, name, value string, attached bool, err error) error {
	const unread = "parse error" // what package flag says of whatever it cannot read
	flag, reason := dashed(name), err.Error()
	switch {
	case f.TakesValue() && reason == unread:
		return r.refuse("%s %q: not a whole number", flag, value)
	case f.TakesValue():
		return r.refuse("%s %q: %w", flag, value, err)
	case !attached:
		return r.refuse("%s: %w", flag, err)
	case reason == unread:
		return r.refuse("%s takes no value, %q is given", flag, value)
	}
	return exit.Errorf(exit.Usage, reason, "%s=%s: no such value", flag, ui.Shown(value))
}

// refuseEmptyNames refuses a flag that names a file or directory and is given without a name: an
// empty variable of a script, most likely, which must not have the flag pass for one that was not
// given. Of those with a variable of the environment it is not known which of both was empty.
func refuseEmptyNames(c *cli.Context) error {
	for _, f := range c.Command.Flags {
		f := own(f)
		if f.repeats || len(f.GetEnvVars()) > 0 || !f.TakesValue() {
			continue
		}
		name, kind := f.names[0], placeholder(f.GetUsage())
		if (kind == "FILE" || kind == "DIR") && c.String(name) == "" && c.IsSet(name) {
			return exit.Errorf(exit.Usage, "is a variable empty that should name it?",
				"--%s: the name is empty", name)
		}
	}
	return nil
}

// unbundled splits short flags in one word, as Unix filters take them: -fvo, of which the last may
// take a value, and -oFILE or -fvoFILE. It is nil if arg is something else.
func unbundled(known map[string]*ownFlag, arg string) (each []string) {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	if strings.HasPrefix(arg, "--") || len(arg) < 3 || known[name] != nil {
		return nil
	}
	for i := 1; i < len(arg); i++ {
		f := known[arg[i:i+1]]
		if f == nil {
			return nil
		}
		each = append(each, "-"+arg[i:i+1])
		if f.TakesValue() && i+1 < len(arg) {
			return append(each, arg[i+1:])
		}
	}
	return each
}

// takesNext tells whether the value of a flag is the next argument. Unknown flags take none.
func takesNext(known map[string]*ownFlag, arg string) bool {
	f := known[strings.TrimLeft(arg, "-")]
	return f != nil && f.TakesValue()
}
