package flags

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// CommandDoc is a command as the help, the manual page and completion show it, or the program
// itself. Hidden flags are left out.
type CommandDoc struct {
	Name     string   // "envseal keystore init"
	Path     string   // "keystore init"; empty for the program
	Names    []string // the last word of it, and its aliases
	Usage    string
	Examples []Block // lines that can be typed, with remarks
	About    []Block
	Flags    []FlagDoc // by name
	Children []*CommandDoc
	Words    []string // what the argument may be, nil for any
	Files    bool     // arguments are files
}

// ValueKind is what stands behind a flag.
type ValueKind int

const (
	// NoValue and the others are what stands behind a flag.
	NoValue      ValueKind = iota
	AnyValue               // a text that cannot be guessed
	FileValue              // a file
	DirValue               // a directory
	WordValue              // one of a few words
	OptionalText           // a text behind "=", or nothing
	OptionalWord           // one of a few words behind "=", or nothing
)

// FlagDoc is a flag as the help, the manual page and completion show it.
type FlagDoc struct {
	Names       []string // --output, -o
	Usage       string   // with the placeholder in backquotes
	Placeholder string
	Kind        ValueKind
	Words       []string
	Repeats     bool
	group       string
	preset      string   // the value without the flag, unless usage tells it
	Variables   []string // of the environment, which give the flag its value
}

// DocOf describes c and all below it, once prepare has seen them.
func DocOf(c *cli.Command) *CommandDoc {
	_, path, _ := strings.Cut(c.HelpName, " ")
	d := &CommandDoc{
		Name: c.HelpName, Path: path, Names: c.Names(), Usage: c.Usage,
		Examples: examplesOf(c), About: Blocks(c.Description),
		Files: strings.Contains(c.ArgsUsage, "FILE"),
	}
	if args := c.ArgsUsage; strings.Contains(args, "|") && args == strings.ToLower(args) {
		d.Words = strings.Split(args, "|")
	}
	for _, f := range c.VisibleFlags() {
		d.Flags = append(d.Flags, flagDocOf(f))
	}
	slices.SortFunc(d.Flags, func(a, b FlagDoc) int { return strings.Compare(a.Names[0], b.Names[0]) })
	for _, sub := range c.Subcommands {
		d.Children = append(d.Children, DocOf(sub))
	}
	return d
}

func flagDocOf(f cli.Flag) FlagDoc {
	d := FlagDoc{Words: wordsOf(f), Repeats: isRepeated(f), group: groupOf(f)}
	for _, name := range f.Names() {
		d.Names = append(d.Names, dashes(name)+name)
	}
	if f, ok := f.(cli.DocGenerationFlag); ok {
		d.Usage, d.Variables = f.GetUsage(), f.GetEnvVars()
		if text := strings.Trim(f.GetDefaultText(), `"`); text != "0" && text != "false" {
			d.preset = text
		}
	}
	if usage, rest, ok := strings.Cut(d.Usage, " [$"); ok {
		d.Usage, d.Variables = usage, append(slices.Clone(d.Variables), strings.TrimSuffix(rest, "]"))
	}
	d.Placeholder = placeholder(d.Usage)
	switch optional := hasOptionalValue(f); {
	case optional:
		d.Placeholder = optionalPlaceholder(d.Names[0], d.Usage)
		if d.Kind = OptionalText; d.Words != nil {
			d.Kind = OptionalWord
		}
	case !needsValue(f):
	case d.Words != nil:
		d.Kind = WordValue
	case d.Placeholder == "FILE":
		d.Kind = FileValue
	case d.Placeholder == "DIR":
		d.Kind = DirValue
	default:
		d.Kind = AnyValue
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

// Text is what the flag does, its default, and its variables.
func (f FlagDoc) Text() string {
	text := f.Usage
	if f.preset != "" {
		text += " (default: " + f.preset + ")"
	}
	for _, v := range f.Variables {
		text += " [$" + v + "]"
	}
	return text
}

// Walk calls visit for d and all below it, in the order of the help.
func (d *CommandDoc) Walk(visit func(*CommandDoc)) {
	visit(d)
	for _, c := range d.Children {
		c.Walk(visit)
	}
}

// FlagGroup are flags under one title.
type FlagGroup struct {
	Title string
	Flags []FlagDoc
}

// Groups are the flags of d as they are shown: those of the command itself first, messages, the
// keystore and AWS last, in between what the command alone has, in the order of its flags.
func (d *CommandDoc) Groups() []FlagGroup {
	order := []string{"", CatKeys, CatPolicy, CatFiles}
	last := []string{CatOutput, CatStore, CatAWS}
	for _, f := range d.Flags {
		if !slices.Contains(order, f.group) && !slices.Contains(last, f.group) {
			order = append(order, f.group)
		}
	}
	var all []FlagGroup
	for _, title := range append(order, last...) {
		g := FlagGroup{Title: title}
		for _, f := range d.Flags {
			if f.group == title {
				g.Flags = append(g.Flags, f)
			}
		}
		if g.Flags != nil {
			all = append(all, g)
		}
	}
	return all
}

// Block is a paragraph, or a term with what it means, if that is said. The empty one is a gap.
type Block struct{ Term, Text string }

// Blocks reads a text of the help. An indented line is a term, and behind two blanks or more its
// meaning; other lines are paragraphs, which go on in the next line unless they end as a sentence.
func Blocks(text string) []Block {
	var all []Block
	goesOn := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		term := strings.HasPrefix(line, " ")
		switch {
		case term:
			all = append(all, termOf(line))
		case goesOn && line != "":
			all[len(all)-1].Text += " " + line
		default:
			all = append(all, Block{Text: line})
		}
		goesOn = !term && line != "" && !strings.HasSuffix(line, ".") && !strings.HasSuffix(line, ":")
	}
	return all
}

func termOf(line string) Block {
	term, text, _ := strings.Cut(strings.TrimSpace(line), "  ")
	return Block{term, strings.TrimSpace(text)}
}

// examplesOf are the lines of the usage text of c, or what can be said without one.
func examplesOf(c *cli.Command) (all []Block) {
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

// Sentence begins with a capital and ends with a full stop.
func Sentence(s string) string {
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
