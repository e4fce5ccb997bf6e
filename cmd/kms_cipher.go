package cmd

import (
	"context"
	"strconv"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keystore"
)

// checkBytes refuses a binary member that is missing, empty or too long.
func (r *kmsRequest) checkBytes(member string, most int) error {
	switch n := len(r.blob(member)); {
	case !r.has(member):
		return r.breaks(member, "null", "Member must not be null")
	case n == 0:
		return r.breaks(member, "", "Member must have length greater than or equal to 1")
	case n > most:
		return r.breaks(member, "", "Member must have length less than or equal to "+strconv.Itoa(most))
	}
	return nil
}

func encryptUnderKey(ctx context.Context, svc *services, r *kmsRequest) (document, error) {
	if err := r.checkBytes("Plaintext", kmsclient.MaxPlaintext); err != nil {
		return nil, err
	}
	key, err := svc.resolve(r.text("KeyId"))
	if err != nil {
		return nil, err
	}
	out, err := key.Client.Encrypt(ctx, kmsclient.EncryptInput{KeyID: key.ID, Plaintext: r.blob("Plaintext"),
		EncryptionContext: r.pairs("EncryptionContext"), Algorithm: r.text("EncryptionAlgorithm"), Options: r.options()})
	if err != nil {
		return nil, err
	}
	return document{{"CiphertextBlob", out.CiphertextBlob}, {"KeyId", out.KeyID}}.with("EncryptionAlgorithm", out.Algorithm), nil
}

func decryptUnderKey(ctx context.Context, svc *services, r *kmsRequest) (document, error) {
	if err := r.checkBytes("CiphertextBlob", kmsclient.MaxCiphertextBlob); err != nil {
		return nil, err
	}
	key, err := svc.opener(r.text("KeyId"), r.blob("CiphertextBlob"))
	if err != nil {
		return nil, err
	}
	out, err := key.Client.Decrypt(ctx, kmsclient.DecryptInput{KeyID: key.ID, CiphertextBlob: r.blob("CiphertextBlob"),
		EncryptionContext: r.pairs("EncryptionContext"), Algorithm: r.text("EncryptionAlgorithm"), Options: r.options()})
	if err != nil {
		return nil, err
	}
	return document{{"KeyId", out.KeyID}, {"Plaintext", out.Plaintext}}.with("EncryptionAlgorithm", out.Algorithm).with("KeyMaterialId", out.KeyMaterialID), nil
}

// opener finds the service for a blob: that of the key where one is named. Otherwise a blob of an embedded keystore goes there, unless an
// endpoint is set, which may be that keystore served; all others go to AWS.
func (s *services) opener(ref string, blob []byte) (resolved, error) {
	switch {
	case ref != "":
		return s.resolve(ref)
	case keystore.IsBlob(blob) && !s.endpointSet():
		store, err := s.Store()
		if err != nil {
			return resolved{}, err
		}
		return inStore(store, ""), nil
	}
	return s.onAWS(""), nil
}

func reEncrypt(ctx context.Context, svc *services, r *kmsRequest) (document, error) {
	if err := r.checkBytes("CiphertextBlob", kmsclient.MaxCiphertextBlob); err != nil {
		return nil, err
	}
	to, err := svc.resolve(r.text("DestinationKeyId"))
	if err != nil {
		return nil, err
	}
	var from resolved
	if ref := r.text("SourceKeyId"); ref != "" {
		if from, err = svc.resolve(ref); err != nil {
			return nil, err
		}
		if from.Client != to.Client {
			return nil, fail(exitUsage, "decrypt it there and encrypt it here: `envseal kms decrypt --plaintext-out`, `envseal kms encrypt --plaintext fileb://`",
				"ReEncrypt stays within a key service: %s and %s are of two", ref, r.text("DestinationKeyId"))
		}
	}
	out, err := to.Client.ReEncrypt(ctx, kmsclient.ReEncryptInput{CiphertextBlob: r.blob("CiphertextBlob"),
		SourceKeyID: from.ID, SourceEncryptionContext: r.pairs("SourceEncryptionContext"), SourceAlgorithm: r.text("SourceEncryptionAlgorithm"),
		DestinationKeyID: to.ID, DestinationEncryptionContext: r.pairs("DestinationEncryptionContext"), DestinationAlgorithm: r.text("DestinationEncryptionAlgorithm"),
		Options: r.options()})
	if err != nil {
		return nil, err
	}
	return document{{"CiphertextBlob", out.CiphertextBlob}, {"SourceKeyId", out.SourceKeyID}, {"KeyId", out.KeyID}}.
		with("SourceEncryptionAlgorithm", out.SourceAlgorithm).with("DestinationEncryptionAlgorithm", out.DestinationAlgorithm).
		with("SourceKeyMaterialId", out.SourceKeyMaterialID).with("DestinationKeyMaterialId", out.DestinationKeyMaterialID), nil
}

func describeKey(ctx context.Context, svc *services, r *kmsRequest) (document, error) {
	key, err := svc.resolve(r.text("KeyId"))
	if err != nil {
		return nil, err
	}
	meta, err := key.Client.DescribeKey(ctx, key.ID, r.options())
	if err != nil {
		return nil, err
	}
	return document{{"KeyMetadata", keyMetadata(*meta)}}, nil
}
