package manual

import (
	"maps"
	"slices"
	"strings"
)

// Topic is a text on what several commands have in common.
type Topic struct {
	Name    string // behind `envseal help`
	Usage   string
	Section string // of the manual page
	Text    string // see blocks
}

// Topics are those of `envseal help`, of the manual page, and of completion behind help. root is
// the program with all commands.
func Topics(root *Entry) []Topic {
	return []Topic{
		{"keys", "how keys are named, and files that stand for keys", "KEYS", keysText},
		{"formats", "the files that envseal writes, and how to tell them", "FILES", formatsText},
		{"exit-codes", "what the exit codes say", "EXIT STATUS", exitCodesText},
		{"environment", "the variables that envseal reads", "ENVIRONMENT", environmentText(root)},
	}
}

// exitCodesText documents the exit codes. They are stable: scripts may rely on them.
const exitCodesText = `Exit codes of envseal. They are stable; treat an unknown one as a failure.

    0  done
    1  other failure: an input that cannot be read, that changed while it was read, or that is empty with --fail-on-empty
    2  usage: unknown flag, missing key, a directory where a file is needed
    3  some of several files failed; the messages say which and why
    4  damaged: tampered with, truncated, or data behind the end
    5  the key service refused: access denied; wrong, disabled, deleted or unknown key; no valid credentials
    6  the key service cannot be reached, limits its requests, does not answer, or has a quota that is used up: try again
    7  not an envseal file, or one of a newer format
    8  the output exists, is the input, or cannot be written
    9  policy: key, account or encryption context not allowed, or more data than --max-size
   10  the command of --from-command failed, or wrote nothing with --fail-on-empty
   11  the command of --to-command failed, or stopped reading before the end
  129  ended by SIGHUP
  130  ended by SIGINT (Ctrl-C), which ends the script or loop around it as well
  141  ended by SIGPIPE: the reader of the output went away
  143  ended by SIGTERM

Whatever the code, an output file is either whole or not there, and an existing one is untouched unless the code is 0.
What a failed decrypt wrote to a pipe must be discarded.
`

const keysText = `A key on the command line, as for -k, is one of:

    KEY-ID      a key of AWS KMS, such as 1234abcd-12ab-34cd-56ef-1234567890ab, in the Region of --region, AWS_REGION or the profile
    KEY-ARN     arn:aws:kms:REGION:ACCOUNT:key/KEY-ID, which brings its own Region; a multi-Region key (mrk-) is asked for its replica in --region
    alias/NAME  an alias in the Region
    ALIAS-ARN   arn:aws:kms:REGION:ACCOUNT:alias/NAME
    local:NAME  a key of the embedded keystore (envseal help keystore); its id may stand for its name

With several keys, any one of them opens the file.
ENVSEAL_KEY_ID is the key where none is named.
decrypt and verify need none: a sealed file says which keys open it, and with -k they use no others.

Two kinds of files stand for a key. They hold nothing secret.

    pair file      envseal key-pair makes it, and encrypt -r seals to it without KMS, credentials or network; to open takes kms:Decrypt
    data key file  envseal data-key makes it, and encrypt --data-key seals with it; KMS unwraps it once for any number of files
`

const formatsText = `envseal inspect tells most of these files from each other, and shows what is in them without a key and without a network.

    sealed file      begins with the word envseal and a byte 1, the version of the format; then come a header, which anybody can read, and the encrypted data. Its name does not matter
    armored file     a sealed file as text (--armor), which begins with -----BEGIN ENVSEAL FILE-----; decrypt, verify and inspect know it by themselves
    detached header  the header in a file of its own (--header), which begins as a sealed file does; nothing marks the encrypted data, and nothing opens it without the header
    data key file    JSON with "Format": "envseal data key"
    pair file        JSON with "Format": "envseal key pair", or with --format pem a text that begins with -----BEGIN PUBLIC KEY-----
    keystore         a file of age, unless it was made with --plaintext-insecure

The source of envseal has the specification, format/README.md, which is enough to write a reader, and test vectors for it in testdata/vectors.
`

// environmentText lists the variables of the flags, and those that are read without one.
func environmentText(root *Entry) string {
	own := map[string]string{}
	root.Walk(func(d *Entry) {
		for _, f := range d.Flags {
			for _, v := range f.Variables {
				own[v] = "default of " + f.Names[0]
			}
		}
	})
	var b strings.Builder
	b.WriteString("Variables of envseal. A flag on the command line comes first.\n\n")
	for _, v := range slices.Sorted(maps.Keys(own)) {
		b.WriteString("    " + v + "  " + own[v] + "\n")
	}
	b.WriteString(environmentOfOthers)
	return b.String()
}

const environmentOfOthers = `    XDG_DATA_HOME  has the keystore, envseal/keystore, where none is named; without it ~/.local/share has it
    COLUMNS  width of the help
    GODEBUG  fips140=on takes all cryptography from Go's FIPS 140-3 module

Those of the AWS SDK mean what they mean to the aws command. Among them are:

    AWS_PROFILE  default of --profile; AWS_DEFAULT_PROFILE comes next
    AWS_REGION  default of --region; AWS_DEFAULT_REGION comes next
    AWS_ACCESS_KEY_ID  credentials, with AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN
    AWS_WEB_IDENTITY_TOKEN_FILE  credentials of a web identity, with AWS_ROLE_ARN
    AWS_CONTAINER_CREDENTIALS_FULL_URI  credentials of a container, or AWS_CONTAINER_CREDENTIALS_RELATIVE_URI
    AWS_EC2_METADATA_DISABLED  true asks no instance for credentials
    AWS_CONFIG_FILE  instead of ~/.aws/config
    AWS_SHARED_CREDENTIALS_FILE  instead of ~/.aws/credentials
    AWS_ENDPOINT_URL_KMS  default of --endpoint-url; AWS_ENDPOINT_URL comes next
    AWS_CA_BUNDLE  default of --ca-bundle
    AWS_MAX_ATTEMPTS  default of --max-attempts
    AWS_USE_FIPS_ENDPOINT  true for --use-fips-endpoint
    AWS_DEFAULT_OUTPUT  default of --output of envseal kms
    HTTPS_PROXY  the proxy to go through; NO_PROXY names hosts that need none
`
