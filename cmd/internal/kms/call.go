package kms

import (
	"context"
	"errors"
	"fmt"

	"github.com/envseal/envseal/cmd/internal/awscli"
	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keystore"
)

// callFunc asks the service of a request, whose keys have the ids by which that service knows them.
type callFunc func(context.Context, kmsclient.Client, *request) (awscli.Document, error)

// call finds the key service and asks it.
func (r *request) call(ctx context.Context, svc *keys.Services) (awscli.Document, error) {
	if err := r.constraints(); err != nil {
		return nil, err
	}
	client, err := r.service(svc)
	if err != nil {
		return nil, err
	}
	return r.op.call(ctx, client, r)
}

// service is the key service that holds the keys of the request. Their references on the command
// line become the ids by which it knows them.
func (r *request) service(svc *keys.Services) (kmsclient.Client, error) {
	var client kmsclient.Client
	to := r.text("DestinationKeyId")
	for _, name := range []string{"KeyId", "DestinationKeyId", "SourceKeyId"} {
		ref := r.text(name)
		if ref == "" {
			continue
		}
		key, err := svc.Resolve(ref)
		if err != nil {
			return nil, err
		}
		if client != nil && client != key.Client {
			return nil, exit.Errorf(exit.Usage, "decrypt it there and encrypt it here: `envseal kms decrypt --plaintext-out`, `envseal kms encrypt --plaintext fileb://`",
				"ReEncrypt stays within a key service: %s and %s are of two", ref, to)
		}
		client, r.values[name] = key.Client, key.ID
	}
	if client == nil {
		return serviceOfBlob(svc, r.blob("CiphertextBlob"))
	}
	return client, nil
}

// serviceOfBlob is the service for a blob of a key that nobody named. A blob of an embedded
// keystore goes there, unless an endpoint is set, which may be that keystore served; all others go
// to AWS.
func serviceOfBlob(svc *keys.Services, blob []byte) (kmsclient.Client, error) {
	if !keystore.IsBlob(blob) || svc.EndpointSet() {
		return svc.AWS(), nil
	}
	store, err := svc.Store()
	if err != nil {
		return nil, err
	}
	return store, nil
}

// dataKeyCall makes a data key by one of the two methods that do.
func dataKeyCall(generate func(
	kmsclient.Client, context.Context, kmsclient.GenerateDataKeyInput,
) (*kmsclient.DataKey, error)) callFunc {
	return func(ctx context.Context, client kmsclient.Client, r *request) (awscli.Document, error) {
		key, err := generate(client, ctx, kmsclient.GenerateDataKeyInput{
			KeyID: r.text("KeyId"), KeySpec: r.text("KeySpec"), NumberOfBytes: r.number("NumberOfBytes"),
			EncryptionContext: r.pairs("EncryptionContext"), Options: r.options(),
		})
		if err != nil {
			return nil, err
		}
		return awscli.Document{}.Add("CiphertextBlob", key.CiphertextBlob).With("Plaintext",
			key.Plaintext).
			Add("KeyId", key.KeyID).With("KeyMaterialId", key.KeyMaterialID), nil
	}
}

// keyPairCall makes a key pair by one of the two methods that do.
func keyPairCall(generate func(
	kmsclient.Client, context.Context, kmsclient.GenerateDataKeyPairInput,
) (*kmsclient.KeyPair, error)) callFunc {
	return func(ctx context.Context, client kmsclient.Client, r *request) (awscli.Document, error) {
		pair, err := generate(client, ctx, kmsclient.GenerateDataKeyPairInput{
			KeyID: r.text("KeyId"), KeyPairSpec: r.text("KeyPairSpec"),
			EncryptionContext: r.pairs("EncryptionContext"), Options: r.options(),
		})
		if err != nil {
			return nil, err
		}
		return awscli.Document{}.Add("PrivateKeyCiphertextBlob", pair.PrivateKeyCiphertextBlob).
			With("PrivateKeyPlaintext", pair.PrivateKeyPlaintext).Add("PublicKey", pair.PublicKey).
			Add("KeyId", pair.KeyID).Add("KeyPairSpec", pair.KeyPairSpec).
			With("KeyMaterialId", pair.KeyMaterialID), nil
	}
}

func encryptUnderKey(ctx context.Context, svc kmsclient.Client,
	r *request) (awscli.Document, error) {
	out, err := svc.Encrypt(ctx, kmsclient.EncryptInput{
		KeyID: r.text("KeyId"), Plaintext: r.blob("Plaintext"),
		EncryptionContext: r.pairs("EncryptionContext"), Algorithm: r.text("EncryptionAlgorithm"),
		Options: r.options(),
	})
	if err != nil {
		return nil, err
	}
	return awscli.Document{}.Add("CiphertextBlob", out.CiphertextBlob).Add("KeyId", out.KeyID).
		With("EncryptionAlgorithm", out.Algorithm), nil
}

func decryptUnderKey(ctx context.Context, svc kmsclient.Client,
	r *request) (awscli.Document, error) {
	out, err := svc.Decrypt(ctx, kmsclient.DecryptInput{
		KeyID: r.text("KeyId"), CiphertextBlob: r.blob("CiphertextBlob"),
		EncryptionContext: r.pairs("EncryptionContext"), Algorithm: r.text("EncryptionAlgorithm"),
		Options: r.options(),
	})
	if err != nil {
		return nil, err
	}
	return awscli.Document{}.Add("KeyId", out.KeyID).Add("Plaintext", out.Plaintext).
		With("EncryptionAlgorithm", out.Algorithm).With("KeyMaterialId", out.KeyMaterialID), nil
}

func reEncrypt(ctx context.Context, svc kmsclient.Client, r *request) (awscli.Document, error) {
	out, err := svc.ReEncrypt(ctx, kmsclient.ReEncryptInput{
		CiphertextBlob: r.blob("CiphertextBlob"),
		SourceKeyID:    r.text("SourceKeyId"), DestinationKeyID: r.text("DestinationKeyId"),
		SourceEncryptionContext:      r.pairs("SourceEncryptionContext"),
		DestinationEncryptionContext: r.pairs("DestinationEncryptionContext"),
		SourceAlgorithm:              r.text("SourceEncryptionAlgorithm"),
		DestinationAlgorithm:         r.text("DestinationEncryptionAlgorithm"),
		Options:                      r.options(),
	})
	if err != nil {
		return nil, err
	}
	return awscli.Document{}.Add("CiphertextBlob", out.CiphertextBlob).
		Add("SourceKeyId", out.SourceKeyID).Add("KeyId", out.KeyID).
		With("SourceEncryptionAlgorithm", out.SourceAlgorithm).
		With("DestinationEncryptionAlgorithm", out.DestinationAlgorithm).
		With("SourceKeyMaterialId", out.SourceKeyMaterialID).
		With("DestinationKeyMaterialId", out.DestinationKeyMaterialID), nil
}

func describeKey(ctx context.Context, svc kmsclient.Client, r *request) (awscli.Document, error) {
	meta, err := svc.DescribeKey(ctx, r.text("KeyId"), r.options())
	if err != nil {
		return nil, err
	}
	return awscli.Document{}.Add("KeyMetadata", keyMetadata(*meta)), nil
}

// awsError is a refusal of the key service in the words that the aws command prints, with the
// request id behind them.
type awsError struct{ refusal *kmsclient.Error }

func (e awsError) Error() string {
	r := e.refusal
	text := fmt.Sprintf(
		"An error occurred (%s) when calling the %s operation: %s", r.Code, r.Op, r.Message)
	if r.RequestID != "" {
		text += " (request id " + r.RequestID + ")"
	}
	return text
}

func (e awsError) Unwrap() error { return e.refusal }

// inWordsOfAWS words a failed call as the aws command does, where a service refused it.
func inWordsOfAWS(err error) error {
	var e *kmsclient.Error
	if exit.Code(err) != 0 || !errors.As(err, &e) {
		return err
	}
	code, hint := exit.Explain(err)
	switch { // other commands have a sealed file, and hints that would mislead here
	case errors.Is(err, kmsclient.ErrDryRun):
		code, hint = exit.Other, "the call is allowed; nothing was done"
	case errors.Is(err, kmsclient.ErrInvalidCiphertext):
		code, hint = exit.Refused, "the blob is damaged, was given in another encoding "+
			"(see --cli-binary-format), or the encryption context is not the one it was made with"
	case errors.Is(err, kmsclient.ErrIncorrectKey):
		code, hint = exit.Refused, "the blob was made by another key than the one named"
	}
	if e.Code != "" && e.Message != "" { // otherwise it is no answer of a service
		err = awsError{e}
	}
	return exit.Errorf(code, hint, "%w", err)
}
