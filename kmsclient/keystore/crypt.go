package keystore

import (
	"context"
	"encoding/hex"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

// Encrypt encrypts 1..4096 bytes under a key.
func (s *Store) Encrypt(ctx context.Context,
	in kmsclient.EncryptInput) (*kmsclient.EncryptOutput, error) {
	out, err := s.encrypt(ctx, in)
	return out, named("Encrypt", in.KeyID, err)
}

func (s *Store) encrypt(ctx context.Context,
	in kmsclient.EncryptInput) (*kmsclient.EncryptOutput, error) {
	if len(in.Plaintext) == 0 {
		return nil, invalid("plaintext", "Member must have length greater than or equal to 1")
	}
	if len(in.Plaintext) > kmsclient.MaxPlaintext {
		return nil, invalid("plaintext", "Member must have length less than or equal to %d",
			kmsclient.MaxPlaintext)
	}
	if err := checkAlgorithm("encryptionAlgorithm", in.Algorithm); err != nil {
		return nil, err
	}
	st, k, err := s.begin(ctx, in.KeyID, in.Options, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	defer s.release(st)
	if in.DryRun {
		return nil, dryRunDone()
	}
	sealed, err := st.seal(k, in.Plaintext, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return &kmsclient.EncryptOutput{KeyID: k.arn(), CiphertextBlob: sealed,
		Algorithm: kmsclient.Algorithm}, nil
}

// Decrypt opens a CiphertextBlob of this keystore into locked memory.
func (s *Store) Decrypt(ctx context.Context,
	in kmsclient.DecryptInput) (*kmsclient.DecryptOutput, error) {
	out, err := s.decrypt(ctx, in)
	return out, named("Decrypt", in.KeyID, err)
}

func (s *Store) decrypt(ctx context.Context,
	in kmsclient.DecryptInput) (*kmsclient.DecryptOutput, error) {
	if err := checkAlgorithm("encryptionAlgorithm", in.Algorithm); err != nil {
		return nil, err
	}
	st, err := s.enter(ctx, in.Options, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	defer s.release(st)
	k, b, plaintext, err := st.openFor(in.KeyID, in.CiphertextBlob, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	if in.DryRun {
		plaintext.Destroy()
		return nil, dryRunDone()
	}
	return &kmsclient.DecryptOutput{
		KeyID:         k.arn(),
		Plaintext:     plaintext,
		Algorithm:     kmsclient.Algorithm,
		KeyMaterialID: hex.EncodeToString(b.material[:]),
	}, nil
}

// openFor finds the blob's key, checks it against keyID if that is given, and decrypts. The caller
// must destroy the plaintext.
func (st *state) openFor(keyID string, sealed []byte,
	ec map[string]string) (*key, blob, *keymem.Buffer, error) {
	if err := checkBlob(sealed); err != nil {
		return nil, blob{}, nil, err
	}
	var wanted *key
	var err error
	if keyID != "" {
		if wanted, err = st.usable(keyID); err != nil {
			return nil, blob{}, nil, err
		}
	}
	b, err := parseBlob(sealed)
	if err != nil {
		return nil, blob{}, nil, err
	}
	if wanted != nil && wanted.id != b.keyID {
		return nil, blob{}, nil,
			refuse(kmsclient.ErrIncorrectKey, codeIncorrectKey, "The key ID in the request does not identify a key that can perform this operation: the ciphertext is of another one.")
	}
	k := st.byID[b.keyID]
	if k == nil {
		return nil, blob{}, nil, badBlob("it is of a key that this keystore does not hold")
	}
	if err := k.checkUsable(); err != nil {
		return nil, blob{}, nil, err
	}
	plaintext, err := st.open(k, b, ec)
	return k, b, plaintext, err
}

// ReEncrypt moves a blob to another key or context. The plaintext stays in locked memory and is
// wiped.
func (s *Store) ReEncrypt(ctx context.Context,
	in kmsclient.ReEncryptInput) (*kmsclient.ReEncryptOutput, error) {
	out, err := s.reEncrypt(ctx, in)
	return out, named("ReEncrypt", in.DestinationKeyID, err)
}

func (s *Store) reEncrypt(ctx context.Context,
	in kmsclient.ReEncryptInput) (*kmsclient.ReEncryptOutput, error) {
	if err := checkAlgorithm("sourceEncryptionAlgorithm", in.SourceAlgorithm); err != nil {
		return nil, err
	}
	if err := checkAlgorithm("destinationEncryptionAlgorithm", in.DestinationAlgorithm); err != nil {
		return nil, err
	}
	st, err := s.enter(ctx, in.Options, in.SourceEncryptionContext, in.DestinationEncryptionContext)
	if err != nil {
		return nil, err
	}
	defer s.release(st)
	to, err := st.usable(in.DestinationKeyID)
	if err != nil {
		return nil, err
	}
	from, b, plaintext, err := st.openFor(in.SourceKeyID, in.CiphertextBlob,
		in.SourceEncryptionContext)
	if err != nil {
		return nil, err
	}
	defer plaintext.Destroy()
	if in.DryRun {
		return nil, dryRunDone()
	}
	sealed, err := st.seal(to, plaintext.Bytes(), in.DestinationEncryptionContext)
	if err != nil {
		return nil, err
	}
	return &kmsclient.ReEncryptOutput{
		SourceKeyID:              from.arn(),
		KeyID:                    to.arn(),
		CiphertextBlob:           sealed,
		SourceAlgorithm:          kmsclient.Algorithm,
		DestinationAlgorithm:     kmsclient.Algorithm,
		SourceKeyMaterialID:      hex.EncodeToString(b.material[:]),
		DestinationKeyMaterialID: to.currentID(),
	}, nil
}
