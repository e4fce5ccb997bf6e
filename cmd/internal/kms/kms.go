// Package kms is envseal kms: the operations of `aws kms` that envseal uses, as commands that take
// the same flags and print the same documents. It asks a key service for one thing a run, and
// prints no key to a terminal unless told to.
//
// operation.go has what each operation takes and answers, and member.go what stands for a member of
// a request on the command line. request.go, value.go and document.go make a request of flags and
// documents, call.go asks a key service, and output.go brings the answer to its place. Start at
// options.run.
//
// Where the two major versions of the aws command differ, envseal does as version 2: a binary value
// is base64 text unless it comes by fileb://, and times are ISO 8601.
package kms

import (
	"context"
	"slices"
	"strings"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/urfave/cli/v2"
)

// Categories of flags in the help.
const (
	catRequest = "request"
	catAnswer  = "answer"
)

// Command is envseal kms with the operation that args, the whole command line, name, or with all
// where they name none: to make them all takes as long as a short run.
func Command(args []string) *cli.Command {
	c := &cli.Command{
		Name:      "kms",
		Usage:     "the KMS operations, with the flags and the output of `aws kms`",
		UsageText: "envseal kms OPERATION [flags]\n\nenvseal kms generate-data-key --key-id alias/backup --key-spec AES_256 --plaintext-out data.key\nenvseal kms decrypt --ciphertext-blob fileb://blob --key-id alias/backup --query Plaintext --output text",
		Description: "A script that calls `aws kms` for these operations works with `envseal kms`, and with a key local:NAME without AWS.\n" +
			"Other operations are left to `aws`.",
		Flags: sharedFlags(),
		Action: func(*cli.Context) error {
			return exit.Errorf(exit.Usage, "try `envseal kms --help`", "kms: no operation given")
		},
	}
	all := operations()
	asked := askedOperation(c, args)
	if i := slices.IndexFunc(all, func(op *operation) bool { return op.command() == asked }); i >= 0 {
		all = all[i : i+1]
	}
	for _, op := range all {
		c.Subcommands = append(c.Subcommands, operationCommand(op))
	}
	return c
}

// askedOperation is the word in the place of the operation.
func askedOperation(kms *cli.Command, args []string) string {
	if len(args) < 3 {
		return ""
	}
	_, rest := flags.LeadingFlags(kms, args[2:])
	if len(rest) == 0 {
		return ""
	}
	return rest[0]
}

func operationCommand(op *operation) *cli.Command {
	c := &cli.Command{
		Name:        op.command(),
		Usage:       op.usage,
		UsageText:   "envseal kms " + op.command() + " [flags]",
		Description: description(op),
		Action:      func(c *cli.Context) error { return run(c, op) },
	}
	for _, m := range op.members {
		c.Flags = append(c.Flags, m.flags()...)
	}
	c.Flags = slices.Concat(c.Flags, inputFlags(), sharedFlags())
	if op.secret != "" {
		c.Flags = append(c.Flags, secretFlags(op)...)
	}
	return c
}

func description(op *operation) string {
	var b strings.Builder
	b.WriteString("The text of an error is that of `aws`. The exit codes are envseal's (`envseal help exit-codes`): 2 for a request that is not valid,\n" +
		"5 where KMS refuses, 6 where it cannot be reached.")
	if op.has(dryRunMember.name) {
		b.WriteString(" A dry run ends with DryRunOperationException and code 1 where the call is\nallowed, and with 5 where it is not.")
	}
	b.WriteString("\nBinary values are base64 text, or the bytes of a file with fileb://FILE. Every other value may come from file://FILE.")
	if op.name == "Encrypt" {
		b.WriteString("\nOther users of the machine can read a plaintext on the command line: fileb:// keeps it in locked memory.")
	}
	if op.secret != "" {
		b.WriteString("\n" + op.secret + " is not printed to a terminal without --force. --plaintext-out FILE writes its raw bytes to a file of mode 0600 instead.\n" +
			"As JSON, or with --query " + op.secret + ", it goes from locked memory straight to the output. --output yaml, --output text of the whole\n" +
			"answer and other queries that can reach it take it through ordinary memory.")
	}
	return b.String()
}

func textFlag(name, category, usage string) *cli.StringFlag {
	return &cli.StringFlag{Name: name, Category: category, Usage: usage}
}

// sharedFlags are those that all operations have, and that `aws` takes before the operation as
// well.
func sharedFlags() []cli.Flag {
	return slices.Concat([]cli.Flag{
		flags.OneOf(textFlag("output", catAnswer,
			"json, yaml or text (default: AWS_DEFAULT_OUTPUT, output of the profile, json)"), "json",
			"yaml", "text"),
		textFlag("query", catAnswer, "print what this JMESPath `EXPRESSION` finds in the answer"),
		&cli.StringFlag{Name: "color", Category: catAnswer, Usage: "ignored", Hidden: true},
		&cli.BoolFlag{Name: "no-cli-pager", Category: catAnswer, Usage: "ignored", Hidden: true},
		&cli.BoolFlag{Name: "no-paginate", Category: catAnswer, Usage: "ignored", Hidden: true},
		&cli.BoolFlag{Name: "no-cli-auto-prompt", Category: catAnswer, Usage: "ignored", Hidden: true},
		flags.OneOf(textFlag("cli-binary-format", catRequest, "base64 or raw-in-base64-out: how binary values are written (default: cli_binary_format of the profile, base64)"),
			"base64", "raw-in-base64-out"),
		&cli.BoolFlag{Name: "allow-core-dumps", Category: flags.CatOutput,
			Usage: "for debugging: let the system write memory, keys included, to a core file"},
	}, flags.AWSFlags(), flags.StoreFlags())
}

// inputFlags are those for requests that are written as a document.
func inputFlags() []cli.Flag {
	return []cli.Flag{
		textFlag(inputJSON, catRequest, "`JSON` of the request, or file://FILE; flags override it"),
		textFlag(inputYAML, catRequest, "the same as `YAML`"),
		flags.OneOf(textFlag(flags.SkeletonFlag, catRequest, "print a request to fill in, or what an answer looks like, and call nothing: input, yaml-input or output"),
			"input", "yaml-input", "output"),
	}
}

func secretFlags(op *operation) []cli.Flag {
	return []cli.Flag{
		textFlag("plaintext-out", catAnswer,
			"write the raw bytes of "+op.secret+" to `FILE` (mode 0600) and leave it out of the answer"),
		&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Category: catAnswer,
			Usage: "print " + op.secret + " to a terminal; replace an existing FILE"},
	}
}

// options are the flags of an operation as they were given. Where that counts, nil is a flag that
// was not.
type options struct {
	format       string  // of --output
	query        *string // JMESPath
	plaintextOut *string // the file for the plaintext, nil where it goes into the answer
	force        bool    // shows a plaintext on a terminal, replaces its file
	skeleton     *string // input, yaml-input or output; empty is input
	binaryFormat string  // of --cli-binary-format
	aws          flags.AWS
	store        flags.Store
	coreDumps    bool // may hold keys
	// request has what the request is made of, by the flags that were given: a string, int, bool or
	// []string for each member, and the documents of --cli-input-json and --cli-input-yaml.
	request map[string]any
	profile map[string]string // the settings of the aws command itself
}

// The flags for a request that is written as a document.
const (
	inputJSON = "cli-input-json"
	inputYAML = "cli-input-yaml"
)

func readOptions(c *cli.Context, op *operation) (*options, error) {
	given := func(flag string) *string {
		if value := c.String(flag); c.IsSet(flag) {
			return &value
		}
		return nil
	}
	o := &options{
		format: c.String("output"), query: given("query"), plaintextOut: given("plaintext-out"),
		force: c.Bool("force"), skeleton: given(flags.SkeletonFlag),
		binaryFormat: c.String("cli-binary-format"), aws: flags.ReadAWS(c), store: flags.ReadStore(c),
		coreDumps: c.Bool("allow-core-dumps"), request: map[string]any{},
	}
	o.profile = readProfile(o.aws.Profile)
	for _, flag := range []string{inputJSON, inputYAML} {
		if c.IsSet(flag) {
			o.request[flag] = c.String(flag)
		}
	}
	for _, m := range op.members {
		switch v, given, err := m.given(c); {
		case err != nil:
			return nil, err
		case given:
			o.request[m.flag()] = v
		}
	}
	return o, nil
}

// files are those that no output may replace.
func (o *options) files() []file.Guarded {
	var own []file.Needed
	for flag, v := range o.request {
		values, _ := v.([]string)
		if text, ok := v.(string); ok {
			values = []string{text}
		}
		for _, value := range values {
			if path, _, ok := parameterFile(value); ok {
				own = append(own, file.NamedBy(flag, path)...)
			}
		}
	}
	return file.Guard(own, o.aws.Files(), o.store.Files())
}

func run(c *cli.Context, op *operation) error {
	if c.NArg() > 0 {
		return exit.Errorf(exit.Usage, flags.TryHelp(c.Command), "Unknown options: %s",
			strings.Join(c.Args().Slice(), ", "))
	}
	o, err := readOptions(c, op)
	if err != nil {
		return err
	}
	return o.run(c.Context, op)
}

// run does one operation. All that can be wrong with the way the answer is wanted is found before
// the key service is asked.
func (o *options) run(ctx context.Context, op *operation) error {
	out, err := newPrinter(op, o)
	if err != nil {
		return err
	}
	if o.skeleton != nil {
		return out.printSkeleton(*o.skeleton)
	}
	keys.Harden(o.coreDumps)
	in, err := readRequest(op, o)
	if err != nil {
		return err
	}
	defer in.wipe()
	if err := out.open(in.dryRun()); err != nil {
		return err
	}
	defer out.close()
	svc := keys.NewServices(o.aws, o.store)
	defer svc.Close()
	doc, err := in.call(ctx, svc)
	if err != nil {
		return inWordsOfAWS(err)
	}
	defer doc.Destroy()
	return out.deliver(doc)
}
