package kms

import (
	"strings"
	"unicode"

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

// kmsMember is a member of a request: a flag, and a name in --cli-input-json.
type kmsMember struct {
	name     string // as KMS spells it
	kind     memberKind
	required bool
	most     int      // bytes that a blob may have
	sample   string   // what a skeleton shows for a text
	words    []string // the texts that it may be, if they are few
	usage    string
}

// flag is the name on the command line: KeyId is --key-id.
func (m kmsMember) flag() string { return dashed(m.name) }

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
func (m kmsMember) flags() []cli.Flag {
	switch m.kind {
	case numberMember:
		return []cli.Flag{&cli.IntFlag{Name: m.flag(), Category: catRequest, Usage: m.usage}}
	case flagMember:
		return []cli.Flag{
			&cli.BoolFlag{Name: m.flag(), Category: catRequest, Usage: m.usage},
			&cli.BoolFlag{Name: "no-" + m.flag(), Category: catRequest, Usage: "the contrary, against --cli-input-json"},
		}
	case listMember:
		return []cli.Flag{&cli.StringSliceFlag{Name: m.flag(), Category: catRequest, Usage: m.usage}}
	}
	f := &cli.StringFlag{Name: m.flag(), Category: catRequest, Usage: m.usage, Hidden: m.kind == refusedMember}
	return []cli.Flag{flags.OneOf(f, m.words...)}
}

// givenMember is what the command line says of a member.
type givenMember struct {
	text    string // as typed; for blobs and contexts too
	number  int
	list    []string
	yes, no bool // --X and --no-X
}

// given reads the flags of the member. It is false where there is none of them.
func (m kmsMember) given(c *cli.Context) (g givenMember, ok bool) {
	name := m.flag()
	switch m.kind {
	case flagMember:
		g.yes, g.no = c.Bool(name), c.Bool("no-"+name)
		return g, g.yes || g.no
	case numberMember:
		g.number = c.Int(name)
	case listMember:
		g.list = c.StringSlice(name)
	default:
		g.text = c.String(name)
	}
	return g, c.IsSet(name)
}

const keyForms = "key id, key ARN, alias/NAME, alias ARN or local:NAME"

func keyMember(name, usage string) kmsMember {
	return kmsMember{name: name, usage: usage + ": " + keyForms}
}

func contextMember(name string) kmsMember {
	return kmsMember{name: name, kind: pairsMember, usage: "k=v,k2=v2, or a JSON object"}
}

func algorithmMember(name string) kmsMember {
	return kmsMember{name: name, sample: "SYMMETRIC_DEFAULT", usage: "SYMMETRIC_DEFAULT (the default), or that of an asymmetric key"}
}

func (m kmsMember) must() kmsMember {
	m.required = true
	return m
}

// Members that several operations have.
var (
	grantTokensMember   = kmsMember{name: "GrantTokens", kind: listMember, usage: "grant `TOKENS` for new grants, several behind one flag or one each"}
	dryRunMember        = kmsMember{name: "DryRun", kind: flagMember, usage: "only ask whether the call is allowed"}
	recipientMember     = kmsMember{name: "Recipient", kind: refusedMember, usage: "answers for AWS Nitro enclaves"}
	modifiersMember     = kmsMember{name: "DryRunModifiers", kind: refusedMember, usage: "modifiers of a dry run"}
	keySpecMember       = kmsMember{name: "KeySpec", sample: "AES_256", words: []string{"AES_256", "AES_128"}, usage: "AES_256 or AES_128; this or --number-of-bytes"}
	numberOfBytesMember = kmsMember{name: "NumberOfBytes", kind: numberMember, usage: "length of the data key in `BYTES`, 1 to 1024"}
	keyPairSpecMember   = kmsMember{name: "KeyPairSpec", required: true, sample: "ECC_NIST_P384", words: kmsclient.KeyPairSpecs, usage: "RSA_2048, RSA_3072, RSA_4096, ECC_NIST_P256, ECC_NIST_P384, ECC_NIST_P521, " +
		"ECC_SECG_P256K1, ECC_NIST_EDWARDS25519, SM2 (China Regions), ML_KEM_768 or ML_KEM_1024 (where the key service has them)"}
)
