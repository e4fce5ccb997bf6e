package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/kmsclient/keystore"
	"github.com/urfave/cli/v2"
)

// Groups of flags, each defined once. Every command gets the groups it needs, since urfave/cli does not hand flags of the app down to commands.

const (
	catKeys   = "keys"
	catAWS    = "AWS, as for the aws command"
	catStore  = "embedded keystore"
	catFiles  = "files"
	catOutput = "messages"
	catPolicy = "policy"
)

func awsFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "profile", Category: catAWS, Usage: "profile of the AWS config and credentials files"},
		&cli.StringFlag{Name: "region", Category: catAWS, Usage: "AWS Region; a key ARN brings its own, but a multi-Region key (mrk-) is asked for its replica here"},
		&cli.StringFlag{Name: "endpoint-url", Category: catAWS, Usage: "ask this KMS endpoint instead of AWS's `URL`"},
		&cli.StringFlag{Name: "ca-bundle", Category: catAWS, Usage: "PEM `FILE` of certificate authorities to trust"},
		&cli.BoolFlag{Name: "no-verify-ssl", Category: catAWS, Usage: "do not verify certificates (dangerous)"},
		&cli.BoolFlag{Name: "no-sign-request", Category: catAWS, Usage: "do not sign requests"},
		&cli.IntFlag{Name: "cli-connect-timeout", Category: catAWS, Usage: "`SECONDS` to connect (default 3)"},
		&cli.IntFlag{Name: "cli-read-timeout", Category: catAWS, Usage: "`SECONDS` to wait for an answer (default 12)"},
		&cli.BoolFlag{Name: "use-fips-endpoint", Category: catAWS, Usage: "use the FIPS endpoint of KMS"},
		&cli.IntFlag{Name: "max-attempts", Category: catAWS, Usage: "tries for one KMS call (default 5)"},
		&cli.StringFlag{Name: "role-arn", Category: catAWS, Usage: "assume this IAM role first"},
		&cli.BoolFlag{Name: "debug", Category: catAWS, Usage: "log requests to stderr, never their secrets"},
	}
}

// awsOptions say how AWS KMS is reached. Empty ones are as the aws command has them.
type awsOptions struct {
	// Profile is that of the AWS config and credentials files.
	Profile string
	// Region is for keys that are not named by an ARN, and for replicas of multi-Region keys.
	Region string
	// EndpointURL replaces AWS's own.
	EndpointURL string
	// CABundle is a PEM file of certificate authorities.
	CABundle string
	// NoVerifySSL leaves certificates unchecked.
	NoVerifySSL bool
	// NoSignRequest leaves requests unsigned.
	NoSignRequest bool
	// ConnectTimeout and ReadTimeout have a default if 0.
	ConnectTimeout, ReadTimeout time.Duration
	// UseFIPS asks the FIPS endpoint.
	UseFIPS bool
	// MaxAttempts is for one call; 0 stands for the default.
	MaxAttempts int
	// RoleARN is the IAM role to assume first.
	RoleARN string
	// Debug logs requests to stderr.
	Debug bool
}

func readAWS(c *cli.Context) awsOptions {
	return awsOptions{
		Profile:        c.String("profile"),
		Region:         c.String("region"),
		EndpointURL:    c.String("endpoint-url"),
		CABundle:       c.String("ca-bundle"),
		NoVerifySSL:    c.Bool("no-verify-ssl"),
		NoSignRequest:  c.Bool("no-sign-request"),
		ConnectTimeout: seconds(c.Int("cli-connect-timeout")),
		ReadTimeout:    seconds(c.Int("cli-read-timeout")),
		UseFIPS:        c.Bool("use-fips-endpoint"),
		MaxAttempts:    c.Int("max-attempts"),
		RoleARN:        c.String("role-arn"),
		Debug:          c.Bool("debug"),
	}
}

// files are those that no output may replace.
func (o awsOptions) files() []file.Needed { return file.NamedBy("ca-bundle", o.CABundle) }

func storeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "keystore", Category: catStore, EnvVars: []string{"ENVSEAL_KEYSTORE"}, Usage: "`FILE` of the embedded keystore"},
		&cli.StringFlag{Name: "passphrase-file", Category: catStore, EnvVars: []string{"ENVSEAL_PASSPHRASE_FILE"}, Usage: "read the keystore's passphrase from the first line of `FILE`"},
		&cli.StringFlag{Name: "identity-file", Category: catStore, EnvVars: []string{"ENVSEAL_IDENTITY_FILE"}, Usage: "age identity `FILE` that opens the keystore (default: KEYSTORE.identity)"},
	}
}

// storeOptions say where the embedded keystore is, and what opens it.
type storeOptions struct {
	// Keystore is its file; "" stands for the default.
	Keystore string
	// PassphraseFile has the passphrase in its first line; without, it is asked for.
	PassphraseFile string
	// IdentityFile is an age identity; "" stands for the one beside the keystore.
	IdentityFile string
}

func readStore(c *cli.Context) storeOptions {
	return storeOptions{
		Keystore:       c.String("keystore"),
		PassphraseFile: c.String("passphrase-file"),
		IdentityFile:   c.String("identity-file"),
	}
}

// path is that of the keystore.
func (o storeOptions) path() (string, error) {
	if o.Keystore != "" {
		return filepath.Clean(o.Keystore), nil
	}
	return keystore.DefaultPath()
}

// identityPath is that of the identity file of the keystore at path.
func (o storeOptions) identityPath(path string) string {
	if o.IdentityFile != "" {
		return filepath.Clean(o.IdentityFile)
	}
	return path + ".identity"
}

// files are those that no output may replace.
func (o storeOptions) files() []file.Needed {
	all := file.NamedBy("passphrase-file", o.PassphraseFile)
	if path, err := o.path(); err == nil {
		all = append(all, file.Needed{Name: path, Role: "the keystore"},
			file.Needed{Name: o.identityPath(path), Role: "the identity file of the keystore"})
	}
	return all
}

func messageFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: catOutput, Usage: "errors only"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Category: catOutput, Usage: "say what is done"},
		oneOf(&cli.StringFlag{Name: "progress", Category: catOutput, Value: "auto", Usage: "auto, always, never or json"},
			string(ui.Auto), string(ui.Always), string(ui.Never), string(ui.Lines)),
		&cli.BoolFlag{Name: "allow-core-dumps", Category: catOutput, Usage: "for debugging: let the system write memory, keys included, to a core file"},
	}
}

// messageOptions say what the user is told, and what a crash may leave behind.
type messageOptions struct {
	// Quiet leaves errors only.
	Quiet bool
	// Verbose says what is done.
	Verbose bool
	// Progress is auto, always, never or json, as it was typed.
	Progress string
	// AllowCoreDumps lets a core file have the memory, keys included.
	AllowCoreDumps bool
}

func readMessages(c *cli.Context) messageOptions {
	return messageOptions{
		Quiet:          c.Bool("quiet"),
		Verbose:        c.Bool("verbose"),
		Progress:       c.String("progress"),
		AllowCoreDumps: c.Bool("allow-core-dumps"),
	}
}

// fileFlags are those of commands that write a file for each input.
func fileFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Category: catFiles, Usage: "write to `FILE`; - is stdout"},
		&cli.StringFlag{Name: "output-dir", Aliases: []string{"O"}, Category: catFiles, Usage: "write into `DIR`, which is made if only the last part of its path is missing"},
		&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Category: catFiles, Usage: "replace an existing output"},
		&cli.BoolFlag{Name: "rm", Category: catFiles, Usage: "remove each input once its output is safely on the disk; those that --update leaves out stay, and a symbolic link or one of several hard links is refused unless -f is given"},
		suffixFlag(),
		&cli.BoolFlag{Name: "no-sync", Category: catFiles, Usage: "do not wait for the disk: for scratch data, which a power cut may lose"},
		&cli.BoolFlag{Name: "dry-run", Category: catFiles, Usage: "say what would be done, check what can be checked, do nothing"},
		failFastFlag(),
		jobsFlag(),
	}
}

// fileOptions say where outputs go, and how inputs and outputs are dealt with.
type fileOptions struct {
	// Output is the file for a single input, - for stdout, "" for a file beside the input.
	Output string
	// OutputDir is the directory of outputs, "" for that of each input.
	OutputDir string
	// Force replaces outputs that exist.
	Force bool
	// Remove removes each input once its output is on the disk.
	Remove bool
	// Suffix is the ending of sealed files.
	Suffix string
	// NoSync does not wait for the disk.
	NoSync bool
	// DryRun says what would be done, and does nothing.
	DryRun bool
	// FailFast begins no further file after a failure.
	FailFast bool
	// Jobs is the number of workers; 0 stands for one per core.
	Jobs int
}

func readFiles(c *cli.Context) (fileOptions, error) {
	jobs, err := workers(c)
	return fileOptions{
		Output:    c.String("output"),
		OutputDir: c.String("output-dir"),
		Force:     c.Bool("force"),
		Remove:    c.Bool("rm"),
		Suffix:    c.String("suffix"),
		NoSync:    c.Bool("no-sync"),
		DryRun:    c.Bool("dry-run"),
		FailFast:  c.Bool("fail-fast"),
		Jobs:      jobs,
	}, err
}

// workers is -j.
func workers(c *cli.Context) (int, error) {
	n := c.Int("jobs")
	if n < 0 || n > 1024 {
		return 0, exit.Errorf(exit.Usage, "", "-j %d is not a number of workers from 1 to 1024", n)
	}
	return n, nil
}

// keyIDFlag is -k of commands that make keys; see keyRefs for its default.
func keyIDFlag(usage string) cli.Flag {
	return &cli.StringSliceFlag{Name: "key-id", Aliases: []string{"k"}, Category: catKeys, Usage: usage + ": key id, key ARN, alias/NAME, alias ARN, local:NAME [$ENVSEAL_KEY_ID]"}
}

// readNamedKeys are all keys that the command line or the environment names, for advice.
func readNamedKeys(c *cli.Context) (refs []string) {
	for _, flag := range []string{"key-id", "to", "add", "drop"} {
		if refs = append(refs, c.StringSlice(flag)...); c.String(flag) != "" {
			refs = append(refs, c.String(flag))
		}
	}
	return append(refs, os.Getenv("ENVSEAL_KEY_ID"))
}

func contextFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "encryption-context", Aliases: []string{"c"}, Category: catKeys, Usage: "k=v,k2=v2, a JSON object, or file://PATH (repeatable); authenticated, not secret [$ENVSEAL_ENCRYPTION_CONTEXT]"}
}

func suffixFlag() cli.Flag {
	return &cli.StringFlag{Name: "suffix", Category: catFiles, Value: ".sealed", Usage: "ending of sealed files"}
}

func jobsFlag() cli.Flag {
	return &cli.IntFlag{Name: "jobs", Aliases: []string{"j"}, Category: catFiles, Usage: "how many `WORKERS` (default: one per core)"}
}

func grantTokensFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "grant-tokens", Category: catKeys, Usage: "grant `TOKEN` for new grants (repeatable)"}
}

// policyFlags are those of commands that open files.
func policyFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "key-id", Aliases: []string{"k"}, Category: catPolicy, Usage: "open with this `KEY` only (repeatable); default: the keys named in the file"},
		&cli.StringSliceFlag{Name: "account", Category: catPolicy, Usage: "open with keys of this AWS account `ID` only (repeatable)"},
		&cli.StringSliceFlag{Name: "require-context", Category: catPolicy, Usage: "refuse a file whose encryption context lacks `KEY[=VALUE]` (repeatable); checked before any KMS call"},
		grantTokensFlag(),
		&cli.IntFlag{Name: "max-slots", Category: catPolicy, Usage: "refuse a file with more than `N` key slots (default 64)"},
	}
}

// checkArgs refuses a command line that has not from least to most arguments.
func checkArgs(c *cli.Context, least, most int) error {
	n := c.NArg()
	if n >= least && n <= most {
		return nil
	}
	takes := fmt.Sprintf("%d to %d arguments", least, most)
	switch {
	case most == 0:
		takes = "no arguments"
	case least == most && most == 1:
		takes = "one argument"
	}
	return exit.Errorf(exit.Usage, "try `"+helpFor(c)+"`", "%s takes %s, %d given", c.Command.FullName(), takes, n)
}

func flags(groups ...[]cli.Flag) []cli.Flag { return slices.Concat(groups...) }

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// contextFiles are the files that the values of -c name.
func contextFiles(values []string) (all []file.Needed) {
	for _, value := range values {
		if name, ok := strings.CutPrefix(value, "file://"); ok {
			all = append(all, file.NamedBy("encryption-context", name)...)
		}
	}
	return all
}
