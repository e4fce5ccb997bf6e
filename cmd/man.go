package cmd

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/urfave/cli/v2"
)

// manCommand prints the manual page of what all describes, which is of this version.
func manCommand(version string, all func() *commandDoc) *cli.Command {
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
func manPage(root *commandDoc, version string) string {
	p := &manWriter{}
	p.line(`.TH ENVSEAL 1 "" "envseal ` + roffText(version) + `" "User Commands"`)
	p.line(".nh\n.ad l") // no word that could be typed is divided
	p.line(".SH NAME")
	p.line(root.name + ` \- ` + roffText(root.usage))
	p.line(".SH SYNOPSIS")
	p.blocks(root.examples)
	p.line(".SH COMMANDS")
	for _, c := range root.children {
		c.walk(p.command)
	}
	for _, g := range p.shared {
		p.line(".SH OPTIONS: " + roffText(strings.ToUpper(g.title)))
		p.line("Of all commands that say so.")
		slices.SortFunc(g.flags, func(a, b flagDoc) int { return strings.Compare(a.names[0], b.names[0]) })
		p.flags(g.flags)
	}
	for _, t := range topics(root) {
		p.line(".SH " + t.Section)
		p.blocks(blocks(t.text))
	}
	p.line(".SH SEE ALSO")
	p.line(`.BR aws (1),`)
	p.line(`.BR age (1)`)
	return p.b.String()
}

// command writes the section of d.
func (p *manWriter) command(d *commandDoc) {
	p.line(".SS " + roffText(d.name))
	p.line(roffMarked(sentence(d.usage), "B"))
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
	for _, g := range d.groups() {
		g.flags = slices.DeleteFunc(g.flags, func(f flagDoc) bool { return f.names[0] == "--help" })
		if p.share(g) {
			elsewhere = append(elsewhere, g.title)
			continue
		}
		if g.title != "" && len(g.flags) > 0 {
			p.paragraph()
			p.line(roffText("Options, " + g.title + ":"))
		}
		p.flags(g.flags)
	}
	if elsewhere != nil {
		p.paragraph()
		p.line(roffText("And the options for: " + strings.Join(elsewhere, "; ") + ". See below."))
	}
}

// share keeps the flags of a group that many commands have, and that the page has once, in the end.
func (p *manWriter) share(g flagGroup) bool {
	if g.title != catAWS && g.title != catStore {
		return false
	}
	i := slices.IndexFunc(p.shared, func(s flagGroup) bool { return s.title == g.title })
	if i < 0 {
		i = len(p.shared)
		p.shared = append(p.shared, flagGroup{title: g.title})
	}
	for _, f := range g.flags {
		if !slices.ContainsFunc(p.shared[i].flags, func(s flagDoc) bool { return s.names[0] == f.names[0] }) {
			p.shared[i].flags = append(p.shared[i].flags, f)
		}
	}
	return true
}

// flags writes a list of flags.
func (p *manWriter) flags(flags []flagDoc) {
	for _, f := range flags {
		p.line(".TP")
		p.line(manFlagNames(f))
		p.line(roffMarked(f.text(), "I"))
	}
}

// manFlagNames are the names of a flag with its value: --output FILE, -o FILE.
func manFlagNames(f flagDoc) string {
	var names []string
	for _, name := range f.names {
		text := `\fB` + roffText(name) + `\fR`
		switch optional := f.kind == optionalText || f.kind == optionalWord; {
		case optional && len(name) > 2:
			text += `[=\fI` + roffText(f.placeholder) + `\fR]`
		case !optional && f.kind != noValue:
			text += ` \fI` + roffText(f.placeholder) + `\fR`
		}
		names = append(names, text)
	}
	return strings.Join(names, ", ")
}
