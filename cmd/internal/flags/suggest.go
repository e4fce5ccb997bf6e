package flags

import (
	"maps"
	"slices"
	"strings"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/urfave/cli/v2"
)

// What is said of a word that nobody knows: what it may have been meant for, else where to read on.

// noCommand is the action of a command that has others below it, none of which is named.
func noCommand(c *cli.Context) error {
	hint := helpOn(c.Command)
	if c.Command.HelpName == "envseal" {
		hint = "try `envseal help`, or `envseal encrypt -k KEY FILE`"
	}
	if name := c.Args().First(); name != "" {
		return exit.Errorf(exit.Usage, "try `envseal help`", "unknown command %q", name)
	}
	return exit.Errorf(exit.Usage, hint, "no command given")
}

// UnknownCommand is the error for a word in the place of one of the commands of parent.
func UnknownCommand(parent *cli.Command, word string) error {
	path := parent.HelpName
	hint := OrHelp(path, withPath(path, Near(word, NamesOf(parent.Subcommands))))
	_, below, _ := strings.Cut(path+" "+word, " ")
	if !strings.Contains(path, " ") && file.IsThere(word) {
		hint = "for the file write `envseal encrypt -k KEY " + ui.ShellWord(word) + "`, or `envseal decrypt " + ui.ShellWord(word) + "`"
	}
	return exit.Errorf(exit.Usage, hint, "unknown command %q", below)
}

// NamesOf are the names of commands, with their aliases.
func NamesOf(commands []*cli.Command) (all []string) {
	for _, c := range commands {
		all = append(all, c.Names()...)
	}
	return all
}

// withPath puts what goes before a command before it, if there is one.
func withPath(path, command string) string {
	if command == "" {
		return ""
	}
	return path + " " + command
}

// unknownFlag is the error for a flag as it was typed that the command does not have.
func unknownFlag(command *cli.Command, arg string, known map[string]cli.Flag) error {
	typed, _, _ := strings.Cut(arg, "=")
	meant := Near(strings.TrimLeft(typed, "-"), slices.Collect(maps.Keys(known)))
	if meant != "" {
		meant = dashes(meant) + meant
	}
	hint := OrHelp(command.HelpName, meant)
	if file.IsThere(arg) {
		hint = "for the file write " + ui.ShellWord("./"+arg)
	}
	if strings.HasPrefix(command.HelpName, "envseal kms") {
		return exit.Errorf(exit.Usage, hint, "Unknown options: %s", typed) // as aws says it
	}
	return exit.Errorf(exit.Usage, hint, "unknown flag %s", typed)
}

// OrHelp asks whether meant was meant, or where it is empty points to the help on command.
func OrHelp(command, meant string) string {
	if meant != "" {
		return "did you mean `" + meant + "`?"
	}
	if command == "envseal" {
		return "try `envseal help`"
	}
	return "try `" + command + " --help`"
}

// helpOn points to the help on a command.
func helpOn(command *cli.Command) string { return OrHelp(command.HelpName, "") }

// HelpFor is what to type for the help on the command that runs.
func HelpFor(c *cli.Context) string { return c.Command.HelpName + " --help" }

// Near is which of the names was most likely meant by word, "" if none was: one that differs in a letter or two, then one that begins with it, then one that has it inside or is
// inside of it. Of several it is the nearest, the shortest, the first.
func Near(word string, names []string) string {
	word = strings.ToLower(word)
	best, least := "", 1<<20
	for _, name := range names {
		if rank := far(word, strings.ToLower(name)); rank < least || rank == least && name < best {
			best, least = name, rank
		}
	}
	if least >= tooFar {
		return ""
	}
	return best
}

const tooFar = 1000

// far is how unlikely it is that name was meant by word, from tooFar on not at all.
func far(word, name string) int {
	if word == name {
		return 0
	}
	if len(word) < 2 || len(name) < 2 {
		return tooFar
	}
	if d := editDistance(word, name); d == 1 && len(word) > 2 || d == 2 && len(word) > 4 {
		return d
	}
	switch {
	case len(name) < 3:
		return tooFar
	case strings.HasPrefix(name, word):
		return 100 + len(name)
	case len(word) >= 3 && strings.Contains(name, word), len(name) >= 4 && strings.Contains(word, name):
		return 200 + len(name)
	}
	return tooFar
}

// editDistance is how many bytes are to be put in, left out, replaced or, side by side, exchanged to make b of a.
func editDistance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
