package flags

import (
	"slices"
	"strings"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/urfave/cli/v2"
)

// SkeletonFlag is the name of the flag that prints an input document to be filled in.
const SkeletonFlag = "generate-cli-skeleton"

// AWSOrder rewrites the arguments of `envseal kms` that `aws` takes and the flag parser underneath
// does not: global flags before the operation, several values behind one list flag, the skeleton
// flag without a value, and the word help for --help. What it returns says the same in the way of
// the parser. Other commands pass unchanged.
func AWSOrder(kms *cli.Command, args []string) ([]string, error) {
	if len(args) < 3 || args[1] != "kms" {
		return args, nil
	}
	early, rest := LeadingFlags(kms, args[2:])
	if len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
		return args, nil
	}
	if rest[0] == "help" {
		return []string{args[0], "kms", "--help"}, nil
	}
	op := kms.Command(rest[0])
	if op == nil {
		hint := "it has " + strings.Join(namesOf(kms.Subcommands), ", ") + "; `aws kms` has the others"
		if meant := Near(rest[0], namesOf(kms.Subcommands)); meant != "" {
			hint = didYouMean("envseal kms " + meant)
		}
		return nil, exit.Errorf(exit.Usage, hint, "kms: unknown operation %q", rest[0])
	}
	done := append(slices.Clone(args[:2]), rest[0])
	if len(rest) == 2 && rest[1] == "help" {
		return append(done, "--help"), nil
	}
	return append(append(done, early...), spread(byName(op.Flags), rest[1:])...), nil
}

// LeadingFlags splits args behind the flags of c, with their values, that they begin with.
func LeadingFlags(c *cli.Command, args []string) (lead, rest []string) {
	known, i := byName(c.Flags), 0
	for i < len(args) && strings.HasPrefix(args[i], "--") && len(args[i]) > 2 {
		name, _, _ := strings.Cut(args[i][2:], "=")
		if known[name] == nil {
			break
		}
		if takesNext(known, args[i]) {
			i++
		}
		i++
	}
	i = min(i, len(args))
	return args[:i], args[i:]
}

// spread repeats list flags before each of their values, which are all arguments up to the next
// flag, and gives the skeleton flag its default.
func spread(known map[string]*ownFlag, args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		name := strings.TrimPrefix(arg, "--")
		switch {
		case arg == "--":
			return append(out, args[i:]...)
		case name != arg && known[name] != nil && known[name].repeats:
			for i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
				i++
				out = append(out, arg, args[i])
			}
		case name == SkeletonFlag && name != arg &&
			(i+1 == len(args) || strings.HasPrefix(args[i+1], "-")):
			out = append(out, arg+"=input")
		case name != arg && takesNext(known, arg) && i+1 < len(args):
			i++
			out = append(out, arg, args[i])
		default:
			out = append(out, arg)
		}
	}
	return out
}
