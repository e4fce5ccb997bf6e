// Package manual is envseal completion and envseal man.
package manual

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/urfave/cli/v2"
)

// shells are those that completions can be written for.
func shells() []string { return []string{"bash", "zsh", "fish"} }

// CompletionCommand makes scripts for what all describes.
func CompletionCommand(all func() *flags.CommandDoc) *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print a completion script for bash, zsh or fish",
		ArgsUsage: strings.Join(shells(), "|"),
		UsageText: "envseal completion bash > /etc/bash_completion.d/envseal\n" +
			"envseal completion zsh > \"${fpath[1]}/_envseal\"\n" +
			"envseal completion fish > ~/.config/fish/completions/envseal.fish",
		Description: "The script completes commands, flags, the values of flags that have a fixed set of them, and files. It runs no program, and so asks no key service\n" +
			"and opens no keystore. For the running shell alone: source <(envseal completion bash), or envseal completion fish | source.",
		Action: func(c *cli.Context) error { return runCompletion(c, all()) },
	}
}

func runCompletion(c *cli.Context, root *flags.CommandDoc) error {
	const install = "envseal completion bash > /etc/bash_completion.d/envseal"
	if n := c.NArg(); n != 1 {
		return exit.Errorf(exit.Usage, install, "completion takes the name of one shell, %d given: bash, zsh or fish", n)
	}
	var script string
	completeHelp(root)
	switch shell := c.Args().First(); shell {
	case "bash":
		script = bashCompletion(root)
	case "zsh":
		script = zshCompletion(root)
	case "fish":
		script = fishCompletion(root)
	default:
		return exit.Errorf(exit.Usage, install, "no completion for the shell %s: bash, zsh or fish", ui.Shown(shell))
	}
	if _, err := io.WriteString(file.StdoutText(), script); err != nil {
		return fmt.Errorf("completion: %w", err)
	}
	return nil
}

// completeHelp puts behind help what it takes: commands, without their flags, and topics.
func completeHelp(root *flags.CommandDoc) {
	isHelp := func(d *flags.CommandDoc) bool { return d.Path == "help" }
	help := root.Children[slices.IndexFunc(root.Children, isHelp)]
	help.Flags, help.Children = nil, namesOnly(root.Children, "help")
	for _, t := range Topics(root) {
		d := &flags.CommandDoc{Path: "help " + t.Name, Names: []string{t.Name}, Usage: t.Usage}
		help.Children = append(help.Children, d)
	}
}

// namesOnly are copies of commands below the command above.
func namesOnly(commands []*flags.CommandDoc, above string) []*flags.CommandDoc {
	var all []*flags.CommandDoc
	for _, c := range commands {
		if c.Path == "help" {
			continue
		}
		path := above + " " + c.Names[0]
		all = append(all, &flags.CommandDoc{Path: path, Names: c.Names, Usage: c.Usage, Children: namesOnly(c.Children, path)})
	}
	return all
}

// wordsFor are the words that lead from d to its child c, each behind the path of d, for a script
// to compare with.
func wordsFor(d, c *flags.CommandDoc, quoted func(string) string) []string {
	var words []string
	for _, name := range c.Names {
		words = append(words, quoted(d.Path+"/"+name))
	}
	return words
}

// argumentWords are what the arguments of d may be: names of commands, without aliases, or words.
func argumentWords(d *flags.CommandDoc) []string {
	var all []string
	for _, c := range d.Children {
		all = append(all, c.Names[0])
	}
	return append(all, d.Words...)
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
