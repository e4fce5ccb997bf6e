package manual

import (
	"fmt"
	"strings"

	"github.com/envseal/envseal/cmd/internal/flags"
)

// fishCompletion is a script for fish, 3.0 or newer.
func fishCompletion(root *flags.CommandDoc) string {
	var b strings.Builder
	b.WriteString("# fish completion of envseal, written by `envseal completion fish`. It runs no program.\n\n")
	b.WriteString("function __envseal_at --description 'whether the command line is at this command of envseal'\n")
	b.WriteString("\tset -l words (commandline -opc)\n\tset -l path ''\n\tfor word in $words[2..-1]\n\t\tswitch \"$path/$word\"\n")
	root.Walk(func(n *flags.CommandDoc) {
		for _, c := range n.Children {
			fmt.Fprintf(&b, "\t\t\tcase %s\n\t\t\t\tset path %s\n", strings.Join(wordsFor(n, c, fishQuoted), " "), fishQuoted(c.Path))
		}
	})
	b.WriteString("\t\tend\n\tend\n\ttest \"$path\" = \"$argv[1]\"\nend\n\ncomplete -c envseal -f\n")
	root.Walk(func(n *flags.CommandDoc) { writeFish(&b, n) })
	return b.String()
}

func writeFish(b *strings.Builder, n *flags.CommandDoc) {
	at := "complete -c envseal -n " + fishQuoted(strings.TrimSpace("__envseal_at "+doubleQuoted(n.Path)))
	for _, c := range n.Children {
		fmt.Fprintf(b, "%s -a %s -d %s\n", at, c.Names[0], fishQuoted(firstClause(c.Usage)))
	}
	if n.Files {
		fmt.Fprintf(b, "%s -F\n", at)
	}
	if n.Words != nil {
		fmt.Fprintf(b, "%s -a %s\n", at, fishQuoted(strings.Join(n.Words, " ")))
	}
	for _, f := range n.Flags {
		fmt.Fprintf(b, "%s%s -d %s\n", at, fishFlag(f), fishQuoted(firstClause(f.Usage)))
	}
}

// fishFlag are the options of `complete` for a flag.
func fishFlag(f flags.FlagDoc) string {
	var b strings.Builder
	for _, name := range f.Names {
		if long, ok := strings.CutPrefix(name, "--"); ok {
			b.WriteString(" -l " + long)
		} else {
			b.WriteString(" -s " + name[1:])
		}
	}
	switch f.Kind {
	case flags.AnyValue:
		b.WriteString(" -x")
	case flags.FileValue:
		b.WriteString(" -r -F")
	case flags.DirValue:
		b.WriteString(" -x -a '(__fish_complete_directories)'")
	case flags.WordValue:
		b.WriteString(" -x -a " + fishQuoted(strings.Join(f.Words, " ")))
	case flags.OptionalWord:
		b.WriteString(" -f -a " + fishQuoted(strings.Join(f.Words, " ")))
	}
	return b.String()
}

// fishQuoted is s in single quotes, where fish knows two escapes.
func fishQuoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}

// doubleQuoted is for names of commands, which need no escapes.
func doubleQuoted(s string) string { return `"` + s + `"` }
