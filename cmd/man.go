package cmd

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

func manCommand() *cli.Command {
	return &cli.Command{
		Name:      "man",
		Usage:     "print the manual page",
		UsageText: "envseal man | man -l -\nenvseal man > /usr/local/share/man/man1/envseal.1",
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return fail(exitUsage, "try `envseal man | man -l -`", "man takes no arguments")
			}
			if _, err := io.WriteString(stdoutWriter(), manPage(newApp())); err != nil {
				return fmt.Errorf("man: %w", err)
			}
			return nil
		},
	}
}

// manPage is the manual page, made from what the help is made from, in the macros of man(7), which groff and mandoc know. It has no date, and is the same for each build of a version.
func manPage(app *cli.App) string {
	p := &manWriter{}
	p.line(`.TH ENVSEAL 1 "" "envseal ` + roffText(versionText()) + `" "User Commands"`)
	p.line(".nh\n.ad l") // no word that could be typed is divided
	p.line(".SH NAME")
	p.line(app.Name + ` \- ` + roffText(app.Usage))
	p.line(".SH SYNOPSIS")
	p.usages(app.UsageText)
	p.line(".SH COMMANDS")
	for _, c := range app.Commands {
		p.command(c, app.Name)
	}
	for _, category := range sharedCategories() {
		p.line(".SH OPTIONS: " + roffText(strings.ToUpper(category)))
		p.line("Of all commands that say so.")
		p.flags(p.shared[category])
	}
	p.exitCodes(exitCodesText)
	p.environment(app.Commands)
	p.line(".SH SEE ALSO")
	p.line(`.BR aws (1),`)
	p.line(`.BR age (1)`)
	return p.b.String()
}

// sharedCategories are those of the flags that many commands have, and that the page has once.
func sharedCategories() []string { return []string{catAWS, catStore} }

// manWriter writes a page in roff. The zero value is ready to use.
type manWriter struct {
	b      strings.Builder
	shared map[string][]cli.Flag // flags of the shared categories that commands have had
	gap    bool                  // a new paragraph begins, unless what comes next does it
	top    bool                  // a section begins
}

// line writes a line as it is.
func (p *manWriter) line(s string) {
	if p.gap && !strings.HasPrefix(s, ".TP") {
		p.b.WriteString(".PP\n")
	}
	p.gap, p.top = false, strings.HasPrefix(s, ".S")
	p.b.WriteString(s + "\n")
}

// paragraph has a new one begin.
func (p *manWriter) paragraph() { p.gap = !p.top }

// command writes the section of c, and those of its subcommands. above is what precedes its name.
func (p *manWriter) command(c *cli.Command, above string) {
	name := above + " " + c.Name
	p.line(".SS " + roffText(name))
	p.text(sentence(c.Usage))
	if len(c.Aliases) > 0 {
		p.line(".br")
		p.line("Also: " + roffText(strings.Join(c.Aliases, ", ")) + ".")
	}
	usage := c.UsageText
	if usage == "" {
		usage = strings.TrimSpace(name + " [flags] " + c.ArgsUsage)
		if len(c.Subcommands) > 0 {
			usage = name + " COMMAND [flags]"
		}
	}
	p.usages(usage)
	if c.Description != "" {
		p.paragraph()
		p.text(c.Description)
	}
	p.commandFlags(c.VisibleFlags())
	for _, sub := range c.Subcommands {
		p.command(sub, name)
	}
}

// commandFlags writes flags by category, in the order of the help, and names the shared categories at the end.
func (p *manWriter) commandFlags(flags []cli.Flag) {
	byCategory := map[string][]cli.Flag{}
	var own, others []string
	for _, f := range flags {
		category := ""
		if c, ok := f.(cli.CategorizableFlag); ok {
			category = c.GetCategory()
		}
		if byCategory[category] == nil {
			if slices.Contains(sharedCategories(), category) {
				others = append(others, category)
			} else {
				own = append(own, category)
			}
		}
		byCategory[category] = append(byCategory[category], f)
	}
	slices.Sort(own)
	for _, category := range own {
		if category != "" {
			p.paragraph()
			p.line(roffText("Options, " + category + ":"))
		}
		p.flags(byCategory[category])
	}
	for _, category := range others {
		p.share(category, byCategory[category])
	}
	if len(others) > 0 {
		p.paragraph()
		p.line(roffText("And the options for: " + strings.Join(others, "; ") + ". See below."))
	}
}

// share notes flags for the section of their category.
func (p *manWriter) share(category string, flags []cli.Flag) {
	if p.shared == nil {
		p.shared = map[string][]cli.Flag{}
	}
	for _, f := range flags {
		same := func(g cli.Flag) bool { return g.Names()[0] == f.Names()[0] }
		if !slices.ContainsFunc(p.shared[category], same) {
			p.shared[category] = append(p.shared[category], f)
		}
	}
}

// flags writes a list of flags, by name.
func (p *manWriter) flags(flags []cli.Flag) {
	flags = slices.Clone(flags)
	slices.SortFunc(flags, func(a, b cli.Flag) int { return strings.Compare(a.Names()[0], b.Names()[0]) })
	for _, f := range flags {
		d, ok := f.(cli.DocGenerationFlag)
		if !ok {
			continue
		}
		p.line(".TP")
		p.line(manFlagNames(f, d))
		text := d.GetUsage()
		if value := d.GetDefaultText(); value != "" && value != "0" && value != "false" && needsValue(f) {
			text += " (default: " + value + ")"
		}
		for _, v := range d.GetEnvVars() {
			text += " [$" + v + "]"
		}
		p.line(roffMarked(text, "I"))
	}
}

// manFlagNames are the names of a flag with its value: --output FILE, -o FILE.
func manFlagNames(f cli.Flag, d cli.DocGenerationFlag) string {
	var names []string
	for _, name := range f.Names() {
		text := `\fB` + roffText(dashes(name)+name) + `\fR`
		if needsValue(f) {
			text += ` \fI` + roffText(placeholder(d.GetUsage())) + `\fR`
		} else if _, optional := f.(optionalValue); optional && len(name) > 1 {
			text += `[=\fI` + optionalPlaceholder(name, d.GetUsage()) + `\fR]`
		}
		names = append(names, text)
	}
	return strings.Join(names, ", ")
}

// optionalPlaceholder is the word in capitals that stands behind --name= in usage.
func optionalPlaceholder(name, usage string) string {
	_, rest, _ := strings.Cut(usage, "--"+name+"=")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < 'A' || r > 'Z' })
	if end <= 0 {
		return "VALUE"
	}
	return rest[:end]
}

// exitCodes writes text, where a line of a code begins with blanks.
func (p *manWriter) exitCodes(text string) {
	p.line(".SH EXIT STATUS")
	for line := range strings.Lines(text) {
		code, meaning, _ := strings.Cut(strings.TrimSpace(line), "  ")
		switch {
		case code == "":
			p.paragraph()
		case line[0] == ' ':
			p.line(".TP")
			p.line(code)
			p.text(meaning)
		default:
			p.text(line)
		}
	}
}

// environment lists the variables that the flags name.
func (p *manWriter) environment(commands []*cli.Command) {
	flags := map[string]string{} // by variable
	var collect func([]*cli.Command)
	collect = func(commands []*cli.Command) {
		for _, c := range commands {
			for _, f := range c.VisibleFlags() {
				for _, v := range variablesOf(f) {
					flags[v] = "--" + f.Names()[0]
				}
			}
			collect(c.Subcommands)
		}
	}
	collect(commands)
	p.line(".SH ENVIRONMENT")
	var names []string
	for v := range flags {
		names = append(names, v)
	}
	slices.Sort(names)
	for _, v := range names {
		p.line(".TP")
		p.line(`\fB` + roffText(v) + `\fR`)
		p.line("Default of " + roffText(flags[v]) + ".")
	}
	p.paragraph()
	p.line("The variables of the AWS SDK, such as AWS_PROFILE, AWS_REGION and AWS_ENDPOINT_URL_KMS, mean what they mean to the aws command.")
}

// variablesOf are the environment variables that give a flag its default, as far as the help tells.
func variablesOf(f cli.Flag) []string {
	d, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return nil
	}
	all := d.GetEnvVars()
	if _, rest, ok := strings.Cut(d.GetUsage(), "[$"); ok {
		name, _, _ := strings.Cut(rest, "]")
		all = append(slices.Clone(all), name)
	}
	return all
}
