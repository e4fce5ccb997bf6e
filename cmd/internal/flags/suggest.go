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
	hint := TryHelp(c.Command)
	if c.Command.HelpName == "envseal" {
		hint += ", or `envseal encrypt -k KEY FILE`"
	}
	if name := c.Args().First(); name != "" {
		return exit.Errorf(exit.Usage, "try `envseal help`", "unknown command %q", name)
	}
	return exit.Errorf(exit.Usage, hint, "no command given")
}

// UnknownCommand is the error for a word in the place of one of the commands of parent.
func UnknownCommand(parent *cli.Command, word string) error {
	path := parent.HelpName
	hint := TryHelp(parent)
	if meant := Near(word, namesOf(parent.Subcommands)); meant != "" {
		hint = didYouMean(path + " " + meant)
	}
	program, below, _ := strings.Cut(path+" "+word, " ")
	if program == path && file.IsThere(word) {
		word = ui.ShellWord(word)
		hint = "for the file write `envseal encrypt -k KEY " + word +
			"`, or `envseal decrypt " + word + "`"
	}
	return exit.Errorf(exit.Usage, hint, "unknown command %q", below)
}

// UnknownTopic is the error for a word that is neither a command of root nor one of the topics.
func UnknownTopic(root *cli.Command, word string, topics []string) error {
	meant := Near(word, append(namesOf(root.Subcommands), topics...))
	if slices.Contains(topics, meant) {
		return exit.Errorf(exit.Usage, didYouMean("envseal help "+meant), "unknown topic %q", word)
	}
	return UnknownCommand(root, word)
}

// namesOf are the names of commands, with their aliases.
func namesOf(commands []*cli.Command) (all []string) {
	for _, c := range commands {
		all = append(all, c.Names()...)
	}
	return all
}

// unknownFlag is the error for a flag as it was typed that the command does not have.
func unknownFlag(command *cli.Command, arg string, known map[string]*ownFlag) error {
	typed, _, _ := strings.Cut(arg, "=")
	hint := TryHelp(command)
	if meant := Near(strings.TrimLeft(typed, "-"), slices.Collect(maps.Keys(known))); meant != "" {
		hint = didYouMean(dashed(meant))
	}
	if file.IsThere(arg) {
		hint = "for the file write " + ui.ShellWord("./"+arg)
	}
	if strings.HasPrefix(command.HelpName, "envseal kms") {
		return exit.Errorf(exit.Usage, hint, "Unknown options: %s", typed) // as aws says it
	}
	return exit.Errorf(exit.Usage, hint, "unknown flag %s", typed)
}

func didYouMean(line string) string { return "did you mean `" + line + "`?" }

// TryHelp points to the help on a command.
func TryHelp(command *cli.Command) string {
	if command.HelpName == "envseal" {
		return "try `envseal help`"
	}
	return "try `" + command.HelpName + " --help`"
}

// Near is which of the names was most likely meant by word, "" if none was: one that differs in a
// letter or two, then one that begins with it, then one that has it inside or is inside of it. Of
// several it is the nearest, the shortest, the first.
func Near(word string, names []string) string {
	word = strings.ToLower(word)
	best, least := "", tooFar
	for _, name := range names {
		if rank := far(word, strings.ToLower(name)); rank < least || rank == least && name < best {
			best, least = name, rank
		}
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
	switch d := editDistance(word, name); {
	case d == 1 && len(word) > 2, d == 2 && len(word) > 4:
		return d
	case len(name) < 3:
		return tooFar
	case strings.HasPrefix(name, word):
		return 100 + len(name)
	case len(word) >= 3 && strings.Contains(name, word),
		len(name) >= 4 && strings.Contains(word, name):
		return 200 + len(name)
	}
	return tooFar
}

// editDistance is how many bytes are to be put in, left out, replaced or, side by side, exchanged
// to make b of a. The library's smetrics has it without exchanges, which are what fingers do most.
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
