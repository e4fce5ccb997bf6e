package manual

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/urfave/cli/v2"
)

// scripts are what writes a completion script, by the shell.
var scripts = map[string]func(root *Entry) string{"bash": bashCompletion,
	"zsh": zshCompletion, "fish": fishCompletion}

// CompletionCommand is envseal completion, for what all describes.
func CompletionCommand(all func() *Entry) *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print a completion script for bash, zsh or fish",
		ArgsUsage: "bash|zsh|fish",
		UsageText: "envseal completion bash > /etc/bash_completion.d/envseal\n" +
			"envseal completion zsh > \"${fpath[1]}/_envseal\"\n" +
			"envseal completion fish > ~/.config/fish/completions/envseal.fish",
		Description: "The script completes commands, flags, the values of flags that have a fixed set of them, and files. " +
			"It runs no program, and so asks no key service\nand opens no keystore. " +
			"For the running shell alone: source <(envseal completion bash), or envseal completion fish | source.",
		Action: func(c *cli.Context) error { return runCompletion(c.Args().Slice(), all()) },
	}
}

func runCompletion(shells []string, root *Entry) error {
	const install = "envseal completion bash > /etc/bash_completion.d/envseal"
	if n := len(shells); n != 1 {
		return exit.Errorf(exit.Usage, install,
			"completion takes the name of one shell, %d given: bash, zsh or fish", n)
	}
	script := scripts[shells[0]]
	if script == nil {
		return exit.Errorf(exit.Usage, install, "no completion for the shell %s: bash, zsh or fish",
			ui.Shown(shells[0]))
	}
	completeHelp(root)
	if _, err := io.WriteString(file.StdoutText(), script(root)); err != nil {
		return fmt.Errorf("completion: %w", err)
	}
	return nil
}

// completeHelp puts behind help what it takes: commands, without their flags, and topics.
func completeHelp(root *Entry) {
	isHelp := func(d *Entry) bool { return d.path == "help" }
	help := root.Children[slices.IndexFunc(root.Children, isHelp)]
	help.Flags, help.Children = nil, namesOnly(root.Children, "help")
	for _, t := range Topics(root) {
		help.Children = append(help.Children,
			&Entry{path: "help " + t.Name, names: []string{t.Name}, Usage: t.Usage})
	}
}

// namesOnly are copies of commands below the command above.
func namesOnly(commands []*Entry, above string) []*Entry {
	var all []*Entry
	for _, c := range commands {
		if c.path == "help" {
			continue
		}
		path := above + " " + c.names[0]
		all = append(all, &Entry{path: path, names: c.names, Usage: c.Usage,
			Children: namesOnly(c.Children, path)})
	}
	return all
}

// wordsFor are the words that lead from d to its child c, each behind the path of d, for a script
// to compare with.
func wordsFor(d, c *Entry, quoted func(string) string) []string {
	var words []string
	for _, name := range c.names {
		words = append(words, quoted(d.path+"/"+name))
	}
	return words
}

// argumentWords are what the arguments of d may be: names of commands, without aliases, or words.
func argumentWords(d *Entry) []string {
	var all []string
	for _, c := range d.Children {
		all = append(all, c.names[0])
	}
	return append(all, d.words...)
}

// firstClause is what fits beside a word in a list of completions.
func firstClause(usage string) string {
	usage = strings.ReplaceAll(usage, "`", "")
	for _, end := range []string{"; ", ": ", " (", ", and "} {
		usage, _, _ = strings.Cut(usage, end)
	}
	return usage
}

// singleQuoted is s for bash and zsh.
func singleQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
