// Package keyring makes recipients and identities of package envelope out of KMS keys and of data
// key pairs.
//
// It is the one place where the file format meets a key service: a slot of type 1 holds what
// GenerateDataKey, Encrypt or ReEncrypt returned, and opens by Decrypt; a slot of type 2 holds a
// data key that was sealed to the public key of a pair, and opens with the private key that Decrypt
// returns.
//
// A header is not authenticated before its data key is there: it must never decide whom to trust,
// nor how often KMS is asked ([MaxCalls]). Start reading at [KMSKey] and [PairRecipient] for
// sealing, [Discovery] for opening, [Rewrap] for other keys.
package keyring

import (
	"context"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
)

// KMSKey seals for one KMS key: it is an envelope.Generator. The slot holds the key ARN that KMS
// returned, whatever KeyID was given as.
type KMSKey struct {
	Client      kmsclient.Client
	KeyID       string // key id, key ARN, alias/name or alias ARN
	GrantTokens []string
}

var _ envelope.Generator = (*KMSKey)(nil)

// Generate calls GenerateDataKey for an AES_256 key.
func (k *KMSKey) Generate(ctx context.Context,
	ec format.Context) (envelope.Secret, format.Slot, error) {
	out, err := k.Client.GenerateDataKey(ctx, kmsclient.GenerateDataKeyInput{
		KeyID:             k.KeyID,
		KeySpec:           kmsclient.AES256,
		EncryptionContext: ec,
		Options:           kmsclient.Options{GrantTokens: k.GrantTokens},
	})
	if err != nil {
		return nil, format.Slot{}, err
	}
	slot, err := format.KMSSlot{KeyID: out.KeyID, CiphertextBlob: out.CiphertextBlob}.Slot()
	if err != nil {
		out.Plaintext.Destroy()
		return nil, format.Slot{}, err
	}
	return out.Plaintext, slot, nil
}

// Wrap calls Encrypt on a data key that another recipient generated.
func (k *KMSKey) Wrap(ctx context.Context, key []byte,
	file envelope.FileInfo) (format.Slot, error) {
	out, err := k.Client.Encrypt(ctx, kmsclient.EncryptInput{
		KeyID:             k.KeyID,
		Plaintext:         key,
		EncryptionContext: file.Context,
		Options:           kmsclient.Options{GrantTokens: k.GrantTokens},
	})
	if err != nil {
		return format.Slot{}, err
	}
	return format.KMSSlot{KeyID: out.KeyID, CiphertextBlob: out.CiphertextBlob}.Slot()
}
