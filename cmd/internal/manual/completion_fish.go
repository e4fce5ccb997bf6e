package manual

import (
	"fmt"
	"strings"

	"github.com/envseal/envseal/cmd/internal/flags"
)

// fishCompletion is a script for fish, 3.0 or newer.
func fishCompletion(root *Entry) string {
	var b strings.Builder
	b.WriteString(
		"# fish completion of envseal, written by `envseal completion fish`. It runs no program.\n\n")
	b.WriteString(
		"function __envseal_at --description 'whether the command line is at this command of envseal'\n")
	b.WriteString("\tset -l words (commandline -opc)\n\tset -l path ''\n\tfor word in $words[2..-1]\n\t\tswitch \"$path/$word\"\n")
	root.Walk(func(n *Entry) {
		for _, c := range n.Children {
			fmt.Fprintf(&b, "\t\t\tcase %s\n\t\t\t\tset path %s\n",
				strings.Join(wordsFor(n, c, fishQuoted), " "), fishQuoted(c.path))
		}
	})
	b.WriteString("\t\tend\n\tend\n\ttest \"$path\" = \"$argv[1]\"\nend\n\ncomplete -c envseal -f\n")
	root.Walk(func(n *Entry) { writeFish(&b, n) })
	return b.String()
}

func writeFish(b *strings.Builder, n *Entry) {
	at := "complete -c envseal -n " + fishQuoted(`__envseal_at "`+n.path+`"`)
	for _, c := range n.Children {
		fmt.Fprintf(b, "%s -a %s -d %s\n", at, c.names[0], fishQuoted(firstClause(c.Usage)))
	}
	if n.files {
		fmt.Fprintf(b, "%s -F\n", at)
	}
	if n.words != nil {
		fmt.Fprintf(b, "%s -a %s\n", at, fishQuoted(strings.Join(n.words, " ")))
	}
	for _, f := range n.Flags {
		fmt.Fprintf(b, "%s%s -d %s\n", at, fishFlag(f), fishQuoted(firstClause(f.Usage)))
	}
}

// fishFlag are the options of `complete` for a flag.
func fishFlag(f flags.Doc) string {
	var b strings.Builder
	for _, name := range f.Names {
		if long, ok := strings.CutPrefix(name, "--"); ok {
			b.WriteString(" -l " + long)
		} else {
			b.WriteString(" -s " + name[1:])
		}
	}
	words := fishQuoted(strings.Join(f.Words, " "))
	b.WriteString(map[flags.ValueKind]string{
		flags.AnyValue:     " -x",
		flags.FileValue:    " -r -F",
		flags.DirValue:     " -x -a '(__fish_complete_directories)'",
		flags.WordValue:    " -x -a " + words,
		flags.OptionalWord: " -f -a " + words,
	}[f.Kind])
	return b.String()
}

// fishQuoted is s in single quotes, where fish knows two escapes.
func fishQuoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
