// Package flags is how a command line is read, and the flags that commands share.
package flags

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
	// CatKeys heads the flags that name keys.
	CatKeys = "keys"
	// CatAWS heads the flags for AWS.
	CatAWS = "AWS, as for the aws command"
	// CatStore heads the flags for the embedded keystore.
	CatStore = "embedded keystore"
	// CatFiles heads the flags for files.
	CatFiles = "files"
	// CatOutput heads the flags for messages.
	CatOutput = "messages"
	// CatPolicy heads the flags that say what may be opened.
	CatPolicy = "policy"
)

// AWSFlags say how AWS KMS is reached.
func AWSFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "profile", Category: CatAWS, Usage: "profile of the AWS config and credentials files"},
		&cli.StringFlag{Name: "region", Category: CatAWS, Usage: "AWS Region; a key ARN brings its own, but a multi-Region key (mrk-) is asked for its replica here"},
		&cli.StringFlag{Name: "endpoint-url", Category: CatAWS, Usage: "ask this KMS endpoint instead of AWS's `URL`"},
		&cli.StringFlag{Name: "ca-bundle", Category: CatAWS, Usage: "PEM `FILE` of certificate authorities to trust"},
		&cli.BoolFlag{Name: "no-verify-ssl", Category: CatAWS, Usage: "do not verify certificates (dangerous)"},
		&cli.BoolFlag{Name: "no-sign-request", Category: CatAWS, Usage: "do not sign requests"},
		&cli.IntFlag{Name: "cli-connect-timeout", Category: CatAWS, Usage: "`SECONDS` to connect (default 3)"},
		&cli.IntFlag{Name: "cli-read-timeout", Category: CatAWS, Usage: "`SECONDS` to wait for an answer (default 12)"},
		&cli.BoolFlag{Name: "use-fips-endpoint", Category: CatAWS, Usage: "use the FIPS endpoint of KMS"},
		&cli.IntFlag{Name: "max-attempts", Category: CatAWS, Usage: "tries for one KMS call (default 5)"},
		&cli.StringFlag{Name: "role-arn", Category: CatAWS, Usage: "assume this IAM role first"},
		&cli.BoolFlag{Name: "debug", Category: CatAWS, Usage: "log requests to stderr, never their secrets"},
	}
}

// AWS say how AWS KMS is reached. Empty ones are as the aws command has them.
type AWS struct {
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

// ReadAWS reads awsFlags.
func ReadAWS(c *cli.Context) AWS {
	return AWS{
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

// Files are those that no output may replace.
func (o AWS) Files() []file.Needed { return file.NamedBy("ca-bundle", o.CABundle) }

// StoreFlags say where the embedded keystore is, and what opens it.
func StoreFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "keystore", Category: CatStore, EnvVars: []string{"ENVSEAL_KEYSTORE"}, Usage: "`FILE` of the embedded keystore"},
		&cli.StringFlag{Name: "passphrase-file", Category: CatStore, EnvVars: []string{"ENVSEAL_PASSPHRASE_FILE"}, Usage: "read the keystore's passphrase from the first line of `FILE`"},
		&cli.StringFlag{Name: "identity-file", Category: CatStore, EnvVars: []string{"ENVSEAL_IDENTITY_FILE"}, Usage: "age identity `FILE` that opens the keystore (default: KEYSTORE.identity)"},
	}
}

// Store say where the embedded keystore is, and what opens it.
type Store struct {
	// Keystore is its file; "" stands for the default.
	Keystore string
	// PassphraseFile has the passphrase in its first line; without, it is asked for.
	PassphraseFile string
	// IdentityFile is an age identity; "" stands for the one beside the keystore.
	IdentityFile string
}

// ReadStore reads storeFlags.
func ReadStore(c *cli.Context) Store {
	return Store{
		Keystore:       c.String("keystore"),
		PassphraseFile: c.String("passphrase-file"),
		IdentityFile:   c.String("identity-file"),
	}
}

// Path is that of the keystore.
func (o Store) Path() (string, error) {
	if o.Keystore != "" {
		return filepath.Clean(o.Keystore), nil
	}
	return keystore.DefaultPath()
}

// IdentityPath is that of the identity file of the keystore at path.
func (o Store) IdentityPath(path string) string {
	if o.IdentityFile != "" {
		return filepath.Clean(o.IdentityFile)
	}
	return path + ".identity"
}

// Files are those that no output may replace.
func (o Store) Files() []file.Needed {
	all := file.NamedBy("passphrase-file", o.PassphraseFile)
	if path, err := o.Path(); err == nil {
		all = append(all, file.Needed{Name: path, Role: "the keystore"},
			file.Needed{Name: o.IdentityPath(path), Role: "the identity file of the keystore"})
	}
	return all
}

// MessageFlags say what the user is told.
func MessageFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: CatOutput, Usage: "errors only"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Category: CatOutput, Usage: "say what is done"},
		OneOf(&cli.StringFlag{Name: "progress", Category: CatOutput, Value: "auto", Usage: "auto, always, never or json"},
			string(ui.Auto), string(ui.Always), string(ui.Never), string(ui.Lines)),
		&cli.BoolFlag{Name: "allow-core-dumps", Category: CatOutput, Usage: "for debugging: let the system write memory, keys included, to a core file"},
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

// FileFlags are those of commands that write a file for each input.
func FileFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Category: CatFiles, Usage: "write to `FILE`; - is stdout"},
		&cli.StringFlag{Name: "output-dir", Aliases: []string{"O"}, Category: CatFiles, Usage: "write into `DIR`, which is made if only the last part of its path is missing"},
		&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Category: CatFiles, Usage: "replace an existing output"},
		&cli.BoolFlag{Name: "rm", Category: CatFiles, Usage: "remove each input once its output is safely on the disk; those that --update leaves out stay, and a symbolic link or one of several hard links is refused unless -f is given"},
		SuffixFlag(),
		&cli.BoolFlag{Name: "no-sync", Category: CatFiles, Usage: "do not wait for the disk: for scratch data, which a power cut may lose"},
		&cli.BoolFlag{Name: "dry-run", Category: CatFiles, Usage: "say what would be done, check what can be checked, do nothing"},
		FailFastFlag(),
		JobsFlag(),
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

// KeyIDFlag is -k of commands that make keys; see keyRefs for its default.
func KeyIDFlag(usage string) cli.Flag {
	return &cli.StringSliceFlag{Name: "key-id", Aliases: []string{"k"}, Category: CatKeys, Usage: usage + ": key id, key ARN, alias/NAME, alias ARN, local:NAME [$ENVSEAL_KEY_ID]"}
}

// ReadNamedKeys are all keys that the command line or the environment names, for advice.
func ReadNamedKeys(c *cli.Context) (refs []string) {
	for _, flag := range []string{"key-id", "to", "add", "drop"} {
		if refs = append(refs, c.StringSlice(flag)...); c.String(flag) != "" {
			refs = append(refs, c.String(flag))
		}
	}
	return append(refs, os.Getenv("ENVSEAL_KEY_ID"))
}

// ContextFlag is -c, the encryption context.
func ContextFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "encryption-context", Aliases: []string{"c"}, Category: CatKeys, Usage: "k=v,k2=v2, a JSON object, or file://PATH (repeatable); authenticated, not secret [$ENVSEAL_ENCRYPTION_CONTEXT]"}
}

// SuffixFlag is --suffix.
func SuffixFlag() cli.Flag {
	return &cli.StringFlag{Name: "suffix", Category: CatFiles, Value: ".sealed", Usage: "ending of sealed files"}
}

// JobsFlag is -j.
func JobsFlag() cli.Flag {
	return &cli.IntFlag{Name: "jobs", Aliases: []string{"j"}, Category: CatFiles, Usage: "how many `WORKERS` (default: one per core)"}
}

// GrantTokensFlag is --grant-tokens.
func GrantTokensFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "grant-tokens", Category: CatKeys, Usage: "grant `TOKEN` for new grants (repeatable)"}
}

// PolicyFlags are those of commands that open files.
func PolicyFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "key-id", Aliases: []string{"k"}, Category: CatPolicy, Usage: "open with this `KEY` only (repeatable); default: the keys named in the file"},
		&cli.StringSliceFlag{Name: "account", Category: CatPolicy, Usage: "open with keys of this AWS account `ID` only (repeatable)"},
		&cli.StringSliceFlag{Name: "require-context", Category: CatPolicy, Usage: "refuse a file whose encryption context lacks `KEY[=VALUE]` (repeatable); checked before any KMS call"},
		GrantTokensFlag(),
		&cli.IntFlag{Name: "max-slots", Category: CatPolicy, Usage: "refuse a file with more than `N` key slots (default 64)"},
	}
}

// CheckArgs refuses a command line that has not from least to most arguments.
func CheckArgs(c *cli.Context, least, most int) error {
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
	return exit.Errorf(exit.Usage, "try `"+HelpFor(c)+"`", "%s takes %s, %d given", c.Command.FullName(), takes, n)
}

// Join joins groups of flags.
func Join(groups ...[]cli.Flag) []cli.Flag { return slices.Concat(groups...) }

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// ContextFiles are the files that the values of -c name.
func ContextFiles(values []string) (all []file.Needed) {
	for _, value := range values {
		if name, ok := strings.CutPrefix(value, "file://"); ok {
			all = append(all, file.NamedBy("encryption-context", name)...)
		}
	}
	return all
}
