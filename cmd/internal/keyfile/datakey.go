package keyfile

import (
	"context"
	"errors"
	"time"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/urfave/cli/v2"
)

// DataKeyCommand is envseal data-key.
func DataKeyCommand() *cli.Command {
	return &cli.Command{
		Name:      "data-key",
		Usage:     "make a data key in advance, for `encrypt --data-key`",
		UsageText: "envseal data-key -k KEY [-k KEY]... [-c CONTEXT] -o FILE",
		Description: "Calls GenerateDataKeyWithoutPlaintext and writes a small JSON file. The plaintext key is seen by nobody: whoever makes the file needs no right\n" +
			"to decrypt, and cannot open what is sealed with it. The file holds nothing secret.\n" +
			"With several -k, any one of them opens what is sealed with it; the further ones, of the same Region, are added by ReEncrypt, without a plaintext again.\n" +
			"Exit codes: `envseal help exit-codes`.",
		Flags: flags.Join([]cli.Flag{flags.KeyIDFlag("make it for this `KEY` (repeatable)")}, keyFileFlags()),
		Action: func(c *cli.Context) error {
			if err := flags.CheckArgs(c, 0, 0); err != nil {
				return err
			}
			return runDataKey(c.Context, readKeyFileOptions(c))
		},
	}
}

func runDataKey(ctx context.Context, o keyFileOptions) error {
	svc := keys.NewServices(o.aws, o.store)
	defer svc.Close()
	keys.Harden(false)
	ec, err := keys.ContextOf(o.context)
	if err != nil {
		return err
	}
	keys, err := dataKeyDestinations(ctx, svc, o.keyIDs)
	if err != nil {
		return err
	}
	return o.write(func() (text []byte, notes []string, err error) {
		f, err := newDataKeyFile(ctx, keys, ec, o.grantTokens)
		if err != nil {
			return nil, nil, err
		}
		for _, k := range f.Keys {
			notes = append(notes, "data key for "+k.KeyID)
		}
		text, err = f.Encode()
		return text, notes, err
	})
}

// dataKeyDestinations are the keys of -k, which ReEncrypt must be able to reach from the first.
func dataKeyDestinations(
	ctx context.Context, svc *keys.Services, refs []string,
) ([]keyring.Destination, error) {
	if len(refs) == 0 {
		return nil, exit.Errorf(exit.Usage, "name one with -k alias/NAME, -k local:NAME or ENVSEAL_KEY_ID", "no key to make a data key for")
	}
	if len(refs) > format.DefaultMaxSlots {
		return nil, exit.Errorf(exit.Usage, "", "%d keys, a data key file holds %d at most", len(refs), format.DefaultMaxSlots)
	}
	keys, err := svc.Destinations(ctx, refs)
	if err != nil {
		return nil, err
	}
	for i, k := range keys[1:] {
		switch first := keys[0]; {
		case first.Client != k.Client:
			return nil, exit.Errorf(exit.Usage, "make a data key file for each of them",
				"%s and %s are keys of two key services: a data key is wrapped for further keys by ReEncrypt, so that nobody sees it, and that stays within one", refs[0], refs[i+1])
		case first.Region != "" && k.Region != "" && first.Region != k.Region:
			return nil, exit.Errorf(exit.Usage, "make a data key file for each Region",
				"%s lies in the Region %s and %s in %s: a data key is wrapped for further keys by ReEncrypt, so that nobody sees it, and that stays within a Region", refs[0], first.Region, refs[i+1], k.Region)
		}
	}
	return keys, nil
}

// newDataKeyFile has the data key made for the first key, and re-encrypted for the others.
func newDataKeyFile(
	ctx context.Context, keys []keyring.Destination, ec format.Context, grantTokens []string,
) (*format.DataKeyFile, error) {
	key, err := keys[0].Client.GenerateDataKeyWithoutPlaintext(ctx, kmsclient.GenerateDataKeyInput{
		KeyID: keys[0].KeyID, KeySpec: kmsclient.AES256, EncryptionContext: ec,
		Options: kmsclient.Options{GrantTokens: grantTokens},
	})
	if err != nil {
		return nil, err
	}
	slot, err := format.KMSSlot{KeyID: key.KeyID, CiphertextBlob: key.CiphertextBlob}.Slot()
	if err != nil {
		return nil, err
	}
	further := &keyring.Rewrap{Add: keys[1:], GrantTokens: grantTokens}
	slots, err := further.ChangeSlots(ctx, &format.Header{
		Descriptor: format.Descriptor{Context: ec}, Slots: []format.Slot{slot},
	})
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
		return exit.Errorf(exit.Usage, "make a data key file for each Region", "%w", err)
	}
	if errors.Is(err, kmsclient.ErrAccessDenied) {
		return exit.Errorf(exit.Refused, "further keys are added by ReEncrypt, which needs kms:ReEncryptFrom on the first key and kms:ReEncryptTo on the others; one -k needs kms:GenerateDataKeyWithoutPlaintext only", "%w", err)
	}
	return err
}
