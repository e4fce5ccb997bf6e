package cmd

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/envseal/envseal/kmsclient"
)

func (r *kmsRequest) options() kmsclient.Options {
	return kmsclient.Options{GrantTokens: r.list("GrantTokens"), DryRun: r.flag("DryRun")}
}

// breaks is the refusal of a member that breaks a constraint of KMS. The clients have to know the length of what is asked for and do not send
// such a request, so that it is said here, in the words of KMS. value is empty where the member may be secret.
func (r *kmsRequest) breaks(member, value, constraint string) error {
	if value != "" {
		value += " "
	}
	return r.notValid(fmt.Sprintf("1 validation error detected: Value %sat '%s' failed to satisfy constraint: %s",
		value, strings.ToLower(member[:1])+member[1:], constraint))
}

func (r *kmsRequest) notValid(message string) error {
	return &kmsclient.Error{Op: r.op.name, KeyID: r.text("KeyId"), Code: "ValidationException", Kind: kmsclient.ErrInvalidRequest, Message: message}
}

// dataKey is the request for a data key and the service it goes to.
func (r *kmsRequest) dataKey(svc *services) (kmsclient.Client, kmsclient.GenerateDataKeyInput, error) {
	in := kmsclient.GenerateDataKeyInput{
		KeySpec: r.text("KeySpec"), NumberOfBytes: r.number("NumberOfBytes"), EncryptionContext: r.pairs("EncryptionContext"), Options: r.options(),
	}
	err := r.checkLength()
	if err != nil {
		return nil, in, err
	}
	key, err := svc.resolve(r.text("KeyId"))
	in.KeyID = key.ID
	return key.Client, in, err
}

// checkLength wants one of KeySpec and NumberOfBytes.
func (r *kmsRequest) checkLength() error {
	spec, n := r.text("KeySpec"), r.number("NumberOfBytes")
	switch {
	case r.has("KeySpec") && spec != kmsclient.AES128 && spec != kmsclient.AES256:
		return r.breaks("KeySpec", "'"+spec+"'", "Member must satisfy enum value set: [AES_256, AES_128]")
	case n > kmsclient.MaxDataKey:
		return r.breaks("NumberOfBytes", "'"+strconv.Itoa(n)+"'", "Member must have value less than or equal to "+strconv.Itoa(kmsclient.MaxDataKey))
	case r.has("KeySpec") == r.has("NumberOfBytes"):
		return r.notValid("Please specify either number of bytes or key spec.")
	}
	return nil
}

func generateDataKey(ctx context.Context, svc *services, r *kmsRequest) (document, error) {
	client, in, err := r.dataKey(svc)
	if err != nil {
		return nil, err
	}
	key, err := client.GenerateDataKey(ctx, in)
	if err != nil {
		return nil, err
	}
	return document{{"CiphertextBlob", key.CiphertextBlob}, {"Plaintext", key.Plaintext}, {"KeyId", key.KeyID}}.with("KeyMaterialId", key.KeyMaterialID), nil
}

func generateDataKeyWithoutPlaintext(ctx context.Context, svc *services, r *kmsRequest) (document, error) {
	client, in, err := r.dataKey(svc)
	if err != nil {
		return nil, err
	}
	key, err := client.GenerateDataKeyWithoutPlaintext(ctx, in)
	if err != nil {
		return nil, err
	}
	return document{{"CiphertextBlob", key.CiphertextBlob}, {"KeyId", key.KeyID}}.with("KeyMaterialId", key.KeyMaterialID), nil
}

// keyPair is the request for a key pair and the service it goes to.
func (r *kmsRequest) keyPair(svc *services) (kmsclient.Client, kmsclient.GenerateDataKeyPairInput, error) {
	key, err := svc.resolve(r.text("KeyId"))
	return key.Client, kmsclient.GenerateDataKeyPairInput{
		KeyID: key.ID, KeyPairSpec: r.text("KeyPairSpec"), EncryptionContext: r.pairs("EncryptionContext"), Options: r.options(),
	}, err
}

func generateDataKeyPair(ctx context.Context, svc *services, r *kmsRequest) (document, error) {
	client, in, err := r.keyPair(svc)
	if err != nil {
		return nil, err
	}
	pair, err := client.GenerateDataKeyPair(ctx, in)
	if err != nil {
		return nil, err
	}
	return append(document{{"PrivateKeyCiphertextBlob", pair.PrivateKeyCiphertextBlob}, {"PrivateKeyPlaintext", pair.PrivateKeyPlaintext}}, publicPart(pair)...), nil
}

func generateDataKeyPairWithoutPlaintext(ctx context.Context, svc *services, r *kmsRequest) (document, error) {
	client, in, err := r.keyPair(svc)
	if err != nil {
		return nil, err
	}
	pair, err := client.GenerateDataKeyPairWithoutPlaintext(ctx, in)
	if err != nil {
		return nil, err
	}
	return append(document{{"PrivateKeyCiphertextBlob", pair.PrivateKeyCiphertextBlob}}, publicPart(pair)...), nil
}

func publicPart(pair *kmsclient.KeyPair) document {
	return document{{"PublicKey", pair.PublicKey}, {"KeyId", pair.KeyID}, {"KeyPairSpec", pair.KeyPairSpec}}.with("KeyMaterialId", pair.KeyMaterialID)
}
