package cmd

import (
	"flag"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/manual"
	"github.com/urfave/cli/v2"
)

var updateGolden = flag.Bool("update-golden", false, "write testdata/help-key-pair.txt")

// The help on every command fits terminals of usual widths, and lists all that there is.
func TestHelpFits(t *testing.T) {
	commands := 0
	describeAll().Walk(func(d *manual.Entry) {
		commands++
		for _, width := range []int{40, 80, 100} {
			text := d.Help(width)
			wantWidth(t, d.Name, text, width)
			words := strings.FieldsFunc(text, func(r rune) bool {
				return strings.ContainsRune(" \n,[=.", r)
			})
			for _, f := range d.Flags {
				for _, name := range f.Names {
					if !slices.Contains(words, name) {
						t.Errorf("%s: the help for %d columns has no %s", d.Name, width, name)
					}
				}
				wantWords(t, d.Name, text, strings.Replace(f.Text(), "`", "", 2))
			}
			for _, c := range d.Children {
				wantWords(t, d.Name, text, c.Usage)
			}
		}
	})
	if commands < 30 {
		t.Errorf("%d commands, there are more", commands)
	}
}

// wantWidth fails for lines of more than width columns, unless they are one word, or one behind
// which the line goes on.
func wantWidth(t *testing.T, name, text string, width int) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if utf8.RuneCountInString(line) > width &&
			len(strings.Fields(strings.TrimSuffix(line, ` \`))) > 1 {
			t.Errorf("%s: wider than %d columns: %s", name, width, line)
		}
	}
}

// wantWords fails where text lacks the words, wherever the lines end.
func wantWords(t *testing.T, name, text, words string) {
	t.Helper()
	if !strings.Contains(strings.Join(strings.Fields(text), " "),
		strings.Join(strings.Fields(words), " ")) {
		t.Errorf("%s: the help has not: %s", name, words)
	}
}

// printed is what a command line prints.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = w
	defer func() { os.Stdout = stdout }()
	text := make(chan []byte, 1)
	go func() {
		all, _ := io.ReadAll(r)
		text <- all
	}()
	if err := run(t.Context(), append([]string{"envseal"}, args...)); err != nil {
		t.Error(err)
	}
	w.Close()
	return string(<-text)
}

// The words that are offered for a flag are those that its help names.
func TestCompletedWords(t *testing.T) {
	offered := 0
	describeAll().Walk(func(d *manual.Entry) {
		for _, f := range d.Flags {
			for _, word := range f.Words {
				offered++
				if !strings.Contains(f.Usage, word) {
					t.Errorf("%s %s: %s is offered, and the help has it not: %s",
						d.Name, f.Names[0], word, f.Usage)
				}
			}
		}
	})
	if offered < 50 {
		t.Errorf("%d words in all, there are more", offered)
	}
}

// visibleFlags calls visit with every flag of c and below, as it is typed.
func visibleFlags(c *cli.Command, visit func(c *cli.Command, flag string)) {
	for _, f := range c.VisibleFlags() {
		for _, name := range f.Names() {
			visit(c, strings.Repeat("-", min(len(name), 2))+name)
		}
	}
	for _, sub := range c.Subcommands {
		visibleFlags(sub, visit)
	}
}

// Every command and flag is described, and is in every script and, but for --help, in the manual
// page. So is every topic.
func TestCompletionIsWhole(t *testing.T) {
	docs := map[string]*manual.Entry{}
	root := describeAll()
	root.Walk(func(d *manual.Entry) { docs[d.Name] = d })
	bash, zsh, fish, page := printed(t, "completion", "bash"), printed(t, "completion", "zsh"),
		printed(t, "completion", "fish"), printed(t, "man")
	visibleFlags(rootCommand(), func(c *cli.Command, flag string) {
		d := docs[c.HelpName]
		if d == nil {
			t.Fatalf("%s is not described", c.HelpName)
		}
		if !slices.ContainsFunc(d.Flags,
			func(f flags.Doc) bool { return slices.Contains(f.Names, flag) }) {
			t.Errorf("%s %s is not described", d.Name, flag)
		}
		if !strings.Contains(bash, flag) || !strings.Contains(zsh, flag) ||
			!strings.Contains(fish, strings.TrimLeft(flag, "-")) {
			t.Errorf("%s %s is not in all scripts", d.Name, flag)
		}
		inPage := strings.Contains(page, `\fB`+strings.ReplaceAll(flag, "-", `\-`)+`\fR`)
		if !inPage && c.Name != "envseal" && flag != "--help" && flag != "-h" {
			t.Errorf("%s %s is not in the manual page", d.Name, flag)
		}
	})
	for _, topic := range manual.Topics(root) {
		if !strings.Contains(bash, "'help/"+topic.Name+"'") ||
			!strings.Contains(page, "\n.SH "+topic.Section+"\n") {
			t.Errorf("%s is not behind help, or not in the manual page", topic.Name)
		}
	}
	if n := strings.Count(bash, "path='"); n < 60 {
		t.Errorf("%d commands, with those of help, there are more", n)
	}
}

// A line that roff takes for a request is one that is meant, and no character is left to its taste.
func TestManPageIsSound(t *testing.T) {
	requests := strings.Fields(".TH .SH .SS .PP .TP .RS .RE .nf .fi .nh .ad .br .BR")
	for i, line := range strings.Split(strings.TrimSuffix(printed(t, "man"), "\n"), "\n") {
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
}

// Flags are in groups, those for keys and files first and those for AWS last.
func TestHelpGroups(t *testing.T) {
	describeAll().Walk(func(d *manual.Entry) {
		var titles []string
		shown := 0
		for _, g := range d.Groups() {
			titles = append(titles, g.Title)
			shown += len(g.Flags)
		}
		order := []string{"", flags.CatKeys, flags.CatPolicy, flags.CatFiles, "request", "answer",
			flags.CatOutput, flags.CatStore, flags.CatAWS}
		if sorted := slices.SortedFunc(slices.Values(titles), func(a, b string) int {
			return slices.Index(order, a) - slices.Index(order, b)
		}); !slices.Equal(sorted, titles) {
			t.Errorf("%s: %q", d.Name, titles)
		}
		if shown != len(d.Flags) {
			t.Errorf("%s: %d flags in groups, it has %d", d.Name, shown, len(d.Flags))
		}
	})
}

// Every topic fits, and the texts have what they are looked up for.
func TestTopics(t *testing.T) {
	want := map[string][]string{
		"keys": {"key/KEY-ID", "alias/NAME", "local:NAME", "ENVSEAL_KEY_ID",
			"envseal key-pair", "envseal data-key"},
		"formats": {"-----BEGIN ENVSEAL FILE-----", "envseal data key", "envseal key pair",
			"format/README.md", "--header"},
		"exit-codes":  strings.Fields("0 1 2 3 4 5 6 7 8 9 10 11 129 130 141 143"),
		"environment": strings.Fields("ENVSEAL_KEY_ID ENVSEAL_ENCRYPTION_CONTEXT ENVSEAL_KEYSTORE ENVSEAL_PASSPHRASE_FILE ENVSEAL_IDENTITY_FILE AWS_PROFILE AWS_REGION AWS_ENDPOINT_URL_KMS"),
	}
	root := describeAll()
	for _, topic := range manual.Topics(root) {
		wantWords(t, "envseal", root.Help(80), topic.Name+" "+topic.Usage)
		for _, width := range []int{40, 80, 100} {
			text := topic.Help(width)
			wantWidth(t, topic.Name, text, width)
			for _, word := range want[topic.Name] {
				wantWords(t, topic.Name, text, word)
			}
		}
		delete(want, topic.Name)
	}
	if len(want) > 0 {
		t.Errorf("topics that are not there: %v", want)
	}
}

// The help on one command, word by word: examples first, then what it does, then its flags.
func TestHelpGolden(t *testing.T) {
	const name = "testdata/help-key-pair.txt"
	got := manual.Describe(rootCommand("envseal", "key-pair").Command("key-pair")).Help(80)
	if *updateGolden {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the help has changed; go test ./cmd -run HelpGolden -update-golden writes it anew:\n%s",
			got)
	}
}
