package flags

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// Doc is a flag as the help, the manual page and completion show it.
type Doc struct {
	Names       []string  // as they are typed: --output, -o
	Usage       string    // what it does, with the placeholder in backquotes
	Placeholder string    // what stands for its value
	Kind        ValueKind // of what stands behind it
	Words       []string  // the values that it takes, if they are a few
	Repeats     bool      // it may be given more than once
	Group       string    // the title that it stands under: CatKeys or another
	Variables   []string  // of the environment, which give the flag its value

	preset string // the value without the flag, unless Usage tells it
}

// ValueKind says what stands behind a flag.
type ValueKind int

const (
	NoValue      ValueKind = iota // nothing
	AnyValue                      // a text that cannot be guessed
	FileValue                     // the name of a file
	DirValue                      // the name of a directory
	WordValue                     // one of a few words
	OptionalText                  // a text behind "=", or nothing
	OptionalWord                  // one of a few words behind "=", or nothing
)

// Describe describes the flags of c that are not hidden, by name. [Prepare] comes first.
func Describe(c *cli.Command) []Doc {
	var all []Doc
	for _, f := range c.VisibleFlags() {
		all = append(all, own(f).describe())
	}
	slices.SortFunc(all, func(a, b Doc) int { return strings.Compare(a.Names[0], b.Names[0]) })
	return all
}

func (f *ownFlag) describe() Doc {
	d := Doc{Usage: f.GetUsage(), Words: f.words, Repeats: f.repeats, Group: f.GetCategory(),
		Variables: f.GetEnvVars()}
	for _, name := range f.names {
		d.Names = append(d.Names, dashed(name))
	}
	if text := strings.Trim(f.GetDefaultText(), `"`); text != "0" && text != "false" {
		d.preset = text
	}
	if usage, rest, ok := strings.Cut(d.Usage, " [$"); ok {
		d.Usage, d.Variables = usage, append(slices.Clone(d.Variables), strings.TrimSuffix(rest, "]"))
	}
	d.Placeholder = placeholder(d.Usage)
	switch {
	case f.optional:
		d.Placeholder = optionalPlaceholder(d.Names[0], d.Usage)
		if d.Kind = OptionalText; d.Words != nil {
			d.Kind = OptionalWord
		}
	case !f.TakesValue():
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

// placeholder is what the help calls the value of a flag: the word in backquotes.
func placeholder(usage string) string {
	if parts := strings.SplitN(usage, "`", 3); len(parts) == 3 {
		return parts[1]
	}
	return "VALUE"
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
func (d Doc) Text() string {
	text := d.Usage
	if d.preset != "" {
		text += " (default: " + d.preset + ")"
	}
	for _, v := range d.Variables {
		text += " [$" + v + "]"
	}
	return text
}
