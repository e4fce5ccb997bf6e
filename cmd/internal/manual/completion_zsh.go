package manual

import (
	"fmt"
	"strings"

	"github.com/envseal/envseal/cmd/internal/flags"
)

// zshEnd lets the script be a file of fpath, where its name is the function's, or be sourced.
const zshEnd = `
if [ "$funcstack[1]" = _envseal ]; then
	_envseal "$@"
else
	compdef _envseal envseal
fi
`

// zshCompletion is a script for zsh: one function for each command.
func zshCompletion(root *Entry) string {
	var b strings.Builder
	b.WriteString("#compdef envseal\n# zsh completion of envseal, written by `envseal completion zsh`. It runs no program.\n")
	root.Walk(func(n *Entry) {
		if len(n.Flags) == 0 && len(n.Children) == 0 {
			return
		}
		fmt.Fprintf(&b, "\n%s() {\n", zshFunction(n))
		if len(n.Children) > 0 {
			writeZshGroup(&b, n)
		} else {
			b.WriteString("\t_arguments -s -S")
			writeZshSpecs(&b, n)
			b.WriteString("\n")
		}
		b.WriteString("}\n")
	})
	b.WriteString(zshEnd)
	return b.String()
}

func zshFunction(n *Entry) string {
	return strings.NewReplacer(" ", "_", "-", "_").Replace(strings.TrimSpace("_envseal " + n.path))
}

// writeZshGroup writes the function of a command that has subcommands.
func writeZshGroup(b *strings.Builder, n *Entry) {
	b.WriteString("\tlocal context state state_descr line ret=1\n\ttypeset -A opt_args\n\tlocal -a commands\n\tcommands=(\n")
	for _, c := range n.Children {
		fmt.Fprintf(b, "\t\t%s\n", singleQuoted(c.names[0]+":"+firstClause(c.Usage)))
	}
	b.WriteString("\t)\n\t_arguments -C")
	writeZshSpecs(b, n)
	b.WriteString(" \\\n\t\t'1: :->command' \\\n\t\t'*:: :->rest' && ret=0\n")
	b.WriteString("\tcase $state in\n\tcommand) _describe -t commands command commands && ret=0 ;;\n\trest)\n\t\tcase $line[1] in\n")
	for _, c := range n.Children {
		if len(c.Flags)+len(c.Children) > 0 {
			fmt.Fprintf(b, "\t\t%s) %s && ret=0 ;;\n", strings.Join(c.names, " | "), zshFunction(c))
		}
	}
	b.WriteString("\t\tesac\n\t\t;;\n\tesac\n\treturn ret\n")
}

// writeZshSpecs writes what _arguments is to know of n's flags and arguments.
func writeZshSpecs(b *strings.Builder, n *Entry) {
	for _, f := range n.Flags {
		for _, name := range f.Names {
			b.WriteString(" \\\n\t\t" + singleQuoted(zshSpec(f, name)))
		}
	}
	switch {
	case n.files:
		b.WriteString(" \\\n\t\t'*:file:_files'")
	case n.words != nil:
		b.WriteString(" \\\n\t\t" + singleQuoted("1:argument:("+strings.Join(n.words, " ")+")"))
	}
}

// zshSpec describes a flag under one of its names.
func zshSpec(f flags.Doc, name string) string {
	excludes := "(" + strings.Join(f.Names, " ") + ")"
	if f.Repeats {
		excludes = "*"
	}
	attached := "=" // --flag=value or --flag value
	if len(name) == 2 {
		attached = "+" // -fvalue or -f value
	}
	escape := strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, ":", `\:`)
	text := "[" + escape.Replace(firstClause(f.Usage)) + "]"
	value := ":" + escape.Replace(f.Placeholder) + ":"
	words := "(" + strings.Join(f.Words, " ") + ")"
	action, needed := map[flags.ValueKind]string{
		flags.AnyValue: " ", flags.FileValue: "_files",
		flags.DirValue: "_files -/", flags.WordValue: words,
	}[f.Kind]
	switch {
	case needed:
		return excludes + name + attached + text + value + action
	case f.Kind == flags.OptionalWord && attached == "=":
		return excludes + name + "=-" + text + ":" + value + words
	}
	return excludes + name + text
}
