// Package manual is what envseal tells about itself: envseal help, envseal man and envseal
// completion, and the topics of the help. All of it is made from the commands themselves, which
// [Describe] reads; begin there. It prints without text/template, for which the linker would keep
// every method of every type, and it runs nothing.
package manual

import (
	"slices"
	"strings"

	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/urfave/cli/v2"
)

// Entry describes a command, or the program itself, for the help, the manual page and completion.
type Entry struct {
	Name     string      // "envseal keystore init"
	Usage    string      // what it does, in half a sentence
	Flags    []flags.Doc // those that are not hidden, by name
	Children []*Entry    // the commands below it

	path     string   // "keystore init"; empty for the program
	names    []string // the last word of it, and its aliases
	examples []block  // lines that can be typed, with remarks
	about    []block
	words    []string // what the argument may be, nil for any
	files    bool     // arguments are files
}

// Describe describes c and all below it, once [flags.Prepare] has seen them.
func Describe(c *cli.Command) *Entry {
	_, path, _ := strings.Cut(c.HelpName, " ")
	e := &Entry{
		Name: c.HelpName, Usage: c.Usage, Flags: flags.Describe(c),
		path: path, names: c.Names(), examples: examplesOf(c), about: blocks(c.Description),
		files: strings.Contains(c.ArgsUsage, "FILE"),
	}
	if args := c.ArgsUsage; strings.Contains(args, "|") && args == strings.ToLower(args) {
		e.words = strings.Split(args, "|")
	}
	for _, sub := range c.Subcommands {
		e.Children = append(e.Children, Describe(sub))
	}
	return e
}

// Walk calls visit for e and all below it, in the order of the help.
func (e *Entry) Walk(visit func(*Entry)) {
	visit(e)
	for _, c := range e.Children {
		c.Walk(visit)
	}
}

// Group are flags under one title, which is empty for those of the command itself.
type Group struct {
	Title string
	Flags []flags.Doc
}

// Groups are the flags of e as they are shown: those of the command itself first, messages, the
// keystore and AWS last, in between what the command alone has, in the order of its flags.
func (e *Entry) Groups() []Group {
	order := []string{"", flags.CatKeys, flags.CatPolicy, flags.CatFiles}
	last := []string{flags.CatOutput, flags.CatStore, flags.CatAWS}
	byTitle := map[string][]flags.Doc{}
	for _, f := range e.Flags {
		if !slices.Contains(order, f.Group) && !slices.Contains(last, f.Group) {
			order = append(order, f.Group)
		}
		byTitle[f.Group] = append(byTitle[f.Group], f)
	}
	var all []Group
	for _, title := range append(order, last...) {
		if byTitle[title] != nil {
			all = append(all, Group{title, byTitle[title]})
		}
	}
	return all
}

// block is a paragraph, or a term with what it means, if that is said. The empty one is a gap.
type block struct{ term, text string }

// blocks reads a text of the help. An indented line is a term, and behind two blanks or more its
// meaning; other lines are paragraphs, which go on in the next line unless they end as a sentence.
func blocks(text string) []block {
	var all []block
	goesOn := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		term := strings.HasPrefix(line, " ")
		switch {
		case term:
			all = append(all, termOf(line))
		case goesOn && line != "":
			all[len(all)-1].text += " " + line
		default:
			all = append(all, block{text: line})
		}
		goesOn = !term && line != "" && !strings.HasSuffix(line, ".") && !strings.HasSuffix(line, ":")
	}
	return all
}

func termOf(line string) block {
	term, text, _ := strings.Cut(strings.TrimSpace(line), "  ")
	return block{term, strings.TrimSpace(text)}
}

// examplesOf are the lines of the usage text of c, or what can be said without one.
func examplesOf(c *cli.Command) (all []block) {
	text := c.UsageText
	switch {
	case text != "":
	case len(c.Subcommands) > 0:
		text = c.HelpName + " COMMAND [flags]"
	default:
		text = c.HelpName + " [flags] " + c.ArgsUsage
	}
	for line := range strings.Lines(text) {
		all = append(all, termOf(line))
	}
	return all
}

// sentence is s as one: it begins with a capital and ends with a full stop.
func sentence(s string) string {
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
