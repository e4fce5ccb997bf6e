package manual

import (
	"fmt"
	"strings"

	"github.com/envseal/envseal/cmd/internal/flags"
)

// bashMain is what does the work, with bash 3.2 too, which macOS has. Where "=" is in
// COMP_WORDBREAKS, --flag=value comes as three words.
const bashMain = `_envseal() {
	local IFS=$' \t\n' cur=${COMP_WORDS[COMP_CWORD]} last='' word='' path='' flag='' prefix='' ended='' kind='' words='' flags='' reply i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		last=$word word=${COMP_WORDS[i]}
		if [[ -n $ended ]]; then
			continue
		elif [[ $word == '=' && $last == --* ]]; then
			flag=$last
		elif [[ -n $flag ]]; then
			flag=''
		elif [[ $word == '--' ]]; then
			ended=1
		elif [[ $word == -* ]]; then
			_envseal_value "$word"
			case $kind in any | file | dir | word) flag=$word ;; esac
		else
			_envseal_descend "$word"
		fi
	done
	if [[ $cur == '=' && $word == --* && -z $ended ]]; then
		flag=$word cur=''
	elif [[ $cur == --*=* && -z $flag && -z $ended ]]; then
		flag=${cur%%=*} prefix=${cur%%=*}= cur=${cur#*=}
	fi
	if [[ -n $flag ]]; then
		_envseal_value "$flag"
	elif [[ $cur == -* && -z $ended ]]; then
		_envseal_flags
		kind=word words=$flags
	else
		_envseal_arguments
	fi
	case $kind in
	word | optional) reply=$(compgen -W "$words" -- "$cur") ;;
	file) reply=$(compgen -f -- "$cur") ;;
	dir) reply=$(compgen -d -- "$cur") ;;
	*) return 0 ;;
	esac
	if [[ $kind == file || $kind == dir ]]; then
		compopt -o filenames 2>/dev/null # quotes what needs it
	fi
	while IFS= read -r word; do
		[[ -z $word ]] || COMPREPLY+=("$prefix$word")
	done <<<"$reply"
}

complete -F _envseal envseal
`

// bashCompletion is a script for bash.
func bashCompletion(root *Entry) string {
	var b strings.Builder
	b.WriteString(
		"# bash completion of envseal, written by `envseal completion bash`. It runs no program.\n\n")
	b.WriteString("# Sets path to the command that $1 names below it.\n_envseal_descend() {\n\tcase \"$path/$1\" in\n")
	root.Walk(func(n *Entry) {
		for _, c := range n.Children {
			fmt.Fprintf(&b, "\t%s) path=%s ;;\n",
				strings.Join(wordsFor(n, c, singleQuoted), " | "), singleQuoted(c.path))
		}
	})
	b.WriteString("\tesac\n}\n\n# Sets flags to those of the command path.\n_envseal_flags() {\n\tflags=''\n\tcase $path in\n")
	root.Walk(func(n *Entry) {
		var names []string
		for _, f := range n.Flags {
			names = append(names, f.Names...)
		}
		if names != nil {
			fmt.Fprintf(&b, "\t%s) flags=%s ;;\n",
				singleQuoted(n.path), singleQuoted(strings.Join(names, " ")))
		}
	})
	b.WriteString("\tesac\n}\n\n# Sets kind, and words, to what may stand behind the flag $1 of the command path.\n_envseal_value() {\n\tkind='' words=''\n\tcase $path in\n")
	root.Walk(func(n *Entry) { writeBashValues(&b, n) })
	b.WriteString("\tesac\n}\n\n# Sets kind, and words, to what the arguments of the command path may be.\n_envseal_arguments() {\n\tkind='' words=''\n\tcase $path in\n")
	root.Walk(func(n *Entry) {
		switch words := argumentWords(n); {
		case n.files:
			fmt.Fprintf(&b, "\t%s) kind=file ;;\n", singleQuoted(n.path))
		case words != nil:
			fmt.Fprintf(&b, "\t%s) kind=word words=%s ;;\n",
				singleQuoted(n.path), singleQuoted(strings.Join(words, " ")))
		}
	})
	b.WriteString("\tesac\n}\n\n" + bashMain)
	return b.String()
}

// writeBashValues writes what stands behind the flags of n, those of one kind together.
func writeBashValues(b *strings.Builder, n *Entry) {
	kinds := map[flags.ValueKind]string{flags.AnyValue: "any", flags.FileValue: "file",
		flags.DirValue: "dir", flags.WordValue: "word", flags.OptionalWord: "optional"}
	var actions []string
	names := map[string][]string{} // of the flags, by action
	for _, f := range n.Flags {
		if kinds[f.Kind] == "" {
			continue
		}
		action := "kind=" + kinds[f.Kind]
		if f.Words != nil {
			action += " words=" + singleQuoted(strings.Join(f.Words, " "))
		}
		if names[action] == nil {
			actions = append(actions, action)
		}
		names[action] = append(names[action], f.Names...)
	}
	if actions == nil {
		return
	}
	fmt.Fprintf(b, "\t%s)\n\t\tcase $1 in\n", singleQuoted(n.path))
	for _, action := range actions {
		fmt.Fprintf(b, "\t\t%s) %s ;;\n", strings.Join(names[action], " | "), action)
	}
	b.WriteString("\t\tesac\n\t\t;;\n")
}
