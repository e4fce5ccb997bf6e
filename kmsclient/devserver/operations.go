package devserver

import (
	"context"

	"github.com/envseal/envseal/kmsclient"
)

// operation reads a request, asks the Service and writes the answer, which may stay empty.
type operation func(ctx context.Context, svc kmsclient.Service, r *request, a *answer) error

// operations are all that this server has of KMS.
var operations = map[string]operation{
	"CreateKey":           serve(kmsclient.Service.CreateKey, (*request).newKey, (*answer).metadata),
	"DescribeKey":         describeKey,
	"ListKeys":            listKeys,
	"EnableKey":           onKey(kmsclient.Service.EnableKey),
	"DisableKey":          onKey(kmsclient.Service.DisableKey),
	"ScheduleKeyDeletion": scheduleKeyDeletion,
	"CancelKeyDeletion":   onKeyARN(kmsclient.Service.CancelKeyDeletion),
	"RotateKeyOnDemand":   onKeyARN(kmsclient.Service.RotateKeyOnDemand),

	"CreateAlias": onAlias(kmsclient.Service.CreateAlias),
	"UpdateAlias": onAlias(kmsclient.Service.UpdateAlias),
	"DeleteAlias": deleteAlias,
	"ListAliases": listAliases,

	"GenerateDataKey": serve(kmsclient.Service.GenerateDataKey,
		(*request).dataKey, (*answer).dataKey),
	"GenerateDataKeyWithoutPlaintext": serve(kmsclient.Service.GenerateDataKeyWithoutPlaintext,
		(*request).dataKey, (*answer).dataKey),
	"GenerateDataKeyPair": serve(kmsclient.Service.GenerateDataKeyPair,
		(*request).keyPair, (*answer).keyPair),
	"GenerateDataKeyPairWithoutPlaintext": serve(kmsclient.Service.GenerateDataKeyPairWithoutPlaintext,
		(*request).keyPair, (*answer).keyPair),
	"GenerateRandom": serve(kmsclient.Service.GenerateRandom,
		(*request).randomBytes, (*answer).random),
	"Encrypt":   serve(kmsclient.Service.Encrypt, (*request).encrypt, (*answer).encrypted),
	"Decrypt":   serve(kmsclient.Service.Decrypt, (*request).decrypt, (*answer).decrypted),
	"ReEncrypt": serve(kmsclient.Service.ReEncrypt, (*request).reEncrypt, (*answer).reEncrypted),
}

// serve makes an operation of a method of the Service: what to read for it, and what to write of
// its answer. The Service is asked only if all could be read. write owes the Destroy of a
// plaintext.
func serve[In, Out any](ask func(kmsclient.Service, context.Context, In) (Out, error),
	read func(*request) In, write func(*answer, Out)) operation {
	return func(ctx context.Context, svc kmsclient.Service, r *request, a *answer) error {
		in := read(r)
		if r.err != nil {
			return r.err
		}
		out, err := ask(svc, ctx, in)
		if err == nil {
			write(a, out)
		}
		return err
	}
}

func knownOperation(op string) bool { return operations[op] != nil || op == callerIdentity }

// The permissions that ReEncrypt needs (AWS KMS Developer Guide, "AWS KMS permissions"): the one on
// the source key, the other on the destination.
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
		"User: %s is not authorized to perform: %s:%s on resource: %s "+
			"because no identity-based policy allows the %[2]s:%[3]s action", callerARN, service, op, key)
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

func (r *request) dataKey() kmsclient.GenerateDataKeyInput {
	r.require("KeyId")
	r.unsupported("Recipient")
	return kmsclient.GenerateDataKeyInput{
		KeyID:             r.keyID("KeyId"),
		KeySpec:           r.text("KeySpec", 1, 64),
		NumberOfBytes:     r.number("NumberOfBytes", 1, kmsclient.MaxDataKey),
		EncryptionContext: r.pairs("EncryptionContext"),
		Options:           r.options(),
	}
}

func (a *answer) dataKey(key *kmsclient.DataKey) {
	a.secret("Plaintext", key.Plaintext, key.CiphertextBlob)
	a.blob("CiphertextBlob", key.CiphertextBlob)
	a.text("KeyId", key.KeyID)
	a.optional("KeyMaterialId", key.KeyMaterialID)
}

func (r *request) keyPair() kmsclient.GenerateDataKeyPairInput {
	r.require("KeyId", "KeyPairSpec")
	r.unsupported("Recipient")
	return kmsclient.GenerateDataKeyPairInput{
		KeyID:             r.keyID("KeyId"),
		KeyPairSpec:       r.text("KeyPairSpec", 1, 64),
		EncryptionContext: r.pairs("EncryptionContext"),
		Options:           r.options(),
	}
}

func (a *answer) keyPair(p *kmsclient.KeyPair) {
	a.secret("PrivateKeyPlaintext", p.PrivateKeyPlaintext, p.PrivateKeyCiphertextBlob, p.PublicKey)
	a.blob("PrivateKeyCiphertextBlob", p.PrivateKeyCiphertextBlob)
	a.blob("PublicKey", p.PublicKey)
	a.text("KeyId", p.KeyID)
	a.text("KeyPairSpec", p.KeyPairSpec)
	a.optional("KeyMaterialId", p.KeyMaterialID)
}

func (r *request) randomBytes() int {
	r.unsupported("Recipient", "CustomKeyStoreId")
	r.require("NumberOfBytes")
	return r.number("NumberOfBytes", 1, kmsclient.MaxDataKey)
}

func (a *answer) random(b kmsclient.Secret) { a.secret("Plaintext", b) }

func (r *request) encrypt() kmsclient.EncryptInput {
	r.require("KeyId", "Plaintext")
	return kmsclient.EncryptInput{
		KeyID:             r.keyID("KeyId"),
		Plaintext:         r.blob("Plaintext", kmsclient.MaxPlaintext),
		EncryptionContext: r.pairs("EncryptionContext"),
		Algorithm:         r.text("EncryptionAlgorithm", 1, 64),
		Options:           r.options(),
	}
}

func (a *answer) encrypted(out *kmsclient.EncryptOutput) {
	a.blob("CiphertextBlob", out.CiphertextBlob)
	a.text("KeyId", out.KeyID)
	a.algorithm("EncryptionAlgorithm", out.Algorithm)
}

func (r *request) decrypt() kmsclient.DecryptInput {
	r.require("CiphertextBlob")
	r.unsupported("Recipient", "DryRunModifiers")
	return kmsclient.DecryptInput{
		KeyID:             r.keyID("KeyId"),
		CiphertextBlob:    r.blob("CiphertextBlob", kmsclient.MaxCiphertextBlob),
		EncryptionContext: r.pairs("EncryptionContext"),
		Algorithm:         r.text("EncryptionAlgorithm", 1, 64),
		Options:           r.options(),
	}
}

func (a *answer) decrypted(out *kmsclient.DecryptOutput) {
	a.secret("Plaintext", out.Plaintext)
	a.text("KeyId", out.KeyID)
	a.algorithm("EncryptionAlgorithm", out.Algorithm)
	a.optional("KeyMaterialId", out.KeyMaterialID)
}

func (r *request) reEncrypt() kmsclient.ReEncryptInput {
	r.require("CiphertextBlob", "DestinationKeyId")
	r.unsupported("DryRunModifiers")
	return kmsclient.ReEncryptInput{
		CiphertextBlob:               r.blob("CiphertextBlob", kmsclient.MaxCiphertextBlob),
		SourceKeyID:                  r.keyID("SourceKeyId"),
		SourceEncryptionContext:      r.pairs("SourceEncryptionContext"),
		DestinationKeyID:             r.keyID("DestinationKeyId"),
		DestinationEncryptionContext: r.pairs("DestinationEncryptionContext"),
		SourceAlgorithm:              r.text("SourceEncryptionAlgorithm", 1, 64),
		DestinationAlgorithm:         r.text("DestinationEncryptionAlgorithm", 1, 64),
		Options:                      r.options(),
	}
}

func (a *answer) reEncrypted(out *kmsclient.ReEncryptOutput) {
	a.blob("CiphertextBlob", out.CiphertextBlob)
	a.text("SourceKeyId", out.SourceKeyID)
	a.text("KeyId", out.KeyID)
	a.algorithm("SourceEncryptionAlgorithm", out.SourceAlgorithm)
	a.algorithm("DestinationEncryptionAlgorithm", out.DestinationAlgorithm)
	a.optional("SourceKeyMaterialId", out.SourceKeyMaterialID)
	a.optional("DestinationKeyMaterialId", out.DestinationKeyMaterialID)
}
