package awskms

import (
	"cmp"
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/envseal/envseal/kmsclient"
)

// keyLength is the length that KeySpec or NumberOfBytes ask for.
func (cl *call) keyLength(spec string, bytes int) (int, error) {
	switch {
	case spec != "" && bytes != 0 || spec == "" && bytes == 0:
		return 0, cl.invalid("give either KeySpec or NumberOfBytes")
	case bytes < 0 || bytes > kmsclient.MaxDataKey:
		return 0, cl.invalid("NumberOfBytes is %d, not 1 to %d", bytes, kmsclient.MaxDataKey)
	case spec == "":
		return bytes, nil
	case spec == kmsclient.AES128:
		return 16, nil
	case spec == kmsclient.AES256:
		return 32, nil
	}
	return 0, cl.invalid("KeySpec is neither %s nor %s", kmsclient.AES128, kmsclient.AES256)
}

// beginDataKey also gives the length of the key. It must be known here to check the answer.
func (c *Client) beginDataKey(ctx context.Context, op string,
	in kmsclient.GenerateDataKeyInput) (cl *call, length int, err error) {
	if cl, err = c.beginWithKey(ctx, op, in.KeyID, in.EncryptionContext); err == nil {
		cl.dryRun = in.DryRun
		length, err = cl.keyLength(in.KeySpec, in.NumberOfBytes)
	}
	return cl, length, err
}

// GenerateDataKey implements kmsclient.Client.
func (c *Client) GenerateDataKey(ctx context.Context,
	in kmsclient.GenerateDataKeyInput) (*kmsclient.DataKey, error) {
	cl, length, err := c.beginDataKey(ctx, "GenerateDataKey", in)
	if err != nil {
		return nil, err
	}
	cl.secret = secretMember{"Plaintext", length, length}
	out, secret, err := run(ctx, cl, (*kms.Client).GenerateDataKey, &kms.GenerateDataKeyInput{
		KeyId: &cl.keyID, KeySpec: types.DataKeySpec(in.KeySpec),
		NumberOfBytes: orNil(int32(in.NumberOfBytes)), EncryptionContext: in.EncryptionContext,
		DryRun: orNil(in.DryRun), GrantTokens: in.GrantTokens,
	})
	if err != nil {
		return nil, err
	}
	key, err := cl.dataKey(out.KeyId, out.CiphertextBlob, out.KeyMaterialId)
	if err != nil {
		secret.Destroy()
		return nil, err
	}
	key.Plaintext = secret
	return key, nil
}

// GenerateDataKeyWithoutPlaintext implements kmsclient.Client.
func (c *Client) GenerateDataKeyWithoutPlaintext(ctx context.Context,
	in kmsclient.GenerateDataKeyInput) (*kmsclient.DataKey, error) {
	cl, _, err := c.beginDataKey(ctx, "GenerateDataKeyWithoutPlaintext", in)
	if err != nil {
		return nil, err
	}
	out, _, err := run(ctx, cl, (*kms.Client).GenerateDataKeyWithoutPlaintext,
		&kms.GenerateDataKeyWithoutPlaintextInput{
			KeyId: &cl.keyID, KeySpec: types.DataKeySpec(in.KeySpec),
			NumberOfBytes: orNil(int32(in.NumberOfBytes)), EncryptionContext: in.EncryptionContext,
			DryRun: orNil(in.DryRun), GrantTokens: in.GrantTokens,
		})
	if err != nil {
		return nil, err
	}
	return cl.dataKey(out.KeyId, out.CiphertextBlob, out.KeyMaterialId)
}

// dataKey checks what both operations answer.
func (cl *call) dataKey(keyID *string, blob []byte, material *string) (*kmsclient.DataKey, error) {
	arn, err := cl.keyARN("KeyId", keyID, cl.keyID)
	if err := cmp.Or(err, cl.blob("CiphertextBlob", blob)); err != nil {
		return nil, err
	}
	return &kmsclient.DataKey{KeyID: arn, CiphertextBlob: blob,
		KeyMaterialID: materialID(material)}, nil
}

// maxPrivateKey is more than the longest private key that KMS makes: RSA_4096 has about 2 400 bytes
// of PKCS #8.
const maxPrivateKey = 8 << 10

// GenerateDataKeyPair implements kmsclient.Client.
func (c *Client) GenerateDataKeyPair(ctx context.Context,
	in kmsclient.GenerateDataKeyPairInput) (*kmsclient.KeyPair, error) {
	cl, err := c.beginPair(ctx, "GenerateDataKeyPair", in)
	if err != nil {
		return nil, err
	}
	cl.secret = secretMember{"PrivateKeyPlaintext", 1, maxPrivateKey}
	out, secret, err := run(ctx, cl, (*kms.Client).GenerateDataKeyPair, &kms.GenerateDataKeyPairInput{
		KeyId: &cl.keyID, KeyPairSpec: types.DataKeyPairSpec(in.KeyPairSpec),
		EncryptionContext: in.EncryptionContext, DryRun: orNil(in.DryRun), GrantTokens: in.GrantTokens,
	})
	if err != nil {
		return nil, err
	}
	pair, err := cl.keyPair(in.KeyPairSpec, &kms.GenerateDataKeyPairWithoutPlaintextOutput{
		KeyId: out.KeyId, KeyPairSpec: out.KeyPairSpec, PublicKey: out.PublicKey,
		PrivateKeyCiphertextBlob: out.PrivateKeyCiphertextBlob, KeyMaterialId: out.KeyMaterialId,
	})
	if err != nil {
		secret.Destroy()
		return nil, err
	}
	pair.PrivateKeyPlaintext = secret
	return pair, nil
}

// GenerateDataKeyPairWithoutPlaintext implements kmsclient.Client.
func (c *Client) GenerateDataKeyPairWithoutPlaintext(ctx context.Context,
	in kmsclient.GenerateDataKeyPairInput) (*kmsclient.KeyPair, error) {
	cl, err := c.beginPair(ctx, "GenerateDataKeyPairWithoutPlaintext", in)
	if err != nil {
		return nil, err
	}
	out, _, err := run(ctx, cl, (*kms.Client).GenerateDataKeyPairWithoutPlaintext,
		&kms.GenerateDataKeyPairWithoutPlaintextInput{
			KeyId: &cl.keyID, KeyPairSpec: types.DataKeyPairSpec(in.KeyPairSpec),
			EncryptionContext: in.EncryptionContext, DryRun: orNil(in.DryRun), GrantTokens: in.GrantTokens,
		})
	if err != nil {
		return nil, err
	}
	return cl.keyPair(in.KeyPairSpec, out)
}

func (c *Client) beginPair(ctx context.Context, op string,
	in kmsclient.GenerateDataKeyPairInput) (*call, error) {
	cl, err := c.beginWithKey(ctx, op, in.KeyID, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	if in.KeyPairSpec == "" {
		return nil, cl.invalid("no KeyPairSpec")
	}
	cl.dryRun = in.DryRun
	return cl, nil
}

// keyPair checks what both operations answer.
func (cl *call) keyPair(spec string,
	out *kms.GenerateDataKeyPairWithoutPlaintextOutput) (*kmsclient.KeyPair, error) {
	arn, err := cl.keyARN("KeyId", out.KeyId, cl.keyID)
	err = cmp.Or(err, cl.blob("PrivateKeyCiphertextBlob", out.PrivateKeyCiphertextBlob))
	switch {
	case err != nil:
		return nil, err
	case len(out.PublicKey) == 0:
		return nil, cl.bad("it has no PublicKey")
	case string(out.KeyPairSpec) != spec:
		return nil, cl.bad("it is a pair of the kind %q, not %s", oneLine(string(out.KeyPairSpec)), spec)
	}
	return &kmsclient.KeyPair{KeyID: arn, KeyPairSpec: spec, PublicKey: out.PublicKey,
		PrivateKeyCiphertextBlob: out.PrivateKeyCiphertextBlob,
		KeyMaterialID:            materialID(out.KeyMaterialId)}, nil
}

// GenerateRandom implements kmsclient.Client.
func (c *Client) GenerateRandom(ctx context.Context, n int) (kmsclient.Secret, error) {
	cl, err := c.begin(ctx, "GenerateRandom", "")
	if err != nil {
		return nil, err
	}
	if n < 1 || n > kmsclient.MaxDataKey {
		return nil, cl.invalid("NumberOfBytes is %d, not 1 to %d", n, kmsclient.MaxDataKey)
	}
	cl.secret = secretMember{"Plaintext", n, n}
	_, secret, err := run(ctx, cl, (*kms.Client).GenerateRandom,
		&kms.GenerateRandomInput{NumberOfBytes: aws.Int32(int32(n))})
	if err != nil { // or a nil Buffer would become a Secret that is not nil
		return nil, err
	}
	return secret, nil
}
