package keystore

import (
	"context"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

// Encrypt encrypts 1..4096 bytes under a key.
func (s *Store) Encrypt(ctx context.Context,
	in kmsclient.EncryptInput) (_ *kmsclient.EncryptOutput, err error) {
	defer complete(&err, "Encrypt", in.KeyID)
	if err := checkLength("plaintext", len(in.Plaintext), 1, kmsclient.MaxPlaintext); err != nil {
		return nil, err
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
	in kmsclient.DecryptInput) (_ *kmsclient.DecryptOutput, err error) {
	defer complete(&err, "Decrypt", in.KeyID)
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
		KeyMaterialID: b.material.String(),
	}, nil
}

// openFor finds the blob's key, checks it against keyID where that is given, and decrypts. The
// caller owes the plaintext's Destroy.
func (st *state) openFor(keyID string, sealed []byte,
	ec map[string]string) (k *key, b blob, plaintext *keymem.Buffer, err error) {
	if err = checkLength("ciphertextBlob", len(sealed), 1, kmsclient.MaxCiphertextBlob); err != nil {
		return nil, b, nil, err
	}
	var wanted *key
	if keyID != "" {
		if wanted, err = st.usable(keyID); err != nil {
			return nil, b, nil, err
		}
	}
	if b, err = parseBlob(sealed); err != nil {
		return nil, b, nil, err
	}
	if wanted != nil && wanted.ID != b.keyID {
		return nil, b, nil, refuse(kmsclient.ErrIncorrectKey, "The key ID in the request does not identify a key that can perform this operation: the ciphertext is of another one.")
	}
	if k = st.byID[b.keyID]; k == nil {
		return nil, b, nil, badBlob("it is of a key that this keystore does not hold")
	}
	if err = k.checkUsable(); err == nil {
		plaintext, err = st.open(k, b, ec)
	}
	return k, b, plaintext, err
}

// ReEncrypt moves a blob to another key or context. The plaintext stays in locked memory and is
// wiped.
func (s *Store) ReEncrypt(ctx context.Context,
	in kmsclient.ReEncryptInput) (_ *kmsclient.ReEncryptOutput, err error) {
	defer complete(&err, "ReEncrypt", in.DestinationKeyID)
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
		SourceKeyMaterialID:      b.material.String(),
		DestinationKeyMaterialID: to.currentID(),
	}, nil
}
