package cmd

import (
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// eachFlag calls visit with every flag of every command that the help shows.
func eachFlag(commands []*cli.Command, above string, visit func(path string, f cli.Flag, usage string)) {
	for _, c := range commands {
		path := strings.TrimSpace(above + " " + c.Name)
		for _, f := range c.VisibleFlags() {
			visit(path, f, f.(cli.DocGenerationFlag).GetUsage())
		}
		eachFlag(c.Subcommands, path, visit)
	}
}

// The words that are offered for a flag are those that its help names.
func TestCompletedWords(t *testing.T) {
	offered := 0
	eachFlag(newApp().Commands, "", func(path string, f cli.Flag, usage string) {
		for _, word := range flagWords(path, f.Names()[0]) {
			offered++
			if !strings.Contains(usage, word) {
				t.Errorf("%s --%s: %s is offered, and the help has it not: %s", path, f.Names()[0], word, usage)
			}
		}
	})
	if offered < 50 {
		t.Errorf("%d words in all, there are more", offered)
	}
}

// Every command and flag is in every script and in the manual page.
func TestCompletionIsWhole(t *testing.T) {
	app := newApp()
	root := completionTree(app)
	paths := map[string]*completionNode{}
	root.walk(func(n *completionNode) { paths[n.path] = n })
	bash, zsh, fish, page := bashCompletion(root), zshCompletion(root), fishCompletion(root), manPage(app)
	eachFlag(app.Commands, "", func(path string, f cli.Flag, _ string) {
		n := paths[path]
		if n == nil {
			t.Fatalf("%s is not there", path)
		}
		for _, name := range f.Names() {
			long := dashes(name) + name
			has := func(f completionFlag) bool { return slices.Contains(f.names, long) }
			if !slices.ContainsFunc(n.flags, has) {
				t.Errorf("%s %s is not there", path, long)
			}
			if !strings.Contains(bash, long) || !strings.Contains(zsh, long) || !strings.Contains(fish, strings.TrimLeft(long, "-")) {
				t.Errorf("%s %s is not in all scripts", path, long)
			}
			if !strings.Contains(page, `\fB`+roffText(long)+`\fR`) {
				t.Errorf("%s %s is not in the manual page", path, long)
			}
		}
	})
	if len(paths) < 60 {
		t.Errorf("%d commands, with those of help, there are more", len(paths))
	}
}

// A line that roff takes for a request is one that is meant, and no character is left to its taste.
func TestManPageIsSound(t *testing.T) {
	requests := strings.Fields(".TH .SH .SS .PP .TP .RS .RE .nf .fi .nh .ad .br .BR")
	for i, line := range strings.Split(strings.TrimSuffix(manPage(newApp()), "\n"), "\n") {
		if strings.HasPrefix(line, ".") {
			if word, _, _ := strings.Cut(line, " "); !slices.Contains(requests, word) {
				t.Errorf("line %d begins with a request that is not meant: %s", i+1, line)
			}
			continue
		}
		escaped := 0
		for j, r := range line {
			if r == '\\' {
				escaped = j + 1
				if !strings.ContainsAny(line[j+1:j+2], "-e&(f") {
					t.Errorf("line %d has an escape that is not known: %s", i+1, line)
				}
			} else if strings.ContainsRune("-'`^~\"", r) && (r != '-' || j != escaped) {
				t.Errorf("line %d has %q as it is: %s", i+1, r, line)
			}
		}
		if line == "" {
			t.Errorf("line %d is empty", i+1)
		}
	}
	for text, want := range map[string]string{".x": `\&.x`, "'x": `\(aqx`, `a\b`: `a\eb`, "--f": `\-\-f`, `"`: `\(dq`, "a.b": "a.b"} {
		if got := roffText(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{"a `b-c` d": `a \fIb\-c\fR d`, "a ` b": `a \(ga b`, "`.x`": `\fI\&.x\fR`} {
		if got := roffMarked(text, "I"); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
