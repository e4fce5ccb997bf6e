package cmd

import (
	"encoding/hex"
	"strings"
	"time"

	"github.com/envseal/envseal/envelope/keyring"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/urfave/cli/v2"
)

const defaultPairSpec = "ECC_NIST_P384"

func keyPairCommand() *cli.Command {
	return &cli.Command{
		Name:      "key-pair",
		Usage:     "make a key pair, for `encrypt -r` without a network",
		UsageText: "envseal key-pair -k KEY [--key-pair-spec " + defaultPairSpec + "] [-c CONTEXT] [--format json|pem] -o FILE",
		Description: "Calls GenerateDataKeyPairWithoutPlaintext and writes a pair file: the public key, and the private key as KMS encrypted it. Whoever has the file can seal\n" +
			"with `encrypt -r FILE`, without credentials and without a network, and opens nothing: that takes kms:Decrypt on KEY. The file holds nothing secret.\n" +
			"With ML_KEM_768 or ML_KEM_1024, what is sealed to the pair withstands quantum computers. The context binds the private key; that of the files is another.\n" +
			"Exit codes: `envseal help exit-codes`.",
		Flags: flags([]cli.Flag{
			keyIDFlag("the `KEY` that encrypts the private key"),
			oneOf(&cli.StringFlag{Name: "key-pair-spec", Category: catKeys, Value: defaultPairSpec, Usage: strings.Join(pairSpecs(), ", ")}, pairSpecs()...),
			contextFlag(), grantTokensFlag(),
			oneOf(&cli.StringFlag{Name: "format", Category: catFiles, Value: "json", Usage: "json or pem"}, "json", "pem"),
		}, keyFileFlags(), awsFlags(), storeFlags()),
		Action: runKeyPair,
	}
}

// pairSpecs are the key pair specs that can be sealed to.
func pairSpecs() []string {
	var all []string
	for _, spec := range kmsclient.KeyPairSpecs {
		if _, ok := format.PairSchemeOf(spec); ok {
			all = append(all, spec)
		}
	}
	return all
}

func runKeyPair(c *cli.Context) error {
	refs := keyRefs(c)
	spec, as := c.String("key-pair-spec"), c.String("format")
	switch _, ok := format.PairSchemeOf(spec); {
	case c.NArg() > 0:
		return fail(exitUsage, "try `"+helpFor(c)+"`", "key-pair takes no arguments, %d given", c.NArg())
	case len(refs) == 0:
		return fail(exitUsage, "name one with -k alias/NAME, -k local:NAME or ENVSEAL_KEY_ID", "no key to encrypt the private key")
	case len(refs) > 1:
		return fail(exitUsage, "make a pair for each key, and seal for all of them: encrypt -r PAIR1 -r PAIR2", "a pair has one private key under one KMS key, %d keys are given", len(refs))
	case !ok:
		return fail(exitUsage, "take one of "+strings.Join(pairSpecs(), ", "), "key pair spec %q cannot be sealed to", spec)
	case as != "json" && as != "pem":
		return fail(exitUsage, "", "--format %q is neither json nor pem", as)
	}
	svc := newServices(c)
	defer svc.close()
	harden(c)
	var f *format.PairFile
	err := writeKeyFile(c, func() (_ []byte, err error) {
		if f, err = newPairFile(c, svc, refs[0]); err != nil {
			return nil, err
		}
		if as == "pem" {
			return f.EncodePEM()
		}
		return f.EncodeJSON()
	})
	if err != nil || c.Bool("quiet") {
		return err
	}
	id := f.PublicKeyID()
	note("key pair %s, public key %s", f.KeyPairSpec, hex.EncodeToString(id[:]))
	note("private key encrypted under %s", f.KeyID)
	return nil
}

// newPairFile has the pair made, and tries whether it can be sealed to before anybody is given it.
func newPairFile(c *cli.Context, svc *services, ref string) (*format.PairFile, error) {
	ec, err := contextOf(c)
	if err != nil {
		return nil, err
	}
	client, id, err := svc.client(ref)
	if err != nil {
		return nil, err
	}
	made, err := client.GenerateDataKeyPairWithoutPlaintext(c.Context, kmsclient.GenerateDataKeyPairInput{
		KeyID: id, KeyPairSpec: c.String("key-pair-spec"), EncryptionContext: ec,
		Options: kmsclient.Options{GrantTokens: c.StringSlice("grant-tokens")},
	})
	if err != nil {
		return nil, err
	}
	f := &format.PairFile{
		KeyID: made.KeyID, KeyPairSpec: made.KeyPairSpec, PublicKey: made.PublicKey, PrivateKeyCiphertextBlob: made.PrivateKeyCiphertextBlob,
		Context: ec, Created: time.Now(),
	}
	if _, err := keyring.NewPairRecipient(f); err != nil {
		return nil, fail(exitRefused, "whatever answers at this endpoint is not a sound KMS; nothing was written", "%s: %w", made.KeyID, err)
	}
	return f, nil
}
