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

func dataKeyCommand() (*cli.Command, readFunc) {
	return &cli.Command{
		Name:      "data-key",
		Usage:     "make a data key in advance, for `encrypt --data-key`",
		UsageText: "envseal data-key -k KEY [-k KEY]... [-c CONTEXT] -o FILE",
		Description: "Calls GenerateDataKeyWithoutPlaintext and writes a small JSON file. The plaintext key is seen by nobody: whoever makes the file needs no right\n" +
			"to decrypt, and cannot open what is sealed with it. The file holds nothing secret.\n" +
			"With several -k, any one of them opens what is sealed with it; the further ones, of the same Region, are added by ReEncrypt, without a plaintext again.\n" +
			"Exit codes: `envseal help exit-codes`.",
		Flags: []cli.Flag{flags.KeyIDFlag("make it for this `KEY` (repeatable)")},
	}, newDataKeyMaker
}

// newDataKeyMaker refuses what no data key file can be made of.
func newDataKeyMaker(_ *cli.Context, o *options) (maker, error) {
	switch n := len(o.KeyIDs); {
	case n == 0:
		return nil, noKeyError("to make a data key for")
	case n > format.DefaultMaxSlots:
		return nil, exit.Errorf(exit.Usage, "", "%d keys, a data key file holds %d at most",
			n, format.DefaultMaxSlots)
	}
	return o.makeDataKey, nil
}

func noKeyError(purpose string) error {
	return exit.Errorf(exit.Usage, "name one with -k alias/NAME, -k local:NAME or ENVSEAL_KEY_ID",
		"no key %s", purpose)
}

func (o *options) makeDataKey(
	ctx context.Context, svc *keys.Services, ec format.Context,
) (text []byte, notes []string, err error) {
	destinations, err := svc.Destinations(ctx, o.KeyIDs)
	if err == nil {
		err = checkReach(o.KeyIDs, destinations)
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := newDataKeyFile(ctx, destinations, ec, o.GrantTokens)
	if err != nil {
		return nil, nil, err
	}
	for _, k := range f.Keys {
		notes = append(notes, "data key for "+k.KeyID)
	}
	text, err = f.Encode()
	return text, notes, err
}

// checkReach refuses keys, named by refs, that ReEncrypt cannot reach from the first.
func checkReach(refs []string, keys []keyring.Destination) error {
	const why = "a data key is wrapped for further keys by ReEncrypt, so that nobody sees it, and that stays within "
	for i, k := range keys[1:] {
		switch first := keys[0]; {
		case first.Client != k.Client:
			return exit.Errorf(exit.Usage, "make a data key file for each of them",
				"%s and %s are keys of two key services: "+why+"one", refs[0], refs[i+1])
		case first.Region != "" && k.Region != "" && first.Region != k.Region:
			return exit.Errorf(exit.Usage, otherRegionHint,
				"%s lies in the Region %s and %s in %s: "+why+"a Region", refs[0],
				first.Region, refs[i+1], k.Region)
		}
	}
	return nil
}

const otherRegionHint = "make a data key file for each Region"

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
		return exit.Errorf(exit.Usage, otherRegionHint, "%w", err)
	}
	if errors.Is(err, kmsclient.ErrAccessDenied) {
		return exit.Errorf(exit.Refused, "further keys are added by ReEncrypt, which needs kms:ReEncryptFrom on the first key and kms:ReEncryptTo on the others; one -k needs kms:GenerateDataKeyWithoutPlaintext only", "%w", err)
	}
	return err
}
