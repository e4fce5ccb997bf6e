package cmd

import (
	"slices"
	"strings"
	"testing"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/flags"
)

// Every name of a command makes that command alone, and no other word does.
func TestCommandAlone(t *testing.T) {
	all := rootCommand().Subcommands
	for _, want := range all {
		for _, name := range want.Names() {
			got := rootCommand("envseal", name, "--help").Subcommands
			if want.Name == "help" {
				if len(got) != len(all) {
					t.Errorf("%s: %d commands, and it is to show all %d", name, len(got), len(all))
				}
				continue
			}
			if len(got) != 1 || got[0].Name != want.Name || len(got[0].Flags) != len(want.Flags) ||
				len(got[0].Subcommands) != len(want.Subcommands) {
				t.Errorf("%s does not make the command %s alone and whole", name, want.Name)
			}
		}
	}
	for _, args := range [][]string{nil, {"envseal"}, {"envseal", ""}, {"envseal", "no-command"},
		{"envseal", "--force", "encrypt"}} {
		if n := len(rootCommand(args...).Subcommands); n != len(all) {
			t.Errorf("%q: %d commands, want all %d", args, n, len(all))
		}
	}
}

// The same for the operations of `envseal kms`, which flags may precede.
func TestOperationAlone(t *testing.T) {
	all := rootCommand().Command("kms").Subcommands
	for _, want := range all {
		for _, before := range []string{"", "--region r", "--debug --query encrypt"} {
			args := append(append([]string{"envseal", "kms"}, strings.Fields(before)...),
				want.Name, "--key-id", "k")
			got := rootCommand(args...).Command("kms").Subcommands
			if len(got) != 1 || got[0].Name != want.Name || len(got[0].Flags) != len(want.Flags) {
				t.Errorf("%q does not make the operation %s alone and whole", args, want.Name)
			}
		}
	}
	for _, line := range []string{"kms", "kms help", "kms --help",
		"kms --query decrypt", "kms list-keys"} {
		n := len(rootCommand(append([]string{"envseal"}, strings.Fields(line)...)...).Command("kms").
			Subcommands)
		if n != len(all) {
			t.Errorf("%s: %d operations, want all %d", line, n, len(all))
		}
	}
}

// A flag whose names are kept is found by each of them, and a list flag still takes commas as they
// are.
func TestNamedFlags(t *testing.T) {
	args := []string{"envseal", "encrypt", "-o", "out", "-fj", "3", "-k", "a,b", "file"}
	c, err := flags.Read(t.Context(), rootCommand(args...), args)
	if err != nil || c.Command.Name != "encrypt" {
		t.Fatal(c, err)
	}
	if c.String("output") != "out" || c.String("o") != "out" || !c.Bool("force") ||
		c.Int("jobs") != 3 || !c.IsSet("j") || c.IsSet("rm") {
		t.Errorf("flags of %q: output %q, force %v, jobs %d",
			args, c.String("output"), c.Bool("force"), c.Int("jobs"))
	}
	if keys := c.StringSlice("key-id"); len(keys) != 1 || keys[0] != "a,b" {
		t.Errorf("-k a,b: %q", keys)
	}
}

// Flags stand anywhere among the arguments, and mean what they mean to other Unix filters.
func TestReadCommandLine(t *testing.T) {
	for line, want := range map[string]struct{ set, args string }{
		"encrypt f -k x g":      {"key-id=[x]", "f g"},
		"encrypt -k a -k b,c f": {"key-id=[a b,c]", "f"},
		"encrypt -fqoout -jX":   {"", ""},
		"encrypt -fqoout -j1 f": {
			"force=true quiet=true output=out jobs=1", "f"},
		"encrypt -o fq -fq f":                            {"output=fq force=true quiet=true", "f"},
		"encrypt --output=-x -output y -":                {"output=y", "-"},
		"encrypt -o -f -- -k --rm":                       {"output=-f", "-k --rm"},
		"encrypt --from-command -- cat -f":               {"from-command=--", "-- cat -f"},
		"encrypt --from-command=-- -f":                   {"from-command=-- force=true", ""},
		"decrypt f --to-command -- cat --":               {"to-command=--", "f -- cat --"},
		"encrypt -z --reuse-key=5 f":                     {"compress=fastest reuse-key=5", "f"},
		"encrypt --compress=good fast":                   {"compress=good", "fast"},
		"keystore create-key --multi-region=false a":     {"multi-region=false", "a"},
		"kms generate-data-key --number-of-bytes -5 -f":  {"number-of-bytes=-5 force=true", ""},
		"kms decrypt --grant-tokens a --grant-tokens= b": {"grant-tokens=[a ]", "b"},
	} {
		args := append([]string{"envseal"}, strings.Fields(line)...)
		c, err := flags.Read(t.Context(), rootCommand(args...), args)
		if want.set == "" {
			if exit.Code(err) != exit.Usage {
				t.Errorf("%s: %v", line, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		for pair := range strings.SplitSeq(want.set, " ") {
			name, value, ok := strings.Cut(pair, "=")
			if ok && !strings.HasPrefix(value, "[") &&
				(!c.IsSet(name) || c.Generic(name).(interface{ String() string }).String() != value) {
				t.Errorf("%s: --%s is %v, want %s", line, name, c.Generic(name), value)
			}
		}
		if _, list, ok := strings.Cut(want.set, "=["); ok {
			name, _, _ := strings.Cut(want.set, "=")
			if got := strings.Join(c.StringSlice(name), " "); got != strings.TrimSuffix(list, "]") {
				t.Errorf("%s: --%s is %q, want %q", line, name, got, list)
			}
		}
		if got := c.Args().Slice(); !slices.Equal(got, strings.Fields(want.args)) {
			t.Errorf("%s: arguments %q, want %q", line, got, want.args)
		}
	}
}

// What is wrong on a command line is said as it was typed, with a hint.
func TestCommandLineErrors(t *testing.T) {
	for line, want := range map[string]struct{ message, hint string }{
		"encrypt -f --force f": {"Cannot use two forms of the same flag: f force",
			"try `envseal encrypt --help`"},
		"encrypt ---force f": {"bad flag syntax: ---force", "try `envseal encrypt --help`"},
		"encrypt ---no f":    {"unknown flag ---no", "did you mean `--no-sync`?"},
		"encrypt -fx f":      {"unknown flag -fx", "try `envseal encrypt --help`"},
		"encrypt f -k":       {"flag -k needs a value", "try `envseal encrypt --help`"},
		"encrypt -j 99999999999999999999": {`-j "99999999999999999999": value out of range`,
			"try `envseal encrypt --help`"},
		"encrypt -z=x f": {"-z=x: no such value",
			"--compress=LEVEL takes fastest, as without LEVEL, good or better"},
		"encrypt -o= f":    {"--output: the name is empty", "is a variable empty that should name it?"},
		"kms --nosuch":     {"Unknown options: --nosuch", "try `envseal kms --help`"},
		"keystore -- init": {`unknown command "init"`, "try `envseal help`"},
		"keystore --force": {"unknown flag --force", "try `envseal keystore --help`"},
		"-":                {`unknown command "-"`, "try `envseal help`"},
		"help exit-code":   {`unknown topic "exit-code"`, "did you mean `envseal help exit-codes`?"},
		"help encrpt":      {`unknown command "encrpt"`, "did you mean `envseal encrypt`?"},
		"help version x":   {`unknown command "version x"`, "try `envseal version --help`"},
	} {
		err := run(t.Context(), append([]string{"envseal"}, strings.Fields(line)...))
		code, hint := exit.Explain(err)
		if code != exit.Usage || err.Error() != want.message || hint != want.hint {
			t.Errorf("%s: exit code %d, %v, hint %q; want %q", line, code, err, hint, want)
		}
	}
}
