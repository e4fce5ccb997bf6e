package awskms

import (
	"cmp"
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/envseal/envseal/kmsclient"
)

// Encrypt implements kmsclient.Client.
func (c *Client) Encrypt(ctx context.Context,
	in kmsclient.EncryptInput) (*kmsclient.EncryptOutput, error) {
	cl, err := c.beginWithKey(ctx, "Encrypt", in.KeyID, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	if n := len(in.Plaintext); n == 0 || n > kmsclient.MaxPlaintext {
		return nil, cl.invalid("the plaintext has %d bytes, not 1 to %d", n, kmsclient.MaxPlaintext)
	}
	cl.plaintext = in.Plaintext
	cl.dryRun = in.DryRun
	out, _, err := run(ctx, cl, (*kms.Client).Encrypt, &kms.EncryptInput{
		KeyId: &cl.keyID, Plaintext: []byte{}, // the text comes in on the wire, see protocol.go
		EncryptionAlgorithm: types.EncryptionAlgorithmSpec(in.Algorithm),
		EncryptionContext:   in.EncryptionContext, DryRun: orNil(in.DryRun), GrantTokens: in.GrantTokens,
	})
	if err != nil {
		return nil, err
	}
	arn, err := cl.keyARN("KeyId", out.KeyId, cl.keyID)
	algorithm := string(out.EncryptionAlgorithm)
	err = cmp.Or(err, cl.blob("CiphertextBlob", out.CiphertextBlob),
		cl.algorithm(algorithm, in.Algorithm))
	if err != nil {
		return nil, err
	}
	return &kmsclient.EncryptOutput{KeyID: arn, CiphertextBlob: out.CiphertextBlob,
		Algorithm: algorithm}, nil
}

// Decrypt implements kmsclient.Client.
func (c *Client) Decrypt(ctx context.Context,
	in kmsclient.DecryptInput) (*kmsclient.DecryptOutput, error) {
	cl, err := c.begin(ctx, "Decrypt", in.KeyID, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	if err := cl.checkBlob(in.CiphertextBlob); err != nil {
		return nil, err
	}
	cl.secret = secretMember{"Plaintext", 1, kmsclient.MaxPlaintext}
	cl.dryRun = in.DryRun
	out, secret, err := run(ctx, cl, (*kms.Client).Decrypt, &kms.DecryptInput{
		KeyId: orNil(cl.keyID), CiphertextBlob: in.CiphertextBlob,
		EncryptionAlgorithm: types.EncryptionAlgorithmSpec(in.Algorithm),
		EncryptionContext:   in.EncryptionContext, DryRun: orNil(in.DryRun), GrantTokens: in.GrantTokens,
	})
	if err != nil {
		return nil, err
	}
	arn, err := cl.keyARN("KeyId", out.KeyId, cl.keyID)
	algorithm := string(out.EncryptionAlgorithm)
	if err := cmp.Or(err, cl.algorithm(algorithm, in.Algorithm)); err != nil {
		secret.Destroy()
		return nil, err
	}
	return &kmsclient.DecryptOutput{KeyID: arn, Plaintext: secret, Algorithm: algorithm,
		KeyMaterialID: materialID(out.KeyMaterialId)}, nil
}

// ReEncrypt implements kmsclient.Client.
func (c *Client) ReEncrypt(ctx context.Context,
	in kmsclient.ReEncryptInput) (*kmsclient.ReEncryptOutput, error) {
	cl, err := c.beginWithKey(ctx, "ReEncrypt", in.DestinationKeyID, in.SourceEncryptionContext,
		in.DestinationEncryptionContext)
	if err != nil {
		return nil, err
	}
	source, err := cl.sameRegion(in.SourceKeyID)
	if err != nil {
		return nil, err
	}
	if err := cl.checkBlob(in.CiphertextBlob); err != nil {
		return nil, err
	}
	cl.dryRun = in.DryRun
	out, _, err := run(ctx, cl, (*kms.Client).ReEncrypt, &kms.ReEncryptInput{
		CiphertextBlob: in.CiphertextBlob, SourceKeyId: orNil(source),
		DestinationKeyId: &cl.keyID, SourceEncryptionContext: in.SourceEncryptionContext,
		DestinationEncryptionContext:   in.DestinationEncryptionContext,
		SourceEncryptionAlgorithm:      types.EncryptionAlgorithmSpec(in.SourceAlgorithm),
		DestinationEncryptionAlgorithm: types.EncryptionAlgorithmSpec(in.DestinationAlgorithm),
		DryRun:                         orNil(in.DryRun), GrantTokens: in.GrantTokens,
	})
	if err != nil {
		return nil, err
	}
	to, err := cl.keyARN("KeyId", out.KeyId, cl.keyID)
	from, errFrom := cl.keyARN("SourceKeyId", out.SourceKeyId, source)
	if err := cmp.Or(err, errFrom, cl.blob("CiphertextBlob", out.CiphertextBlob),
		cl.algorithm(string(out.SourceEncryptionAlgorithm), in.SourceAlgorithm),
		cl.algorithm(string(out.DestinationEncryptionAlgorithm), in.DestinationAlgorithm)); err != nil {
		return nil, err
	}
	return &kmsclient.ReEncryptOutput{
		SourceKeyID: from, KeyID: to, CiphertextBlob: out.CiphertextBlob,
		SourceAlgorithm:          string(out.SourceEncryptionAlgorithm),
		DestinationAlgorithm:     string(out.DestinationEncryptionAlgorithm),
		SourceKeyMaterialID:      materialID(out.SourceKeyMaterialId),
		DestinationKeyMaterialID: materialID(out.DestinationKeyMaterialId),
	}, nil
}

// sameRegion gives the source key of a ReEncrypt, which must lie where the destination does: KMS
// does not reach over Regions. A multi-Region key is there by its replica.
func (cl *call) sameRegion(source string) (string, error) {
	arn, isARN, err := parseKeyID(source)
	switch {
	case err != nil:
		return "", cl.invalid("source key: %v", err)
	case !isARN || arn.Region == cl.region:
		return source, nil
	case arn.IsMultiRegion():
		return arn.InRegion(cl.region).String(), nil
	}
	return "", cl.invalid("the source key %s lies in the Region %s and the destination in %s: ReEncrypt stays within a Region", source, arn.Region, cl.region)
}

func (cl *call) checkBlob(blob []byte) error {
	if len(blob) == 0 || len(blob) > kmsclient.MaxCiphertextBlob {
		return cl.invalid("the CiphertextBlob has %d bytes, not 1 to %d",
			len(blob), kmsclient.MaxCiphertextBlob)
	}
	return nil
}

// orNil is how the SDK takes a value: as a pointer, and none where there is nothing to say.
func orNil[T comparable](v T) *T {
	var nothing T
	if v == nothing {
		return nil
	}
	return &v
}

// DescribeKey implements kmsclient.Client. KMS has no dry run of it, and it changes nothing: with
// Options.DryRun it is called, and where it is allowed the answer is ErrDryRun as for the others.
func (c *Client) DescribeKey(ctx context.Context, keyID string,
	opts kmsclient.Options) (*kmsclient.KeyMetadata, error) {
	cl, err := c.beginWithKey(ctx, "DescribeKey", keyID)
	if err != nil {
		return nil, err
	}
	out, _, err := run(ctx, cl, (*kms.Client).DescribeKey,
		&kms.DescribeKeyInput{KeyId: &cl.keyID, GrantTokens: opts.GrantTokens})
	if err != nil {
		return nil, err
	}
	about, err := cl.metadata(out.KeyMetadata)
	if err != nil {
		return nil, err
	}
	if opts.DryRun {
		return nil, &kmsclient.Error{Op: cl.op, KeyID: cl.asked, Kind: kmsclient.ErrDryRun,
			Code: kmsclient.Exception(kmsclient.ErrDryRun), RequestID: cl.requestID}
	}
	return about, nil
}
