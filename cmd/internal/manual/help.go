package manual

import (
	"io"
	"os"
	"strconv"

	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/urfave/cli/v2"
)

// HelpCommand is envseal help. It tells about the commands of root and the topics; root is complete
// by the time that the command runs.
func HelpCommand(root *cli.Command) *cli.Command {
	return &cli.Command{
		Name:      "help",
		Aliases:   []string{"h"},
		Usage:     "help on a command or a topic, such as `envseal help exit-codes`",
		ArgsUsage: "[COMMAND [SUBCOMMAND] | TOPIC]",
		Action:    func(c *cli.Context) error { return helpAbout(root, c.Args().Slice()) },
	}
}

// helpAbout shows the help on the command or the topic that words name.
func helpAbout(root *cli.Command, words []string) error {
	command, rest := flags.FindCommand(root, words)
	if len(rest) == 0 || rest[0] == "" {
		return ShowHelp(command)
	}
	if command != root {
		return flags.UnknownCommand(command, rest[0])
	}
	var names []string
	for _, t := range Topics(Describe(root)) {
		if t.Name == rest[0] {
			return show(t)
		}
		names = append(names, t.Name)
	}
	return flags.UnknownTopic(root, rest[0], names)
}

// ShowHelp prints the help on a command to standard output.
func ShowHelp(command *cli.Command) error { return show(Describe(command)) }

// show prints the help on a command or a topic. Lines are as long as COLUMNS says or the terminal
// is wide, but 100 columns are as many as can be read with ease.
func show(about interface{ Help(width int) string }) error {
	width := ui.Columns(os.Stdout)
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		width = n
	}
	_, err := io.WriteString(file.StdoutText(), about.Help(min(max(width, 20), 100)))
	return err
}

// Help is the text for lines of so many columns.
func (t Topic) Help(width int) string {
	p := &page{width: width}
	p.blocks(blocks(t.Text))
	return p.String()
}

// Help is the help on the command for lines of so many columns.
func (e *Entry) Help(width int) string {
	p := &page{width: width}
	p.entry(e)
	return p.String()
}
