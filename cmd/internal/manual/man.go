package manual

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/urfave/cli/v2"
)

// ManCommand prints the manual page of what all describes, which is of this version.
func ManCommand(version string, all func() *Entry) *cli.Command {
	return &cli.Command{
		Name:      "man",
		Usage:     "print the manual page",
		UsageText: "envseal man | man -l -\nenvseal man > /usr/local/share/man/man1/envseal.1",
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return exit.Errorf(exit.Usage, "try `envseal man | man -l -`", "man takes no arguments")
			}
			if _, err := io.WriteString(file.StdoutText(), manPage(all(), version)); err != nil {
				return fmt.Errorf("man: %w", err)
			}
			return nil
		},
	}
}

// manPage is the manual page, in the macros of man(7), which groff and mandoc know. It has no date,
// and is the same for each build of a version.
func manPage(root *Entry, version string) string {
	p := &manWriter{}
	p.line(`.TH ENVSEAL 1 "" "envseal ` + roffText(version) + `" "User Commands"`)
	p.line(".nh\n.ad l") // no word that could be typed is divided
	p.line(".SH NAME")
	p.line(root.Name + ` \- ` + roffText(root.Usage))
	p.line(".SH SYNOPSIS")
	p.blocks(root.examples)
	p.line(".SH COMMANDS")
	for _, c := range root.Children {
		c.Walk(p.command)
	}
	for _, g := range p.shared {
		p.line(".SH OPTIONS: " + roffText(strings.ToUpper(g.Title)))
		p.line("Of all commands that say so.")
		slices.SortFunc(g.Flags,
			func(a, b flags.Doc) int { return strings.Compare(a.Names[0], b.Names[0]) })
		p.flags(g.Flags)
	}
	for _, t := range Topics(root) {
		p.line(".SH " + t.Section)
		p.blocks(blocks(t.Text))
	}
	p.line(".SH SEE ALSO")
	p.line(`.BR aws (1),`)
	p.line(`.BR age (1)`)
	return p.b.String()
}

// command writes the section of d.
func (p *manWriter) command(d *Entry) {
	p.line(".SS " + roffText(d.Name))
	p.line(roffMarked(sentence(d.Usage), "B"))
	if len(d.names) > 1 {
		p.line(".br")
		p.line("Also: " + roffText(strings.Join(d.names[1:], ", ")) + ".")
	}
	p.blocks(d.examples)
	if d.about != nil {
		p.paragraph()
		p.blocks(d.about)
	}
	var elsewhere []string
	for _, g := range d.Groups() {
		g.Flags = slices.DeleteFunc(g.Flags, func(f flags.Doc) bool { return f.Names[0] == "--help" })
		if p.share(g) {
			elsewhere = append(elsewhere, g.Title)
			continue
		}
		if g.Title != "" && len(g.Flags) > 0 {
			p.paragraph()
			p.line(roffText("Options, " + g.Title + ":"))
		}
		p.flags(g.Flags)
	}
	if elsewhere != nil {
		p.paragraph()
		p.line(roffText("And the options for: " + strings.Join(elsewhere, "; ") + ". See below."))
	}
}

// share keeps the flags of a group that many commands have, and that the page has once, in the end.
func (p *manWriter) share(g Group) bool {
	if g.Title != flags.CatAWS && g.Title != flags.CatStore {
		return false
	}
	i := slices.IndexFunc(p.shared, func(s Group) bool { return s.Title == g.Title })
	if i < 0 {
		i = len(p.shared)
		p.shared = append(p.shared, Group{Title: g.Title})
	}
	for _, f := range g.Flags {
		if !slices.ContainsFunc(p.shared[i].Flags,
			func(s flags.Doc) bool { return s.Names[0] == f.Names[0] }) {
			p.shared[i].Flags = append(p.shared[i].Flags, f)
		}
	}
	return true
}

// flags writes a list of flags.
func (p *manWriter) flags(flags []flags.Doc) {
	for _, f := range flags {
		p.line(".TP")
		p.line(manFlagNames(f))
		p.line(roffMarked(f.Text(), "I"))
	}
}

// manFlagNames are the names of a flag with its value: --output FILE, -o FILE.
func manFlagNames(f flags.Doc) string {
	var names []string
	for _, name := range f.Names {
		text := `\fB` + roffText(name) + `\fR`
		switch optional := f.Kind == flags.OptionalText || f.Kind == flags.OptionalWord; {
		case optional && len(name) > 2:
			text += `[=\fI` + roffText(f.Placeholder) + `\fR]`
		case !optional && f.Kind != flags.NoValue:
			text += ` \fI` + roffText(f.Placeholder) + `\fR`
		}
		names = append(names, text)
	}
	return strings.Join(names, ", ")
}
