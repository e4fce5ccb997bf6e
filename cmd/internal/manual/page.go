package manual

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/envseal/envseal/cmd/internal/flags"
)

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

// entry writes the help on a command.
func (p *page) entry(d *Entry) {
	p.entries(d.examples, p.exampleColumn(d.examples), ` \`)
	about := []block{{}, {text: sentence(d.Usage)}}
	if len(d.names) > 1 {
		about = append(about, block{text: "Also: " + strings.Join(d.names[1:], ", ") + "."})
	}
	if d.about != nil {
		about = append(append(about, block{}), d.about...)
	}
	p.blocks(about)
	var commands, topics []block
	for _, c := range d.Children {
		commands = append(commands, block{strings.Join(c.names, ", "), c.Usage})
	}
	p.list("commands", commands)
	if d.path == "" {
		for _, t := range Topics(d) {
			topics = append(topics, block{t.Name, t.Usage})
		}
		p.list("topics, for envseal help TOPIC", topics)
	}
	p.flags(d.Groups())
}

// flags writes groups of flags, with one column for what all of them do.
func (p *page) flags(groups []Group) {
	var all []block
	for _, g := range groups {
		for _, f := range g.Flags {
			all = append(all, block{p.flagTerm(f), strings.Replace(f.Text(), "`", "", 2)})
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
func (p *page) flagTerm(f flags.Doc) string {
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
func (p *page) list(title string, all []block) {
	if all != nil {
		p.title(title)
		p.entries(all, p.column(all), "")
	}
}

func (p *page) title(title string) {
	p.WriteString("\n" + strings.ToUpper(title[:1]) + title[1:] + ":\n")
}

// blocks writes paragraphs, and the terms among them.
func (p *page) blocks(all []block) {
	column := p.column(all)
	for _, b := range all {
		if _, err := strconv.Atoi(b.term); err == nil {
			b.term = strings.Repeat(" ", column-indent-2-len(b.term)) + b.term
		}
		if b.term != "" {
			p.entries([]block{b}, column, "")
			continue
		}
		p.lines(wrap(b.text, p.width), 0, 0, "")
	}
}

// column is where what terms mean begins: behind the longest, unless little room would be left.
func (p *page) column(all []block) int {
	column := 0
	for _, b := range all {
		if b.text != "" {
			column = max(column, indent+utf8.RuneCountInString(b.term)+2)
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
func (p *page) exampleColumn(all []block) int {
	column, remark := 0, 0
	for _, b := range all {
		if b.text != "" {
			column, remark = max(column, indent+len(b.term)+3), max(remark, len(b.text))
		}
	}
	if column+remark <= p.width {
		return column
	}
	return inward
}

// entries writes terms, with what they mean at the column. A term that takes several lines has the
// mark at the end of each but the last.
func (p *page) entries(all []block, column int, mark string) {
	for _, b := range all {
		if b == (block{}) {
			p.WriteString("\n")
			continue
		}
		n, text := indent+utf8.RuneCountInString(b.term), wrap(b.text, p.width-column)
		switch room := column - n; {
		case room >= 2 && b.text != "":
			text[0] = strings.Repeat(" ", indent) + b.term + strings.Repeat(" ", room) + text[0]
			p.lines(text, 0, column, "")
			continue
		case n <= p.width:
			p.lines([]string{b.term}, indent, indent, "")
		default:
			p.lines(wrap(b.term, p.width-inward-len(mark)), indent, inward, mark)
		}
		if b.text != "" {
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
