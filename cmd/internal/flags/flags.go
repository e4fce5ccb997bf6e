// Package flags is how a command line is read, and the flags that commands share. Each group of
// them is three names: the flags (AWSFlags), what they say as plain Go values (AWS), and what reads
// the one into the other (ReadAWS). A command reads its flags once; nothing below reads one by
// name.
//
// Begin with [Read]. The package runs no command, and opens no file that a flag names.
package flags

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/kmsclient/keystore"
	"github.com/urfave/cli/v2"
)

// The titles under which the help has flags.
const (
	CatKeys   = "keys"
	CatAWS    = "AWS, as for the aws command"
	CatStore  = "embedded keystore"
	CatFiles  = "files"
	CatOutput = "messages"
	CatPolicy = "policy" // what may be opened
)

// AWSFlags say how AWS KMS is reached.
func AWSFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "profile", Category: CatAWS,
			Usage: "profile of the AWS config and credentials files"},
		&cli.StringFlag{Name: "region", Category: CatAWS,
			Usage: "AWS Region; a key ARN brings its own, but a multi-Region key (mrk-) is asked for its replica here"},
		&cli.StringFlag{Name: "endpoint-url", Category: CatAWS,
			Usage: "ask this KMS endpoint instead of AWS's `URL`"},
		&cli.StringFlag{Name: "ca-bundle", Category: CatAWS,
			Usage: "PEM `FILE` of certificate authorities to trust"},
		&cli.BoolFlag{Name: "no-verify-ssl", Category: CatAWS,
			Usage: "do not verify certificates (dangerous)"},
		&cli.BoolFlag{Name: "no-sign-request", Category: CatAWS, Usage: "do not sign requests"},
		&cli.IntFlag{Name: "cli-connect-timeout", Category: CatAWS,
			Usage: "`SECONDS` to connect (default 3)"},
		&cli.IntFlag{Name: "cli-read-timeout", Category: CatAWS,
			Usage: "`SECONDS` to wait for an answer (default 12)"},
		&cli.BoolFlag{Name: "use-fips-endpoint", Category: CatAWS, Usage: "use the FIPS endpoint of KMS"},
		&cli.IntFlag{Name: "max-attempts", Category: CatAWS, Usage: "tries for one KMS call (default 5)"},
		&cli.StringFlag{Name: "role-arn", Category: CatAWS, Usage: "assume this IAM role first"},
		&cli.BoolFlag{Name: "debug", Category: CatAWS,
			Usage: "log requests to stderr, never their secrets"},
	}
}

// AWS say how AWS KMS is reached. Empty ones are as the aws command has them.
type AWS struct {
	Profile        string        // of the AWS config and credentials files
	Region         string        // for keys that no ARN names, and for replicas of multi-Region keys
	EndpointURL    string        // instead of AWS's own
	CABundle       string        // a PEM file of certificate authorities
	NoVerifySSL    bool          // certificates are not checked
	NoSignRequest  bool          // requests are not signed
	ConnectTimeout time.Duration // 0 stands for the default
	ReadTimeout    time.Duration // 0 stands for the default
	UseFIPS        bool          // the FIPS endpoint is asked
	MaxAttempts    int           // for one call; 0 stands for the default
	RoleARN        string        // of the IAM role to assume first
	Debug          bool          // requests are logged to stderr
}

// ReadAWS reads [AWSFlags].
func ReadAWS(c *cli.Context) AWS {
	return AWS{
		Profile:        c.String("profile"),
		Region:         c.String("region"),
		EndpointURL:    c.String("endpoint-url"),
		CABundle:       c.String("ca-bundle"),
		NoVerifySSL:    c.Bool("no-verify-ssl"),
		NoSignRequest:  c.Bool("no-sign-request"),
		ConnectTimeout: time.Duration(c.Int("cli-connect-timeout")) * time.Second,
		ReadTimeout:    time.Duration(c.Int("cli-read-timeout")) * time.Second,
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
		&cli.StringFlag{Name: "keystore", Category: CatStore, EnvVars: []string{"ENVSEAL_KEYSTORE"},
			Usage: "`FILE` of the embedded keystore"},
		&cli.StringFlag{Name: "passphrase-file", Category: CatStore,
			EnvVars: []string{"ENVSEAL_PASSPHRASE_FILE"},
			Usage:   "read the keystore's passphrase from the first line of `FILE`"},
		&cli.StringFlag{Name: "identity-file", Category: CatStore,
			EnvVars: []string{"ENVSEAL_IDENTITY_FILE"},
			Usage:   "age identity `FILE` that opens the keystore (default: KEYSTORE.identity)"},
	}
}

// Store say where the embedded keystore is, and what opens it.
type Store struct {
	Keystore       string // its file; "" stands for the default
	PassphraseFile string // has the passphrase in its first line; "" has it asked for
	IdentityFile   string // of age; "" stands for the one beside the keystore
}

// ReadStore reads [StoreFlags].
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

// KeyIDFlag is -k of commands that seal, or make keys. Package keys has its default.
func KeyIDFlag(usage string) cli.Flag {
	return &cli.StringSliceFlag{Name: "key-id", Aliases: []string{"k"}, Category: CatKeys,
		Usage: usage + ": key id, key ARN, alias/NAME, alias ARN, local:NAME [$ENVSEAL_KEY_ID]"}
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
	return &cli.StringSliceFlag{Name: "encryption-context", Aliases: []string{"c"}, Category: CatKeys,
		Usage: "k=v,k2=v2, a JSON object, or file://PATH (repeatable); authenticated, not secret [$ENVSEAL_ENCRYPTION_CONTEXT]"}
}

// GrantTokensFlag is --grant-tokens.
func GrantTokensFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "grant-tokens", Category: CatKeys,
		Usage: "grant `TOKEN` for new grants (repeatable)"}
}

// PolicyFlags are those of commands that open files.
func PolicyFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "key-id", Aliases: []string{"k"}, Category: CatPolicy,
			Usage: "open with this `KEY` only (repeatable); default: the keys named in the file"},
		&cli.StringSliceFlag{Name: "account", Category: CatPolicy,
			Usage: "open with keys of this AWS account `ID` only (repeatable)"},
		&cli.StringSliceFlag{Name: "require-context", Category: CatPolicy,
			Usage: "refuse a file whose encryption context lacks `KEY[=VALUE]` (repeatable); checked before any KMS call"},
		GrantTokensFlag(),
		&cli.IntFlag{Name: "max-slots", Category: CatPolicy,
			Usage: "refuse a file with more than `N` key slots (default 64)"},
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
	return exit.Errorf(exit.Usage, TryHelp(c.Command), "%s takes %s, %d given",
		c.Command.FullName(), takes, n)
}

// ContextFiles are the files that the values of -c name.
func ContextFiles(values []string) (all []file.Needed) {
	for _, value := range values {
		if name, ok := strings.CutPrefix(value, "file://"); ok {
			all = append(all, file.NamedBy("encryption-context", name)...)
		}
	}
	return all
}
