package kms

import (
	"strings"
	"unicode"

	"github.com/envseal/envseal/cmd/internal/awscli"
	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/kmsclient"
	"github.com/urfave/cli/v2"
)

// memberKind is the type of a member of a request.
type memberKind int

const (
	textMember memberKind = iota
	numberMember
	flagMember
	listMember    // of texts
	pairsMember   // an encryption context
	blobMember    // bytes
	refusedMember // KMS has it and envseal does not
)

// kinds say of each kind of member how a value is read, and how a skeleton shows it.
var kinds = [...]struct {
	fromFlag     reader // of what member.given finds
	fromDocument reader // of what inputDocument gives
	sample       any    // in JSON; a text has its own
	yaml         string // the same in YAML
}{
	textMember:   {fromFlag: textFromFlag, fromDocument: typedAs[string]("a string")},
	numberMember: {asGiven, wholeNumber, 0, "0"},
	flagMember:   {asGiven, typedAs[bool]("a boolean"), true, "true"},
	listMember:   {listValue, textList, []string{""}, "['']"},
	pairsMember: {
		pairsValue, textPairs, awscli.Document{}.Add("KeyName", ""), "{KeyName: ''}",
	},
	blobMember:    {blobFromFlag, documentBlob, nil, "!!binary ''"},
	refusedMember: {fromFlag: notSupported, fromDocument: notSupported},
}

// reader makes the value of a member, as request.values has it, of what a flag or a document says.
// raw is for bytes: they are themselves, and not base64.
type reader func(m member, v any, raw bool) (any, error)

func asGiven(_ member, v any, _ bool) (any, error) { return v, nil }

func textFromFlag(m member, v any, _ bool) (any, error) { return textValue(m.flag(), v.(string)) }

func blobFromFlag(m member, v any, raw bool) (any, error) { return blobValue(m, v.(string), raw) }

func notSupported(m member, _ any, _ bool) (any, error) {
	return nil, exit.Errorf(exit.Usage, "use `aws kms` for it",
		"%s (%s) is not supported", m.name, m.usage)
}

// member is a member of a request: a flag, and a name in --cli-input-json.
type member struct {
	name     string // as KMS spells it
	kind     memberKind
	required bool
	most     int      // bytes that a blob may have
	sample   string   // what a skeleton shows for a text
	words    []string // the texts that it may be, if they are few
	usage    string
}

// flag is the name on the command line: KeyId is --key-id.
func (m member) flag() string { return dashed(m.name) }

// dashed turns GenerateDataKey into generate-data-key.
func dashed(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// flags are what stands for the member on the command line. None has a value that the flag package
// would have to understand but for numbers: whether it was given at all is what counts.
func (m member) flags() []cli.Flag {
	switch m.kind {
	case numberMember:
		return []cli.Flag{&cli.IntFlag{Name: m.flag(), Category: catRequest, Usage: m.usage}}
	case flagMember:
		return []cli.Flag{
			&cli.BoolFlag{Name: m.flag(), Category: catRequest, Usage: m.usage},
			&cli.BoolFlag{Name: "no-" + m.flag(), Category: catRequest,
				Usage: "the contrary, against --cli-input-json"},
		}
	case listMember:
		return []cli.Flag{&cli.StringSliceFlag{Name: m.flag(), Category: catRequest, Usage: m.usage}}
	}
	f := &cli.StringFlag{Name: m.flag(), Category: catRequest, Usage: m.usage,
		Hidden: m.kind == refusedMember}
	return []cli.Flag{flags.OneOf(f, m.words...)}
}

// given is what the flags of the member say: a string, int, bool or []string. ok is false where
// there is none of them.
func (m member) given(c *cli.Context) (v any, ok bool, err error) {
	name := m.flag()
	switch m.kind {
	case flagMember:
		yes, no := c.Bool(name), c.Bool("no-"+name)
		if yes && no { // of both, `aws` takes the last; which that was is not known here
			err = exit.Errorf(exit.Usage, "", "--%s and --no-%[1]s exclude each other", name)
		}
		return yes, yes || no, err
	case numberMember:
		v = c.Int(name)
	case listMember:
		v = c.StringSlice(name)
	default:
		v = c.String(name)
	}
	return v, c.IsSet(name), nil
}

const keyForms = "key id, key ARN, alias/NAME, alias ARN or local:NAME"

func keyMember(name, usage string) member {
	return member{name: name, usage: usage + ": " + keyForms}
}

func contextMember(name string) member {
	return member{name: name, kind: pairsMember, usage: "k=v,k2=v2, or a JSON object"}
}

func algorithmMember(name string) member {
	return member{name: name, sample: "SYMMETRIC_DEFAULT",
		usage: "SYMMETRIC_DEFAULT (the default), or that of an asymmetric key"}
}

func (m member) must() member {
	m.required = true
	return m
}

// Members that several operations have.
var (
	grantTokensMember = member{name: "GrantTokens", kind: listMember,
		usage: "grant `TOKENS` for new grants, several behind one flag or one each"}
	dryRunMember = member{name: "DryRun", kind: flagMember,
		usage: "only ask whether the call is allowed"}
	recipientMember = member{name: "Recipient", kind: refusedMember,
		usage: "answers for AWS Nitro enclaves"}
	modifiersMember = member{name: "DryRunModifiers", kind: refusedMember,
		usage: "modifiers of a dry run"}
	keySpecMember = member{name: "KeySpec", sample: "AES_256", words: []string{"AES_256", "AES_128"},
		usage: "AES_256 or AES_128; this or --number-of-bytes"}
	numberOfBytesMember = member{name: "NumberOfBytes", kind: numberMember,
		usage: "length of the data key in `BYTES`, 1 to 1024"}
	keyPairSpecMember = member{name: "KeyPairSpec", required: true,
		sample: "ECC_NIST_P384", words: kmsclient.KeyPairSpecs,
		usage: "RSA_2048, RSA_3072, RSA_4096, ECC_NIST_P256, ECC_NIST_P384, ECC_NIST_P521, " +
			"ECC_SECG_P256K1, ECC_NIST_EDWARDS25519, SM2 (China Regions), ML_KEM_768 or ML_KEM_1024 (where the key service has them)"}
)
