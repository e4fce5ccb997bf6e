// Package kms is envseal kms, the operations of the key service as the aws command has them.
package kms

import (
	"context"
	"slices"
	"strings"

	"github.com/envseal/envseal/cmd/internal/awscli"
	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/urfave/cli/v2"
)

// The operations of `aws kms` that envseal uses, as commands that take the same flags and print the
// same documents.
//
// kms_operations.go has what each operation takes and answers, kms_input.go and its neighbours how
// flags and documents become a request, kms_calls.go how a key service is asked, and kms_output.go
// where the answer goes. Where the two major versions of the aws command differ, envseal does as
// version 2: a binary value is base64 text unless it comes by fileb://, and times are ISO 8601.

// kmsOperation is one operation of KMS.
type kmsOperation struct {
	name    string // as in the API: GenerateDataKey
	usage   string
	secret  string          // the member of the answer that is plaintext key material, or empty
	members []kmsMember     // of the request, in the order of the API
	answer  awscli.Document // what an answer may hold, for --generate-cli-skeleton output
	call    kmsCall
}

// command is the name on the command line: generate-data-key.
func (op *kmsOperation) command() string { return dashed(op.name) }

const catRequest = "request"
const catAnswer = "answer"

// Command has the operation that args, the whole command line, name, and all where they name
// none.
func Command(args []string) *cli.Command {
	c := &cli.Command{
		Name:      "kms",
		Usage:     "the KMS operations, with the flags and the output of `aws kms`",
		UsageText: "envseal kms OPERATION [flags]\n\nenvseal kms generate-data-key --key-id alias/backup --key-spec AES_256 --plaintext-out data.key\nenvseal kms decrypt --ciphertext-blob fileb://blob --key-id alias/backup --query Plaintext --output text",
		Description: "A script that calls `aws kms` for these operations works with `envseal kms`, and with a key local:NAME without AWS.\n" +
			"Other operations are left to `aws`.",
		Flags: kmsSharedFlags(),
		Action: func(*cli.Context) error {
			return exit.Errorf(exit.Usage, "try `envseal kms --help`", "kms: no operation given")
		},
	}
	all := kmsOperations()
	asked := askedOperation(c, args)
	if i := slices.IndexFunc(all, func(op *kmsOperation) bool { return op.command() == asked }); i >= 0 {
		all = all[i : i+1]
	}
	for _, op := range all {
		c.Subcommands = append(c.Subcommands, kmsOperationCommand(op))
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

func kmsOperationCommand(op *kmsOperation) *cli.Command {
	c := &cli.Command{
		Name:        op.command(),
		Usage:       op.usage,
		UsageText:   "envseal kms " + op.command() + " [flags]",
		Description: kmsDescription(op),
		Action:      func(c *cli.Context) error { return runKMS(c, op) },
	}
	for _, m := range op.members {
		c.Flags = append(c.Flags, m.flags()...)
	}
	c.Flags = flags.Join(c.Flags, kmsInputFlags(), kmsSharedFlags())
	if op.secret != "" {
		c.Flags = append(c.Flags, kmsSecretFlags(op)...)
	}
	return c
}

func kmsDescription(op *kmsOperation) string {
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

// kmsSharedFlags are those that all operations have, and that `aws` takes before the operation as
// well.
func kmsSharedFlags() []cli.Flag {
	return flags.Join([]cli.Flag{
		flags.OneOf(&cli.StringFlag{Name: "output", Category: catAnswer, Usage: "json, yaml or text (default: AWS_DEFAULT_OUTPUT, output of the profile, json)"},
			"json", "yaml", "text"),
		&cli.StringFlag{Name: "query", Category: catAnswer, Usage: "print what this JMESPath `EXPRESSION` finds in the answer"},
		&cli.StringFlag{Name: "color", Category: catAnswer, Usage: "ignored", Hidden: true},
		&cli.BoolFlag{Name: "no-cli-pager", Category: catAnswer, Usage: "ignored", Hidden: true},
		&cli.BoolFlag{Name: "no-paginate", Category: catAnswer, Usage: "ignored", Hidden: true},
		&cli.BoolFlag{Name: "no-cli-auto-prompt", Category: catAnswer, Usage: "ignored", Hidden: true},
		flags.OneOf(&cli.StringFlag{Name: "cli-binary-format", Category: catRequest, Usage: "base64 or raw-in-base64-out: how binary values are written (default: cli_binary_format of the profile, base64)"},
			"base64", "raw-in-base64-out"),
		&cli.BoolFlag{Name: "allow-core-dumps", Category: flags.CatOutput, Usage: "for debugging: let the system write memory, keys included, to a core file"},
	}, flags.AWSFlags(), flags.StoreFlags())
}

// kmsInputFlags are those for requests that are written as a document.
func kmsInputFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "cli-input-json", Category: catRequest, Usage: "`JSON` of the request, or file://FILE; flags override it"},
		&cli.StringFlag{Name: "cli-input-yaml", Category: catRequest, Usage: "the same as `YAML`"},
		flags.OneOf(&cli.StringFlag{Name: flags.SkeletonFlag, Category: catRequest, Usage: "print a request to fill in, or what an answer looks like, and call nothing: input, yaml-input or output"},
			"input", "yaml-input", "output"),
	}
}

func kmsSecretFlags(op *kmsOperation) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "plaintext-out", Category: catAnswer, Usage: "write the raw bytes of " + op.secret + " to `FILE` (mode 0600) and leave it out of the answer"},
		&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Category: catAnswer, Usage: "print " + op.secret + " to a terminal; replace an existing FILE"},
	}
}

// kmsOptions are the flags of an operation as they were given. Where that counts, nil is a flag
// that was not.
type kmsOptions struct {
	format       string  // of --output
	query        *string // JMESPath
	plaintextOut *string // a file
	force        bool
	skeleton     *string // input, yaml-input or output; empty is input
	binaryFormat string  // of --cli-binary-format
	inputJSON    *string // a request, or file://FILE
	inputYAML    *string
	aws          flags.AWS
	store        flags.Store
	coreDumps    bool                   // may hold keys
	members      map[string]givenMember // by the member's name, those that were given
}

func readKMSOptions(c *cli.Context, op *kmsOperation) *kmsOptions {
	given := func(flag string) *string {
		if value := c.String(flag); c.IsSet(flag) {
			return &value
		}
		return nil
	}
	o := &kmsOptions{
		format: c.String("output"), query: given("query"), plaintextOut: given("plaintext-out"),
		force: c.Bool("force"), skeleton: given(flags.SkeletonFlag),
		binaryFormat: c.String("cli-binary-format"), aws: flags.ReadAWS(c), store: flags.ReadStore(c),
		coreDumps: c.Bool("allow-core-dumps"),
		inputJSON: given("cli-input-json"), inputYAML: given("cli-input-yaml"),
		members: map[string]givenMember{},
	}
	for _, m := range op.members {
		if g, ok := m.given(c); ok {
			o.members[m.name] = g
		}
	}
	return o
}

// files are those that no output may replace.
func (o *kmsOptions) files() []file.Guarded { return file.Guard(o.aws.Files(), o.store.Files()) }

func runKMS(c *cli.Context, op *kmsOperation) error {
	if c.NArg() > 0 {
		return exit.Errorf(exit.Usage, flags.TryHelp(c.Command), "Unknown options: %s", strings.Join(c.Args().Slice(), ", "))
	}
	return readKMSOptions(c, op).run(c.Context, op)
}

// run does one operation. All that can be wrong with the way the answer is wanted is found before
// the key service is asked.
func (o *kmsOptions) run(ctx context.Context, op *kmsOperation) error {
	out, err := newKMSPrinter(op, o)
	if err != nil {
		return err
	}
	if o.skeleton != nil {
		return out.skeleton(*o.skeleton)
	}
	keys.Harden(o.coreDumps)
	in, err := readKMSRequest(op, o)
	if err != nil {
		return err
	}
	defer in.wipe()
	if err := out.open(in.flag("DryRun")); err != nil {
		return err
	}
	defer out.close()
	svc := keys.NewServices(o.aws, o.store)
	defer svc.Close()
	doc, err := in.call(ctx, svc)
	if err != nil {
		return kmsFailure(err)
	}
	defer doc.Destroy()
	return out.deliver(doc)
}
