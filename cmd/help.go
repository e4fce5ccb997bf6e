package cmd

import (
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/manual"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/urfave/cli/v2"
)

// helpCommand is help on root, which has all commands where it is run.
func helpCommand(root *cli.Command) *cli.Command {
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
		return showHelp(command)
	}
	if command != root {
		return flags.UnknownCommand(command, rest[0])
	}
	names := flags.NamesOf(root.Subcommands)
	for _, t := range manual.Topics(flags.DocOf(root)) {
		if t.Name == rest[0] {
			return printPage(func(p *page) { p.blocks(flags.Blocks(t.Text)) })
		}
		names = append(names, t.Name)
	}
	if meant := flags.Near(rest[0], names); root.Command(meant) == nil && meant != "" {
		return exit.Errorf(exit.Usage, flags.OrHelp("", "envseal help "+meant), "unknown topic %q", rest[0])
	}
	return flags.UnknownCommand(root, rest[0])
}

// showHelp shows the help on a command.
func showHelp(command *cli.Command) error {
	d := flags.DocOf(command)
	return printPage(func(p *page) { p.command(d) })
}

// printPage prints what write does to standard output. Lines are as long as COLUMNS says or the
// terminal is wide, but 100 columns are as many as can be read with ease.
func printPage(write func(*page)) error {
	width := ui.Columns(os.Stdout)
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		width = n
	}
	p := &page{width: min(max(width, 20), 100)}
	write(p)
	_, err := io.WriteString(file.StdoutText(), p.String())
	return err
}

// page is a text for a terminal, with lines of at most width columns where words allow it.
type page struct {
	strings.Builder
	width int
}

const (
	indent     = 2 // of terms
	inward     = 6 // of what stands below a term
	narrowPage = 60
)

// command writes the help on a command.
func (p *page) command(d *flags.CommandDoc) {
	p.entries(d.Examples, p.exampleColumn(d.Examples), ` \`)
	about := []flags.Block{{}, {Text: flags.Sentence(d.Usage)}}
	if len(d.Names) > 1 {
		about = append(about, flags.Block{Text: "Also: " + strings.Join(d.Names[1:], ", ") + "."})
	}
	if d.About != nil {
		about = append(append(about, flags.Block{}), d.About...)
	}
	p.blocks(about)
	p.list("commands", terms(d.Children))
	if d.Path == "" {
		var all []flags.Block
		for _, t := range manual.Topics(d) {
			all = append(all, flags.Block{Term: t.Name, Text: t.Usage})
		}
		p.list("topics, for envseal help TOPIC", all)
	}
	p.flags(d.Groups())
}

// terms are commands with what they do.
func terms(commands []*flags.CommandDoc) (all []flags.Block) {
	for _, c := range commands {
		all = append(all, flags.Block{Term: strings.Join(c.Names, ", "), Text: c.Usage})
	}
	return all
}

// flags writes groups of flags, with one column for what all of them do.
func (p *page) flags(groups []flags.FlagGroup) {
	var all []flags.Block
	for _, g := range groups {
		for _, f := range g.Flags {
			all = append(all, flags.Block{Term: p.flagTerm(f), Text: strings.Replace(f.Text(), "`", "", 2)})
		}
	}
	column := p.column(all)
	for _, g := range groups {
		title := g.Title
		if title == "" {
			title = "flags"
		}
		p.title(title)
		p.entries(all[:len(g.Flags)], column, "")
		all = all[len(g.Flags):]
	}
}

// flagTerm are the names of a flag with its value: -o, --output FILE.
func (p *page) flagTerm(f flags.FlagDoc) string {
	names := slices.Clone(f.Names)
	slices.SortStableFunc(names, func(a, b string) int { return len(a) - len(b) })
	term := strings.Join(names, ", ")
	if len(names[0]) > 2 && p.width >= narrowPage {
		term = "    " + term // below the long names of those that have a short one
	}
	switch f.Kind {
	case flags.NoValue:
		return term
	case flags.OptionalText, flags.OptionalWord:
		return term + "[=" + f.Placeholder + "]"
	}
	if f.Repeats {
		return term + " " + f.Placeholder + "..."
	}
	return term + " " + f.Placeholder
}

// list writes terms under a title, if there are any.
func (p *page) list(title string, all []flags.Block) {
	if all != nil {
		p.title(title)
		p.entries(all, p.column(all), "")
	}
}

func (p *page) title(title string) {
	p.WriteString("\n" + strings.ToUpper(title[:1]) + title[1:] + ":\n")
}

// blocks writes paragraphs, and the terms among them.
func (p *page) blocks(all []flags.Block) {
	column := p.column(all)
	for _, b := range all {
		if _, err := strconv.Atoi(b.Term); err == nil {
			b.Term = strings.Repeat(" ", column-indent-2-len(b.Term)) + b.Term
		}
		if b.Term != "" {
			p.entries([]flags.Block{b}, column, "")
			continue
		}
		p.lines(wrap(b.Text, p.width), 0, 0, "")
	}
}

// column is where what terms mean begins: behind the longest, unless little room would be left.
func (p *page) column(all []flags.Block) int {
	column := 0
	for _, b := range all {
		if b.Text != "" {
			column = max(column, indent+utf8.RuneCountInString(b.Term)+2)
		}
	}
	switch most := p.width * 2 / 5; {
	case column <= most:
		return column
	case p.width < narrowPage:
		return inward
	default:
		return most
	}
}

// exampleColumn is where remarks begin: beside the examples if all have room there, else below.
func (p *page) exampleColumn(all []flags.Block) int {
	column, remark := 0, 0
	for _, b := range all {
		if b.Text != "" {
			column, remark = max(column, indent+len(b.Term)+3), max(remark, len(b.Text))
		}
	}
	if column+remark <= p.width {
		return column
	}
	return inward
}

// entries writes terms, with what they mean at the column. A term that takes several lines has the
// mark at the end of each but the last.
func (p *page) entries(all []flags.Block, column int, mark string) {
	for _, b := range all {
		if b == (flags.Block{}) {
			p.WriteString("\n")
			continue
		}
		n, text := indent+utf8.RuneCountInString(b.Term), wrap(b.Text, p.width-column)
		switch room := column - n; {
		case room >= 2 && b.Text != "":
			text[0] = strings.Repeat(" ", indent) + b.Term + strings.Repeat(" ", room) + text[0]
			p.lines(text, 0, column, "")
			continue
		case n <= p.width:
			p.lines([]string{b.Term}, indent, indent, "")
		default:
			p.lines(wrap(b.Term, p.width-inward-len(mark)), indent, inward, mark)
		}
		if b.Text != "" {
			p.lines(text, column, column, "")
		}
	}
}

// lines writes lines behind blanks: so many for the first, so many for the others.
func (p *page) lines(lines []string, first, others int, mark string) {
	for i, line := range lines {
		if i > 0 {
			first = others
		}
		if i == len(lines)-1 {
			mark = ""
		}
		if line != "" {
			p.WriteString(strings.Repeat(" ", first) + line + mark)
		}
		p.WriteString("\n")
	}
}

// wrap parts text into lines of at most width columns, and longer ones where a word is longer.
func wrap(text string, width int) []string {
	lines, left := []string{""}, width
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last, left = word, width-n
		case left >= n+1:
			*last, left = *last+" "+word, left-n-1
		default:
			lines, left = append(lines, word), width-n
		}
	}
	return lines
}
