package cmd

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/urfave/cli/v2"
)

const makeDataKey = "envseal data-key -k KEY -o FILE"

func dataKeyCommand() *cli.Command {
	return &cli.Command{
		Name:      "data-key",
		Usage:     "make a data key in advance, for `encrypt --data-key`",
		UsageText: "envseal data-key -k KEY [-k KEY]... [-c CONTEXT] -o FILE",
		Description: "Calls GenerateDataKeyWithoutPlaintext and writes a small JSON file. The plaintext key is seen by nobody: whoever makes the file needs no right\n" +
			"to decrypt, and cannot open what is sealed with it. The file holds nothing secret.\n" +
			"With several -k, any one of them opens what is sealed with it; the further ones, of the same Region, are added by ReEncrypt, without a plaintext again.\n" +
			"Exit codes: `envseal help exit-codes`.",
		Flags:  flags([]cli.Flag{keyIDFlag("make it for this `KEY` (repeatable)"), contextFlag(), grantTokensFlag()}, keyFileFlags(), awsFlags(), storeFlags()),
		Action: runDataKey,
	}
}

func runDataKey(c *cli.Context) error {
	if c.NArg() > 0 {
		return fail(exitUsage, "try `"+helpFor(c)+"`", "data-key takes no arguments, %d given", c.NArg())
	}
	svc := newServices(c)
	defer svc.close()
	harden(c)
	ec, err := contextOf(c)
	if err != nil {
		return err
	}
	keys, err := dataKeyDestinations(c, svc)
	if err != nil {
		return err
	}
	var f *format.DataKeyFile
	err = writeKeyFile(c, func() (_ []byte, err error) {
		if f, err = newDataKeyFile(c, keys, ec); err != nil {
			return nil, err
		}
		return f.Encode()
	})
	if err != nil || c.Bool("quiet") {
		return err
	}
	for _, k := range f.Keys {
		note("data key for %s", k.KeyID)
	}
	return nil
}

// dataKeyDestinations are the keys of -k, which ReEncrypt must be able to reach from the first of them.
func dataKeyDestinations(c *cli.Context, svc *services) ([]keyring.Destination, error) {
	refs := keyRefs(c)
	if len(refs) == 0 {
		return nil, fail(exitUsage, "name one with -k alias/NAME, -k local:NAME or ENVSEAL_KEY_ID", "no key to make a data key for")
	}
	if len(refs) > format.DefaultMaxSlots {
		return nil, fail(exitUsage, "", "%d keys, a data key file holds %d at most", len(refs), format.DefaultMaxSlots)
	}
	keys, err := svc.destinations(refs)
	if err != nil {
		return nil, err
	}
	for i, k := range keys[1:] {
		switch first := keys[0]; {
		case first.Client != k.Client:
			return nil, fail(exitUsage, "make a data key file for each of them",
				"%s and %s are keys of two key services: a data key is wrapped for further keys by ReEncrypt, so that nobody sees it, and that stays within one", refs[0], refs[i+1])
		case first.Region != "" && k.Region != "" && first.Region != k.Region:
			return nil, fail(exitUsage, "make a data key file for each Region",
				"%s lies in the Region %s and %s in %s: a data key is wrapped for further keys by ReEncrypt, so that nobody sees it, and that stays within a Region", refs[0], first.Region, refs[i+1], k.Region)
		}
	}
	return keys, nil
}

// newDataKeyFile has the data key made for the first key, and moved on to the others.
func newDataKeyFile(c *cli.Context, keys []keyring.Destination, ec format.Context) (*format.DataKeyFile, error) {
	grants := c.StringSlice("grant-tokens")
	made, err := keys[0].Client.GenerateDataKeyWithoutPlaintext(c.Context, kmsclient.GenerateDataKeyInput{
		KeyID: keys[0].KeyID, KeySpec: kmsclient.AES256, EncryptionContext: ec, Options: kmsclient.Options{GrantTokens: grants},
	})
	if err != nil {
		return nil, err
	}
	slot, err := format.KMSSlot{KeyID: made.KeyID, CiphertextBlob: made.CiphertextBlob}.Slot()
	if err != nil {
		return nil, err
	}
	further := &keyring.Rewrap{Add: keys[1:], GrantTokens: grants}
	slots, err := further.ChangeSlots(c.Context, &format.Header{Descriptor: format.Descriptor{Context: ec}, Slots: []format.Slot{slot}})
	if err != nil {
		return nil, furtherKeyError(err)
	}
	f := &format.DataKeyFile{Context: ec, Created: time.Now()}
	for _, s := range slots {
		k, err := s.KMS()
		if err != nil {
			return nil, err
		}
		f.Keys = append(f.Keys, k)
	}
	return f, nil
}

func furtherKeyError(err error) error {
	if errors.Is(err, keyring.ErrOtherRegion) {
		return fail(exitUsage, "make a data key file for each Region", "%w", err)
	}
	if errors.Is(err, kmsclient.ErrAccessDenied) {
		return fail(exitRefused, "further keys are added by ReEncrypt, which needs kms:ReEncryptFrom on the first key and kms:ReEncryptTo on the others; one -k needs kms:GenerateDataKeyWithoutPlaintext only", "%w", err)
	}
	return err
}

// dataKeyFile is what --data-key names.
type dataKeyFile struct {
	*format.DataKeyFile
	name string
}

// readDataKeyFile reads it, and settles the encryption context: that of the file, which -c may repeat; or for the plain answer of KMS, that of -c.
func readDataKeyFile(c *cli.Context, name string) (*dataKeyFile, error) {
	text, err := readKeyFile(name, "--data-key")
	if err != nil {
		return nil, err
	}
	f, err := format.ParseDataKeyFile(text)
	if err != nil {
		return nil, keyFileError(name, makeDataKey, err)
	}
	if f.Bare {
		f.Context, err = contextOf(c)
		return &dataKeyFile{f, name}, err
	}
	if args := c.StringSlice("encryption-context"); len(args) > 0 {
		ec, err := parseContext(args)
		if err != nil {
			return nil, err
		}
		if !maps.Equal(ec, f.Context) {
			return nil, fail(exitUsage, "leave -c away: KMS has bound the data key to the context that it was made with",
				"%s: its encryption context is %s, and -c says %s", shown(name), contextText(f.Context), contextText(ec))
		}
	}
	return &dataKeyFile{f, name}, nil
}

// unwrap asks KMS for the data key, once for all that is sealed with it.
func (f *dataKeyFile) unwrap(ctx context.Context, id envelope.Identity, pairs []envelope.FileRecipient) (*envelope.DataKey, error) {
	var slots []format.Slot
	for _, k := range f.Keys {
		slot, err := k.Slot()
		if err != nil {
			return nil, err
		}
		slots = append(slots, slot)
	}
	key, err := envelope.UnwrapDataKey(ctx, f.Context, slots, id, pairs...)
	if err == nil {
		return key, nil
	}
	code, hint := explain(err)
	if errors.Is(err, kmsclient.ErrInvalidCiphertext) {
		hint = "KMS does not know this data key under its encryption context: it is of another key service, or was altered"
		if f.Bare {
			hint = "the file does not say the encryption context that the data key was made with: give it with -c"
		}
	}
	return nil, fail(code, hint, "%s: %w", shown(f.name), err)
}
