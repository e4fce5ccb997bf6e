package cmd

import (
	"slices"
	"time"

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

func storeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "keystore", Category: catStore, EnvVars: []string{"ENVSEAL_KEYSTORE"}, Usage: "`FILE` of the embedded keystore"},
		&cli.StringFlag{Name: "passphrase-file", Category: catStore, EnvVars: []string{"ENVSEAL_PASSPHRASE_FILE"}, Usage: "read the keystore's passphrase from the first line of `FILE`"},
		&cli.StringFlag{Name: "identity-file", Category: catStore, EnvVars: []string{"ENVSEAL_IDENTITY_FILE"}, Usage: "age identity `FILE` that opens the keystore (default: KEYSTORE.identity)"},
	}
}

func messageFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: catOutput, Usage: "errors only"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Category: catOutput, Usage: "say what is done"},
		oneOf(&cli.StringFlag{Name: "progress", Category: catOutput, Value: "auto", Usage: "auto, always, never or json"},
			string(progressAuto), string(progressAlways), string(progressNever), string(progressJSON)),
		&cli.BoolFlag{Name: "allow-core-dumps", Category: catOutput, Usage: "for debugging: let the system write memory, keys included, to a core file"},
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

func flags(groups ...[]cli.Flag) []cli.Flag { return slices.Concat(groups...) }

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
