package cmd

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// commandDoc is a command as the help, the manual page and completion show it, or the program
// itself. Hidden flags are left out.
type commandDoc struct {
	name     string   // "envseal keystore init"
	path     string   // "keystore init"; empty for the program
	names    []string // the last word of it, and its aliases
	usage    string
	examples []block // lines that can be typed, with remarks
	about    []block
	flags    []flagDoc // by name
	children []*commandDoc
	words    []string // what the argument may be, nil for any
	files    bool     // arguments are files
}

// valueKind is what stands behind a flag.
type valueKind int

const (
	noValue      valueKind = iota
	anyValue               // a text that cannot be guessed
	fileValue              // a file
	dirValue               // a directory
	wordValue              // one of a few words
	optionalText           // a text behind "=", or nothing
	optionalWord           // one of a few words behind "=", or nothing
)

// flagDoc is a flag as the help, the manual page and completion show it.
type flagDoc struct {
	names       []string // --output, -o
	usage       string   // with the placeholder in backquotes
	placeholder string
	kind        valueKind
	words       []string
	repeats     bool
	group       string
	preset      string   // the value without the flag, unless usage tells it
	variables   []string // of the environment, which give the flag its value
}

// docOf describes c and all below it, once prepare has seen them.
func docOf(c *cli.Command) *commandDoc {
	_, path, _ := strings.Cut(c.HelpName, " ")
	d := &commandDoc{
		name: c.HelpName, path: path, names: c.Names(), usage: c.Usage,
		examples: examplesOf(c), about: blocks(c.Description),
		files: strings.Contains(c.ArgsUsage, "FILE"),
	}
	if args := c.ArgsUsage; strings.Contains(args, "|") && args == strings.ToLower(args) {
		d.words = strings.Split(args, "|")
	}
	for _, f := range c.VisibleFlags() {
		d.flags = append(d.flags, flagDocOf(f))
	}
	slices.SortFunc(d.flags, func(a, b flagDoc) int { return strings.Compare(a.names[0], b.names[0]) })
	for _, sub := range c.Subcommands {
		d.children = append(d.children, docOf(sub))
	}
	return d
}

func flagDocOf(f cli.Flag) flagDoc {
	d := flagDoc{words: wordsOf(f), repeats: isRepeated(f), group: groupOf(f)}
	for _, name := range f.Names() {
		d.names = append(d.names, dashes(name)+name)
	}
	if f, ok := f.(cli.DocGenerationFlag); ok {
		d.usage, d.variables = f.GetUsage(), f.GetEnvVars()
		if text := strings.Trim(f.GetDefaultText(), `"`); text != "0" && text != "false" {
			d.preset = text
		}
	}
	if usage, rest, ok := strings.Cut(d.usage, " [$"); ok {
		d.usage, d.variables = usage, append(slices.Clone(d.variables), strings.TrimSuffix(rest, "]"))
	}
	d.placeholder = placeholder(d.usage)
	switch optional := hasOptionalValue(f); {
	case optional:
		d.placeholder = optionalPlaceholder(d.names[0], d.usage)
		if d.kind = optionalText; d.words != nil {
			d.kind = optionalWord
		}
	case !needsValue(f):
	case d.words != nil:
		d.kind = wordValue
	case d.placeholder == "FILE":
		d.kind = fileValue
	case d.placeholder == "DIR":
		d.kind = dirValue
	default:
		d.kind = anyValue
	}
	return d
}

// optionalPlaceholder is the word in capitals that stands behind name= in usage.
func optionalPlaceholder(name, usage string) string {
	_, rest, _ := strings.Cut(usage, name+"=")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < 'A' || r > 'Z' })
	if end <= 0 {
		return "VALUE"
	}
	return rest[:end]
}

// text is what the flag does, its default, and its variables.
func (f flagDoc) text() string {
	text := f.usage
	if f.preset != "" {
		text += " (default: " + f.preset + ")"
	}
	for _, v := range f.variables {
		text += " [$" + v + "]"
	}
	return text
}

// walk calls visit for d and all below it, in the order of the help.
func (d *commandDoc) walk(visit func(*commandDoc)) {
	visit(d)
	for _, c := range d.children {
		c.walk(visit)
	}
}

// flagGroup are flags under one title.
type flagGroup struct {
	title string
	flags []flagDoc
}

// groups are the flags of d as they are shown: those of the command itself first, messages, the
// keystore and AWS last, in between what the command alone has, in the order of its flags.
func (d *commandDoc) groups() []flagGroup {
	order := []string{"", catKeys, catPolicy, catFiles}
	last := []string{catOutput, catStore, catAWS}
	for _, f := range d.flags {
		if !slices.Contains(order, f.group) && !slices.Contains(last, f.group) {
			order = append(order, f.group)
		}
	}
	var all []flagGroup
	for _, title := range append(order, last...) {
		g := flagGroup{title: title}
		for _, f := range d.flags {
			if f.group == title {
				g.flags = append(g.flags, f)
			}
		}
		if g.flags != nil {
			all = append(all, g)
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

// sentence begins with a capital and ends with a full stop.
func sentence(s string) string {
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
