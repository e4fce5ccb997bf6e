package keystore

import (
	"cmp"
	"context"
	"crypto/rand"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

// keySpecs are the lengths in bytes of GenerateDataKey's KeySpec values.
var keySpecs = map[string]int{kmsclient.AES128: 16, kmsclient.AES256: 32}

// GenerateDataKey makes a data key in locked memory and its CiphertextBlob.
func (s *Store) GenerateDataKey(ctx context.Context,
	in kmsclient.GenerateDataKeyInput) (_ *kmsclient.DataKey, err error) {
	defer complete(&err, "GenerateDataKey", in.KeyID)
	return s.generateDataKey(ctx, in)
}

// GenerateDataKeyWithoutPlaintext makes a data key that nobody has seen. Plaintext is nil.
func (s *Store) GenerateDataKeyWithoutPlaintext(ctx context.Context,
	in kmsclient.GenerateDataKeyInput) (_ *kmsclient.DataKey, err error) {
	defer complete(&err, "GenerateDataKeyWithoutPlaintext", in.KeyID)
	out, err := s.generateDataKey(ctx, in)
	if err != nil {
		return nil, err
	}
	out.Plaintext.Destroy()
	out.Plaintext = nil
	return out, nil
}

func (s *Store) generateDataKey(ctx context.Context,
	in kmsclient.GenerateDataKeyInput) (*kmsclient.DataKey, error) {
	n, err := dataKeyLength(in)
	if err != nil {
		return nil, err
	}
	made, err := s.sealNew(ctx, in.KeyID, in.Options, in.EncryptionContext,
		func() (*keymem.Buffer, error) { return randomSecret(n) })
	if err != nil {
		return nil, err
	}
	return &kmsclient.DataKey{KeyID: made.key.arn(), Plaintext: made.secret, CiphertextBlob: made.blob,
		KeyMaterialID: made.key.currentID()}, nil
}

// newSecret is a secret that was just made, and its CiphertextBlob under a key.
type newSecret struct {
	key    *key
	secret *keymem.Buffer
	blob   []byte
}

// sealNew lets generate make a secret and encrypts it, unless the request is wrong or a dry run.
// The caller owes the secret's Destroy.
func (s *Store) sealNew(ctx context.Context, keyID string, o kmsclient.Options,
	ec map[string]string, generate func() (*keymem.Buffer, error)) (*newSecret, error) {
	st, k, err := s.begin(ctx, keyID, o, ec)
	if err != nil {
		return nil, err
	}
	defer s.release(st)
	if o.DryRun {
		return nil, dryRunDone()
	}
	secret, err := generate()
	if err != nil {
		return nil, err
	}
	blob, err := st.seal(k, secret.Bytes(), ec)
	if err == nil {
		err = ctx.Err() // generate may have taken seconds
	}
	if err != nil {
		secret.Destroy()
		return nil, err
	}
	return &newSecret{k, secret, blob}, nil
}

// dataKeyLength is the length that KeySpec or NumberOfBytes asks for: one of them, not both.
func dataKeyLength(in kmsclient.GenerateDataKeyInput) (int, error) {
	if (in.KeySpec == "") == (in.NumberOfBytes == 0) {
		return 0, refuse(kmsclient.ErrInvalidRequest,
			"Please specify either number of bytes or key spec.")
	}
	if in.KeySpec == "" {
		return in.NumberOfBytes, checkNumberOfBytes(in.NumberOfBytes)
	}
	n, ok := keySpecs[in.KeySpec]
	if !ok {
		return 0, outsideEnum("keySpec", []string{kmsclient.AES256, kmsclient.AES128})
	}
	return n, nil
}

func checkNumberOfBytes(n int) error {
	if n < 1 {
		return invalid("numberOfBytes", "Member must have value greater than or equal to 1")
	}
	if n > kmsclient.MaxDataKey {
		return invalid("numberOfBytes", "Member must have value less than or equal to %d",
			kmsclient.MaxDataKey)
	}
	return nil
}

func randomSecret(n int) (*keymem.Buffer, error) {
	buf, err := keymem.New(n)
	if err != nil {
		return nil, err
	}
	rand.Read(buf.Bytes())
	return buf, nil
}

// GenerateRandom gives random bytes, 1..1024, in locked memory.
func (s *Store) GenerateRandom(ctx context.Context,
	numberOfBytes int) (_ kmsclient.Secret, err error) {
	defer complete(&err, "GenerateRandom", "")
	if err := cmp.Or(checkNumberOfBytes(numberOfBytes), ctx.Err()); err != nil {
		return nil, err
	}
	buf, err := randomSecret(numberOfBytes)
	if err != nil { // or a nil Buffer would become a Secret that is not nil
		return nil, err
	}
	return buf, nil
}
