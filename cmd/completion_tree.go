package cmd

import (
	"slices"
	"strings"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/kmsclient"
	"github.com/urfave/cli/v2"
)

// completionNode is a command as completion scripts see it, or the program itself.
type completionNode struct {
	path     string   // "keystore init"; empty for the program
	names    []string // with the aliases
	usage    string
	flags    []completionFlag
	children []*completionNode
	words    []string // what the argument may be, nil for any
	files    bool     // arguments are files
}

// valueKind is what stands behind a flag.
type valueKind int

const (
	noValue      valueKind = iota
	anyValue               // a text that cannot be guessed
	fileValue              // a file
	dirValue               // a directory
	wordValue              // one of a few words
	optionalWord           // one of a few words behind "=", or nothing
)

// completionFlag is a flag as completion scripts see it.
type completionFlag struct {
	names       []string // --output, -o
	usage       string
	placeholder string
	kind        valueKind
	words       []string
	repeats     bool
}

// completionTree describes all of app's commands. The flags that are hidden stay so.
func completionTree(app *cli.App) *completionNode {
	root := &completionNode{names: []string{app.Name}, flags: []completionFlag{helpFlagOfAll(), {names: []string{"--version"}, usage: "print the version"}}}
	for _, c := range app.Commands {
		root.children = append(root.children, completionOf(c, ""))
	}
	help := root.children[slices.IndexFunc(root.children, func(n *completionNode) bool { return n.path == "help" })]
	help.files, help.flags = false, nil
	help.children = append(namesOnly(root.children, "help"), &completionNode{path: "help exit-codes", names: []string{"exit-codes"}, usage: "what the exit codes say"})
	return root
}

func helpFlagOfAll() completionFlag {
	return completionFlag{names: []string{"--help", "-h"}, usage: "show help"}
}

func completionOf(c *cli.Command, above string) *completionNode {
	n := &completionNode{path: strings.TrimSpace(above + " " + c.Name), names: c.Names(), usage: firstClause(c.Usage), files: strings.Contains(c.ArgsUsage, "FILE")}
	for _, f := range c.Flags {
		if v, ok := f.(cli.VisibleFlag); ok && v.IsVisible() {
			n.flags = append(n.flags, completionFlagOf(f, n.path))
		}
	}
	slices.SortFunc(n.flags, func(a, b completionFlag) int { return strings.Compare(a.names[0], b.names[0]) })
	n.flags = append(n.flags, helpFlagOfAll())
	for _, sub := range c.Subcommands {
		n.children = append(n.children, completionOf(sub, n.path))
	}
	if n.path == "completion" {
		n.words = shells()
	}
	return n
}

// wordsFor are the words that lead from n to its child c, each behind the path of n, for a script to compare with.
func (n *completionNode) wordsFor(c *completionNode, quoted func(string) string) []string {
	var words []string
	for _, name := range c.names {
		words = append(words, quoted(n.path+"/"+name))
	}
	return words
}

// namesOnly is for `envseal help`, which takes the names of commands.
func namesOnly(nodes []*completionNode, above string) []*completionNode {
	var all []*completionNode
	for _, n := range nodes {
		if n.path == "help" {
			continue
		}
		path := above + " " + n.names[0]
		all = append(all, &completionNode{path: path, names: n.names, usage: n.usage, children: namesOnly(n.children, path)})
	}
	return all
}

func completionFlagOf(f cli.Flag, path string) completionFlag {
	done := completionFlag{words: flagWords(path, f.Names()[0]), repeats: isRepeated(f)}
	for _, name := range f.Names() {
		done.names = append(done.names, dashes(name)+name)
	}
	usage := ""
	if d, ok := f.(cli.DocGenerationFlag); ok {
		usage = d.GetUsage()
	}
	done.usage, done.placeholder = firstClause(usage), placeholder(usage)
	_, optional := f.(optionalValue)
	switch {
	case optional && done.words != nil:
		done.kind = optionalWord
	case !needsValue(f):
	case done.words != nil:
		done.kind = wordValue
	case done.placeholder == "FILE":
		done.kind = fileValue
	case done.placeholder == "DIR":
		done.kind = dirValue
	default:
		done.kind = anyValue
	}
	return done
}

// flagWords are the values that a flag takes, of those flags that take a few. The flag of one name may be another in `envseal kms`.
func flagWords(path, name string) []string {
	inKMS := strings.HasPrefix(path, "kms")
	switch name {
	case "progress":
		return []string{string(progressAuto), string(progressAlways), string(progressNever), string(progressJSON)}
	case "compress":
		return []string{envelope.LevelFastest.String(), envelope.LevelGood.String(), envelope.LevelBetter.String()}
	case "links":
		return []string{linksSkip, linksKeep}
	case "format":
		return []string{"json", "pem"}
	case "key-spec":
		return []string{"AES_256", "AES_128"}
	case "cli-binary-format":
		return []string{"base64", "raw-in-base64-out"}
	case skeletonFlag:
		return []string{"input", "yaml-input", "output"}
	case "key-pair-spec":
		if inKMS {
			return kmsclient.KeyPairSpecs
		}
		return pairSpecs()
	case "output":
		if inKMS {
			return []string{"json", "yaml", "text"}
		}
	}
	return nil
}

// dashes are what precedes the name of a flag.
func dashes(name string) string {
	if len(name) == 1 {
		return "-"
	}
	return "--"
}

// placeholder is what the help calls the value of a flag: the word in backquotes.
func placeholder(usage string) string {
	if _, rest, ok := strings.Cut(usage, "`"); ok {
		if name, _, ok := strings.Cut(rest, "`"); ok {
			return name
		}
	}
	return "VALUE"
}

// firstClause is what fits beside a word in a list of completions.
func firstClause(usage string) string {
	usage = strings.ReplaceAll(usage, "`", "")
	for _, end := range []string{"; ", ": ", " (", ", and "} {
		usage, _, _ = strings.Cut(usage, end)
	}
	return usage
}

// walk calls visit for n and all below it, in the order of the help.
func (n *completionNode) walk(visit func(*completionNode)) {
	visit(n)
	for _, c := range n.children {
		c.walk(visit)
	}
}

// childNames are the names of the children, without aliases.
func (n *completionNode) childNames() []string {
	var names []string
	for _, c := range n.children {
		names = append(names, c.names[0])
	}
	return names
}

// singleQuoted is s for bash and zsh.
func singleQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
