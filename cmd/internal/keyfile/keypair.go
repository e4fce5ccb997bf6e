package keyfile

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// defaultPairSpec withstands quantum computers: what is sealed to a pair may be kept for decades.
// olderPairSpec is for key services that do not make such pairs.
const (
	defaultPairSpec = "ML_KEM_768"
	olderPairSpec   = "ECC_NIST_P384"
)

func keyPairCommand() (*cli.Command, readFunc) {
	specs := pairSpecs()
	return &cli.Command{
		Name:  "key-pair",
		Usage: "make a key pair, for `encrypt -r` without a network",
		UsageText: "envseal key-pair -k KEY [--key-pair-spec " + defaultPairSpec +
			"] [-c CONTEXT] [--format json|pem] -o FILE",
		Description: "Calls GenerateDataKeyPairWithoutPlaintext and writes a pair file: the public key, and the private key as KMS encrypted it. Whoever has the file can seal\n" +
			"with `encrypt -r FILE`, without credentials and without a network, and opens nothing: that takes kms:Decrypt on KEY. The file holds nothing secret.\n" +
			"With ML_KEM_768 or ML_KEM_1024, what is sealed to the pair withstands quantum computers; where KMS makes no such pairs, take " + olderPairSpec + ".\n" +
			"The context binds the private key; that of the files is another.\n" +
			"Exit codes: `envseal help exit-codes`.",
		Flags: []cli.Flag{
			flags.KeyIDFlag("the `KEY` that encrypts the private key"),
			flags.OneOf(&cli.StringFlag{Name: "key-pair-spec", Category: flags.CatKeys,
				Value: defaultPairSpec, Usage: strings.Join(specs, ", ")}, specs...),
			flags.OneOf(&cli.StringFlag{Name: "format", Category: flags.CatFiles, Value: "json",
				Usage: "json or pem"}, "json", "pem"),
		},
	}, newPairMaker
}

// newPairMaker refuses what no pair can be made of.
func newPairMaker(c *cli.Context, o *options) (maker, error) {
	p := keyPair{o, c.String("key-pair-spec"), c.String("format")}
	switch specs := pairSpecs(); {
	case len(o.KeyIDs) == 0:
		return nil, noKeyError("to encrypt the private key")
	case len(o.KeyIDs) > 1:
		return nil, exit.Errorf(exit.Usage,
			"make a pair for each key, and seal for all of them: encrypt -r PAIR1 -r PAIR2",
			"a pair has one private key under one KMS key, %d keys are given", len(o.KeyIDs))
	case !slices.Contains(specs, p.spec):
		return nil, exit.Errorf(exit.Usage, "take one of "+strings.Join(specs, ", "),
			"key pair spec %q cannot be sealed to", p.spec)
	case p.format != "json" && p.format != "pem":
		return nil, exit.Errorf(exit.Usage, "", "--format %q is neither json nor pem", p.format)
	}
	return p.make, nil
}

// keyPair makes pair files.
type keyPair struct {
	*options
	spec   string // as KMS calls it
	format string // json or pem
}

// pairSpecs are the key pair specs that can be sealed to.
func pairSpecs() []string {
	return slices.DeleteFunc(slices.Clone(kmsclient.KeyPairSpecs), func(spec string) bool {
		_, ok := format.PairSchemeOf(spec)
		return !ok
	})
}

func (p keyPair) make(
	ctx context.Context, svc *keys.Services, ec format.Context,
) (text []byte, notes []string, err error) {
	f, err := p.newPairFile(ctx, svc, ec)
	if err != nil {
		return nil, nil, err
	}
	notes = []string{
		fmt.Sprintf("key pair %s, public key %x", f.KeyPairSpec, f.PublicKeyID()),
		"private key encrypted under " + f.KeyID,
	}
	encode := f.EncodeJSON
	if p.format == "pem" {
		encode = f.EncodePEM
	}
	text, err = encode()
	return text, notes, err
}

// newPairFile has the pair made, and tries whether it can be sealed to before anybody is given it.
func (p keyPair) newPairFile(
	ctx context.Context, svc *keys.Services, ec format.Context,
) (*format.PairFile, error) {
	key, err := svc.ResolveKnown(ctx, p.KeyIDs[0])
	if err != nil {
		return nil, err
	}
	pair, err := key.Client.GenerateDataKeyPairWithoutPlaintext(ctx,
		kmsclient.GenerateDataKeyPairInput{
			KeyID: key.ID, KeyPairSpec: p.spec, EncryptionContext: ec,
			Options: kmsclient.Options{GrantTokens: p.GrantTokens},
		})
	if err != nil {
		return nil, p.refused(err)
	}
	f := &format.PairFile{
		KeyID: pair.KeyID, KeyPairSpec: pair.KeyPairSpec, PublicKey: pair.PublicKey,
		PrivateKeyCiphertextBlob: pair.PrivateKeyCiphertextBlob, Context: ec, Created: time.Now(),
	}
	if _, err := keyring.NewPairRecipient(f); err != nil {
		return nil, exit.Errorf(exit.Refused,
			"whatever answers at this endpoint is not a sound KMS; nothing was written",
			"%s: %w", pair.KeyID, err)
	}
	return f, nil
}

// refused says what to type where the key service answers that it makes no pairs of ML-KEM.
func (p keyPair) refused(err error) error {
	var answer *kmsclient.Error
	if !strings.HasPrefix(p.spec, "ML_KEM") || !errors.Is(err, kmsclient.ErrInvalidRequest) ||
		!errors.As(err, &answer) || answer.Code == "" {
		return err
	}
	return exit.Errorf(exit.Usage, "if this key service makes no "+p.spec+
		" pairs: --key-pair-spec "+olderPairSpec, "%w", err)
}
