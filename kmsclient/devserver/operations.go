package devserver

import (
	"context"
	"fmt"

	"github.com/envseal/envseal/kmsclient"
)

// operation reads a request, asks the Service and writes the answer. nil is an answer without a
// body.
type operation func(ctx context.Context, svc kmsclient.Service, in *request,
	f *Fault) (*answer, error)

// operations are all that this server has of KMS.
var operations = map[string]operation{
	"CreateKey":           createKey,
	"DescribeKey":         describeKey,
	"ListKeys":            listKeys,
	"EnableKey":           enableKey,
	"DisableKey":          disableKey,
	"ScheduleKeyDeletion": scheduleKeyDeletion,
	"CancelKeyDeletion":   cancelKeyDeletion,
	"RotateKeyOnDemand":   rotateKeyOnDemand,

	"CreateAlias": createAlias,
	"UpdateAlias": updateAlias,
	"DeleteAlias": deleteAlias,
	"ListAliases": listAliases,

	"GenerateDataKey":                     generateDataKey,
	"GenerateDataKeyWithoutPlaintext":     generateDataKeyWithoutPlaintext,
	"GenerateDataKeyPair":                 generateDataKeyPair,
	"GenerateDataKeyPairWithoutPlaintext": generateDataKeyPairWithoutPlaintext,
	"GenerateRandom":                      generateRandom,
	"Encrypt":                             encrypt,
	"Decrypt":                             decrypt,
	"ReEncrypt":                           reEncrypt,
}

func knownOperation(op string) bool { return operations[op] != nil || op == callerIdentity }

// The permissions that ReEncrypt needs (AWS KMS Developer Guide, "AWS KMS permissions"): on the
// source key, and on the destination.
const (
	reEncryptFrom = "ReEncryptFrom"
	reEncryptTo   = "ReEncryptTo"
)

// checkDenied refuses what Options.Deny names.
func (x *exchange) checkDenied(op string, in *request) *refusal {
	switch {
	case x.denied[op]:
		return x.denial(op, x.call.KeyID)
	case op == "ReEncrypt" && x.denied[reEncryptFrom]:
		look := request{members: in.members}
		return x.denial(reEncryptFrom, look.keyID("SourceKeyId"))
	case op == "ReEncrypt" && x.denied[reEncryptTo]:
		return x.denial(reEncryptTo, x.call.KeyID)
	}
	return nil
}

// denial is the answer to an operation that Options.Deny or a fault refuses, in the words of IAM.
func (s *Server) denial(op, key string) *refusal {
	service := "kms"
	if op == callerIdentity {
		service = "sts"
	}
	if key == "" {
		key = "*"
	}
	return refuse("AccessDeniedException",
		fmt.Sprintf("User: %s is not authorized to perform: %s:%s on resource: %s "+
			"because no identity-based policy allows the %[2]s:%[3]s action", callerARN, service, op, key))
}

// keyName is how a request names its key, for the log. Failures are left to the operation.
func (r *request) keyName() string {
	for _, name := range []string{"KeyId", "TargetKeyId", "DestinationKeyId", "AliasName"} {
		look := request{members: r.members}
		if id := look.text(name, 1, kmsclient.MaxKeyID); id != "" {
			return id
		}
	}
	return ""
}

func (r *request) keyID(name string) string { return r.text(name, 1, kmsclient.MaxKeyID) }

func (r *request) options() kmsclient.Options {
	return kmsclient.Options{GrantTokens: r.list("GrantTokens", kmsclient.MaxGrantTokens),
		DryRun: r.flag("DryRun")}
}

func (r *request) dataKey() (kmsclient.GenerateDataKeyInput, error) {
	r.require("KeyId")
	r.unsupported("Recipient")
	return kmsclient.GenerateDataKeyInput{
		KeyID:             r.keyID("KeyId"),
		KeySpec:           r.text("KeySpec", 1, 64),
		NumberOfBytes:     r.number("NumberOfBytes", 1, kmsclient.MaxDataKey),
		EncryptionContext: r.pairs("EncryptionContext"),
		Options:           r.options(),
	}, r.err
}

func generateDataKey(ctx context.Context, svc kmsclient.Service, in *request,
	f *Fault) (*answer, error) {
	ask, err := in.dataKey()
	if err != nil {
		return nil, err
	}
	key, err := svc.GenerateDataKey(ctx, ask)
	if err != nil {
		return nil, err
	}
	defer key.Plaintext.Destroy()
	a, err := newSecretAnswer(f, key.CiphertextBlob, key.Plaintext.Bytes())
	if err != nil {
		return nil, err
	}
	a.blob("CiphertextBlob", key.CiphertextBlob)
	a.blob("Plaintext", key.Plaintext.Bytes())
	a.text("KeyId", key.KeyID)
	a.optional("KeyMaterialId", key.KeyMaterialID)
	return a, nil
}

func generateDataKeyWithoutPlaintext(ctx context.Context, svc kmsclient.Service, in *request,
	f *Fault) (*answer, error) {
	ask, err := in.dataKey()
	if err != nil {
		return nil, err
	}
	key, err := svc.GenerateDataKeyWithoutPlaintext(ctx, ask)
	if err != nil {
		return nil, err
	}
	a := newAnswer(f)
	a.blob("CiphertextBlob", key.CiphertextBlob)
	a.text("KeyId", key.KeyID)
	a.optional("KeyMaterialId", key.KeyMaterialID)
	return a, nil
}

func (r *request) keyPair() (kmsclient.GenerateDataKeyPairInput, error) {
	r.require("KeyId", "KeyPairSpec")
	r.unsupported("Recipient")
	return kmsclient.GenerateDataKeyPairInput{
		KeyID:             r.keyID("KeyId"),
		KeyPairSpec:       r.text("KeyPairSpec", 1, 64),
		EncryptionContext: r.pairs("EncryptionContext"),
		Options:           r.options(),
	}, r.err
}

func generateDataKeyPair(ctx context.Context, svc kmsclient.Service, in *request,
	f *Fault) (*answer, error) {
	ask, err := in.keyPair()
	if err != nil {
		return nil, err
	}
	pair, err := svc.GenerateDataKeyPair(ctx, ask)
	if err != nil {
		return nil, err
	}
	defer pair.PrivateKeyPlaintext.Destroy()
	a, err := newSecretAnswer(f, pair.PrivateKeyCiphertextBlob,
		pair.PrivateKeyPlaintext.Bytes(), pair.PublicKey)
	if err != nil {
		return nil, err
	}
	a.blob("PrivateKeyPlaintext", pair.PrivateKeyPlaintext.Bytes())
	a.pair(pair)
	return a, nil
}

func generateDataKeyPairWithoutPlaintext(ctx context.Context, svc kmsclient.Service, in *request,
	f *Fault) (*answer, error) {
	ask, err := in.keyPair()
	if err != nil {
		return nil, err
	}
	pair, err := svc.GenerateDataKeyPairWithoutPlaintext(ctx, ask)
	if err != nil {
		return nil, err
	}
	a := newAnswer(f)
	a.pair(pair)
	return a, nil
}

func (a *answer) pair(p *kmsclient.KeyPair) {
	a.blob("PrivateKeyCiphertextBlob", p.PrivateKeyCiphertextBlob)
	a.blob("PublicKey", p.PublicKey)
	a.text("KeyId", p.KeyID)
	a.text("KeyPairSpec", p.KeyPairSpec)
	a.optional("KeyMaterialId", p.KeyMaterialID)
}

func generateRandom(ctx context.Context, svc kmsclient.Service, in *request,
	f *Fault) (*answer, error) {
	in.unsupported("Recipient", "CustomKeyStoreId")
	in.require("NumberOfBytes")
	n := in.number("NumberOfBytes", 1, kmsclient.MaxDataKey)
	if in.err != nil {
		return nil, in.err
	}
	random, err := svc.GenerateRandom(ctx, n)
	if err != nil {
		return nil, err
	}
	defer random.Destroy()
	a, err := newSecretAnswer(f, random.Bytes())
	if err != nil {
		return nil, err
	}
	a.blob("Plaintext", random.Bytes())
	return a, nil
}

func encrypt(ctx context.Context, svc kmsclient.Service, in *request, f *Fault) (*answer, error) {
	in.require("KeyId", "Plaintext")
	ask := kmsclient.EncryptInput{
		KeyID:             in.keyID("KeyId"),
		Plaintext:         in.blob("Plaintext", kmsclient.MaxPlaintext),
		EncryptionContext: in.pairs("EncryptionContext"),
		Algorithm:         in.text("EncryptionAlgorithm", 1, 64),
		Options:           in.options(),
	}
	if in.err != nil {
		return nil, in.err
	}
	out, err := svc.Encrypt(ctx, ask)
	if err != nil {
		return nil, err
	}
	a := newAnswer(f)
	a.blob("CiphertextBlob", out.CiphertextBlob)
	a.text("KeyId", out.KeyID)
	a.text("EncryptionAlgorithm", algorithm(out.Algorithm))
	return a, nil
}

func decrypt(ctx context.Context, svc kmsclient.Service, in *request, f *Fault) (*answer, error) {
	in.require("CiphertextBlob")
	in.unsupported("Recipient", "DryRunModifiers")
	ask := kmsclient.DecryptInput{
		KeyID:             in.keyID("KeyId"),
		CiphertextBlob:    in.blob("CiphertextBlob", kmsclient.MaxCiphertextBlob),
		EncryptionContext: in.pairs("EncryptionContext"),
		Algorithm:         in.text("EncryptionAlgorithm", 1, 64),
		Options:           in.options(),
	}
	if in.err != nil {
		return nil, in.err
	}
	out, err := svc.Decrypt(ctx, ask)
	if err != nil {
		return nil, err
	}
	defer out.Plaintext.Destroy()
	a, err := newSecretAnswer(f, out.Plaintext.Bytes())
	if err != nil {
		return nil, err
	}
	a.text("KeyId", out.KeyID)
	a.blob("Plaintext", out.Plaintext.Bytes())
	a.text("EncryptionAlgorithm", algorithm(out.Algorithm))
	a.optional("KeyMaterialId", out.KeyMaterialID)
	return a, nil
}

func reEncrypt(ctx context.Context, svc kmsclient.Service, in *request, f *Fault) (*answer, error) {
	in.require("CiphertextBlob", "DestinationKeyId")
	in.unsupported("DryRunModifiers")
	ask := kmsclient.ReEncryptInput{
		CiphertextBlob:               in.blob("CiphertextBlob", kmsclient.MaxCiphertextBlob),
		SourceKeyID:                  in.keyID("SourceKeyId"),
		SourceEncryptionContext:      in.pairs("SourceEncryptionContext"),
		DestinationKeyID:             in.keyID("DestinationKeyId"),
		DestinationEncryptionContext: in.pairs("DestinationEncryptionContext"),
		SourceAlgorithm:              in.text("SourceEncryptionAlgorithm", 1, 64),
		DestinationAlgorithm:         in.text("DestinationEncryptionAlgorithm", 1, 64),
		Options:                      in.options(),
	}
	if in.err != nil {
		return nil, in.err
	}
	out, err := svc.ReEncrypt(ctx, ask)
	if err != nil {
		return nil, err
	}
	a := newAnswer(f)
	a.blob("CiphertextBlob", out.CiphertextBlob)
	a.text("SourceKeyId", out.SourceKeyID)
	a.text("KeyId", out.KeyID)
	a.text("SourceEncryptionAlgorithm", algorithm(out.SourceAlgorithm))
	a.text("DestinationEncryptionAlgorithm", algorithm(out.DestinationAlgorithm))
	a.optional("SourceKeyMaterialId", out.SourceKeyMaterialID)
	a.optional("DestinationKeyMaterialId", out.DestinationKeyMaterialID)
	return a, nil
}
