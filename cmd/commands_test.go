package cmd

import (
	"regexp"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// Every name of a command makes that command alone, and no other word does.
func TestCommandAlone(t *testing.T) {
	all := newApp().Commands
	for _, want := range all {
		for _, name := range want.Names() {
			got := newApp("envseal", name, "--help").Commands
			if want.Name == "help" {
				if len(got) != len(all) {
					t.Errorf("%s: %d commands, and it is to show all %d", name, len(got), len(all))
				}
				continue
			}
			if len(got) != 1 || got[0].Name != want.Name || len(got[0].Flags) != len(want.Flags) || len(got[0].Subcommands) != len(want.Subcommands) {
				t.Errorf("%s does not make the command %s alone and whole", name, want.Name)
			}
		}
	}
	for _, args := range [][]string{nil, {"envseal"}, {"envseal", ""}, {"envseal", "no-command"}, {"envseal", "--force", "encrypt"}} {
		if n := len(newApp(args...).Commands); n != len(all) {
			t.Errorf("%q: %d commands, want all %d", args, n, len(all))
		}
	}
}

// The same for the operations of `envseal kms`, which flags may precede.
func TestOperationAlone(t *testing.T) {
	all := newApp().Command("kms").Subcommands
	for _, want := range all {
		for _, before := range []string{"", "--region r", "--debug --query encrypt"} {
			args := append(append([]string{"envseal", "kms"}, strings.Fields(before)...), want.Name, "--key-id", "k")
			got := newApp(args...).Command("kms").Subcommands
			if len(got) != 1 || got[0].Name != want.Name || len(got[0].Flags) != len(want.Flags) {
				t.Errorf("%q does not make the operation %s alone and whole", args, want.Name)
			}
		}
	}
	for _, line := range []string{"kms", "kms help", "kms --help", "kms --query decrypt", "kms list-keys"} {
		if n := len(newApp(append([]string{"envseal"}, strings.Fields(line)...)...).Command("kms").Subcommands); n != len(all) {
			t.Errorf("%s: %d operations, want all %d", line, n, len(all))
		}
	}
}

// A flag whose names are kept is found by each of them, and a list flag still takes commas as they are.
func TestNamedFlags(t *testing.T) {
	app := newApp("envseal", "encrypt")
	command, seen := app.Commands[0], false
	args := []string{"envseal", "encrypt", "-o", "out", "-fj", "3", "-k", "a,b", "file"}
	command.Action = func(c *cli.Context) error {
		seen = true
		if c.String("output") != "out" || c.String("o") != "out" || !c.Bool("force") || c.Int("jobs") != 3 || !c.IsSet("j") || c.IsSet("rm") {
			t.Errorf("flags of %q: output %q, force %v, jobs %d", args, c.String("output"), c.Bool("force"), c.Int("jobs"))
		}
		if keys := c.StringSlice("key-id"); len(keys) != 1 || keys[0] != "a,b" {
			t.Errorf("-k a,b: %q", keys)
		}
		return nil
	}
	if err := app.Run(args); err != nil || !seen {
		t.Errorf("%v, action seen %v", err, seen)
	}
}

// Names are checked by hand, as compiling these expressions would cost every run.
func TestNamesOfKeys(t *testing.T) {
	keyID := regexp.MustCompile(`^(mrk-)?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$`)
	alias := regexp.MustCompile(`^alias/[a-zA-Z0-9/_-]{1,250}$`)
	const id = "1234abcd-12ab-34cd-56ef-1234567890ab"
	bare := strings.ReplaceAll(id, "-", "")
	words := []string{"", "mrk-", id, bare, "mrk-" + id, "mrk-" + bare, "mrk-mrk-" + id, "12-34abcd12ab34cd56ef1234567890ab", "-" + id, id + "-", id + "0", id[1:], bare + "\n",
		strings.ToUpper(id), strings.Replace(id, "-", "--", 1), strings.Replace(id, "-", "", 1), strings.Replace(id, "a", "g", 1), "1234é" + id[6:], "backup"}
	for _, a := range []string{"a", "a/b_c-D9", "a b", "a.b", "é", "", "aws", "aws/s3", "awsome/x", strings.Repeat("a", 250), strings.Repeat("a", 251), "a\n"} {
		words = append(words, "alias/"+a, a)
	}
	for _, w := range words {
		if got, want := isKeyID(w), keyID.MatchString(w); got != want {
			t.Errorf("%q is a key id: %v, want %v", w, got, want)
		}
		if got, want := isAliasName(w), alias.MatchString(w) && !strings.HasPrefix(w, "alias/aws/"); got != want {
			t.Errorf("%q is the name of an alias: %v, want %v", w, got, want)
		}
	}
}
