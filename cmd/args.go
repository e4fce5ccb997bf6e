package cmd

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// permute moves the flags of a command before its arguments. The flag parser underneath stops at the first argument and would take `FILE -k KEY` for three files, without a word.
// Nothing behind "--" is touched, and "-" is an argument. Where "--" is the value of --from-command or --to-command, what is behind it is the command, and comes last
// behind a "--" of its own; see splitCommand.
func permute(app *cli.App, args []string) ([]string, error) {
	if len(args) < 2 {
		return args, nil
	}
	args, err := awsOrder(app.Commands, args)
	if err != nil {
		return nil, err
	}
	done, rest, flags, err := namedCommand(app, args)
	if err != nil {
		return nil, err
	}
	path := append([]string{app.Name}, done[1:]...)
	var options, arguments []string
	marked := false // what follows the options must not be taken for one
	for len(rest) > 0 {
		arg := rest[0]
		rest = rest[1:]
		if arg == "--" {
			arguments, marked = append(arguments, rest...), true
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			arguments = append(arguments, arg)
			continue
		}
		if arg == "-h" || arg == "--help" {
			app.Writer = stdoutWriter() // asked for, so it is data
		}
		if name, value, ok := attached(flags, arg); ok {
			options = append(options, name, value)
			continue
		}
		if each := unbundled(flags, arg); each != nil {
			rest = append(each, rest...)
			continue
		}
		if name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "="); flags[name] == nil && name != "help" && name != "h" {
			return nil, unknownFlag(path, arg, flags)
		}
		options = append(options, arg)
		if !takesNext(flags, arg) {
			continue
		}
		if len(rest) == 0 {
			return nil, fail(exitUsage, orHelp(strings.Join(path, " "), ""), "flag %s needs a value", arg)
		}
		value := rest[0]
		options, rest = append(options, value), rest[1:]
		if name := strings.TrimLeft(arg, "-"); value == argvMark && (name == fromCommand || name == toCommand) {
			arguments, marked = append(append(arguments, argvMark), rest...), true
			break
		}
	}
	if marked || len(arguments) > 0 && strings.HasPrefix(arguments[0], "-") {
		options = append(options, "--")
	}
	return append(append(done, options...), arguments...), nil
}

// namedCommand splits args behind the words that name a command, and gives the flags of that command.
func namedCommand(app *cli.App, args []string) (words, rest []string, flags map[string]cli.Flag, err error) {
	words, rest = append([]string{}, args[:1]...), args[1:]
	flags = map[string]cli.Flag{}
	commands := app.Commands
	for len(rest) > 0 {
		c := findCommand(commands, rest[0])
		if c == nil {
			break
		}
		words, rest = append(words, rest[0]), rest[1:]
		commands, flags = c.Subcommands, flagsByName(c.Flags)
	}
	if len(commands) > 0 && len(rest) > 0 && rest[0] != "" && rest[0][0] != '-' {
		err = unknownCommand(append([]string{app.Name}, words[1:]...), rest[0], commands)
	}
	return words, rest, flags, err
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

func findCommand(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

func flagsByName(flags []cli.Flag) map[string]cli.Flag {
	m := map[string]cli.Flag{}
	for _, f := range flags {
		for _, n := range f.Names() {
			m[n] = f
		}
	}
	return m
}

// attached splits -oFILE and -fqoFILE, the value in one word with its flag, as Unix filters take it.
func attached(flags map[string]cli.Flag, arg string) (name, value string, ok bool) {
	if strings.HasPrefix(arg, "--") || len(arg) < 3 || flags[strings.TrimLeft(strings.SplitN(arg, "=", 2)[0], "-")] != nil {
		return "", "", false
	}
	for i := 1; i < len(arg)-1; i++ {
		f, known := flags[arg[i:i+1]]
		if !known {
			break
		}
		if needsValue(f) {
			return arg[:i+1], arg[i+1:], true
		}
	}
	return "", "", false
}

// takesNext tells whether the value of a flag is the next argument. Unknown flags are left for the parser to refuse.
func takesNext(flags map[string]cli.Flag, arg string) bool {
	name := strings.TrimLeft(arg, "-")
	if strings.Contains(name, "=") {
		return false
	}
	f, ok := flags[name]
	return ok && needsValue(f)
}

// unbundled splits -fvo, short flags in one word of which the last may take a value; nil if arg is something else. The flag parser underneath splits them as well, but takes a
// value of the same letters before them for the word.
func unbundled(flags map[string]cli.Flag, arg string) (each []string) {
	if strings.HasPrefix(arg, "--") || len(arg) < 3 || flags[arg[1:]] != nil {
		return nil
	}
	for i := 1; i < len(arg); i++ {
		if flags[arg[i:i+1]] == nil {
			return nil
		}
		each = append(each, "-"+arg[i:i+1])
	}
	return each
}

func needsValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}
