package keyfile

import (
	"context"
	"encoding/hex"
	"strings"
	"time"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/urfave/cli/v2"
)

const defaultPairSpec = "ECC_NIST_P384"

// KeyPairCommand is envseal key-pair.
func KeyPairCommand() *cli.Command {
	return &cli.Command{
		Name:      "key-pair",
		Usage:     "make a key pair, for `encrypt -r` without a network",
		UsageText: "envseal key-pair -k KEY [--key-pair-spec " + defaultPairSpec + "] [-c CONTEXT] [--format json|pem] -o FILE",
		Description: "Calls GenerateDataKeyPairWithoutPlaintext and writes a pair file: the public key, and the private key as KMS encrypted it. Whoever has the file can seal\n" +
			"with `encrypt -r FILE`, without credentials and without a network, and opens nothing: that takes kms:Decrypt on KEY. The file holds nothing secret.\n" +
			"With ML_KEM_768 or ML_KEM_1024, what is sealed to the pair withstands quantum computers. The context binds the private key; that of the files is another.\n" +
			"Exit codes: `envseal help exit-codes`.",
		Flags: flags.Join([]cli.Flag{
			flags.KeyIDFlag("the `KEY` that encrypts the private key"),
			flags.OneOf(&cli.StringFlag{Name: "key-pair-spec", Category: flags.CatKeys, Value: defaultPairSpec, Usage: strings.Join(pairSpecs(), ", ")}, pairSpecs()...),
			flags.OneOf(&cli.StringFlag{Name: "format", Category: flags.CatFiles, Value: "json", Usage: "json or pem"}, "json", "pem"),
		}, keyFileFlags()),
		Action: func(c *cli.Context) error {
			if err := flags.CheckArgs(c, 0, 0); err != nil {
				return err
			}
			return runKeyPair(c.Context, keyPairOptions{
				keyFileOptions: readKeyFileOptions(c),
				spec:           c.String("key-pair-spec"),
				format:         c.String("format"),
			})
		},
	}
}

type keyPairOptions struct {
	keyFileOptions
	spec   string // as KMS calls it
	format string // json or pem
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

// check refuses what no pair can be made of.
func (o *keyPairOptions) check() error {
	switch _, ok := format.PairSchemeOf(o.spec); {
	case len(o.keyIDs) == 0:
		return exit.Errorf(exit.Usage, "name one with -k alias/NAME, -k local:NAME or ENVSEAL_KEY_ID", "no key to encrypt the private key")
	case len(o.keyIDs) > 1:
		return exit.Errorf(exit.Usage, "make a pair for each key, and seal for all of them: encrypt -r PAIR1 -r PAIR2", "a pair has one private key under one KMS key, %d keys are given", len(o.keyIDs))
	case !ok:
		return exit.Errorf(exit.Usage, "take one of "+strings.Join(pairSpecs(), ", "), "key pair spec %q cannot be sealed to", o.spec)
	case o.format != "json" && o.format != "pem":
		return exit.Errorf(exit.Usage, "", "--format %q is neither json nor pem", o.format)
	}
	return nil
}

func runKeyPair(ctx context.Context, o keyPairOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	svc := keys.NewServices(o.aws, o.store)
	defer svc.Close()
	keys.Harden(false)
	return o.write(func() (text []byte, notes []string, err error) {
		f, err := o.newPairFile(ctx, svc)
		if err != nil {
			return nil, nil, err
		}
		id := f.PublicKeyID()
		notes = []string{
			"key pair " + f.KeyPairSpec + ", public key " + hex.EncodeToString(id[:]),
			"private key encrypted under " + f.KeyID,
		}
		if o.format == "pem" {
			text, err = f.EncodePEM()
		} else {
			text, err = f.EncodeJSON()
		}
		return text, notes, err
	})
}

// newPairFile has the pair made, and tries whether it can be sealed to before anybody is given it.
func (o *keyPairOptions) newPairFile(ctx context.Context, svc *keys.Services) (*format.PairFile, error) {
	ec, err := keys.ContextOf(o.context)
	if err != nil {
		return nil, err
	}
	key, err := svc.ResolveKnown(ctx, o.keyIDs[0])
	if err != nil {
		return nil, err
	}
	pair, err := key.Client.GenerateDataKeyPairWithoutPlaintext(ctx, kmsclient.GenerateDataKeyPairInput{
		KeyID: key.ID, KeyPairSpec: o.spec, EncryptionContext: ec,
		Options: kmsclient.Options{GrantTokens: o.grantTokens},
	})
	if err != nil {
		return nil, err
	}
	f := &format.PairFile{
		KeyID: pair.KeyID, KeyPairSpec: pair.KeyPairSpec, PublicKey: pair.PublicKey,
		PrivateKeyCiphertextBlob: pair.PrivateKeyCiphertextBlob, Context: ec, Created: time.Now(),
	}
	if _, err := keyring.NewPairRecipient(f); err != nil {
		return nil, exit.Errorf(exit.Refused, "whatever answers at this endpoint is not a sound KMS; nothing was written", "%s: %w", pair.KeyID, err)
	}
	return f, nil
}
