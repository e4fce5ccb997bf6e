package awskms

import (
	"encoding/hex"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

// parseKeyID reads a key id that is an ARN. Of any other, KMS is the judge.
func parseKeyID(keyID string) (kmsclient.ARN, bool, error) {
	if !strings.HasPrefix(keyID, "arn:") {
		return kmsclient.ARN{}, false, nil
	}
	arn, err := kmsclient.ParseARN(keyID)
	return arn, true, err
}

// keyARN checks a KeyId of an answer: it must be the ARN of a key, and where asked names a key by
// its id, of that key.
func (cl *call) keyARN(member string, got *string, asked string) (string, error) {
	arn, err := kmsclient.ParseARN(aws.ToString(got))
	if err != nil || arn.KeyID() == "" {
		return "", cl.bad("its %s is not the ARN of a key", member)
	}
	want, isARN, err := parseKeyID(asked)
	switch {
	case err != nil:
		return "", cl.bad("%s: %v", member, err)
	case isARN && want.IsAlias():
		if arn.Region != want.Region || arn.Account != want.Account {
			return "", cl.bad("it is of the key %s, which %s cannot stand for", arn, want)
		}
	case isARN:
		if arn != want {
			return "", cl.bad("it is of the key %s, not of %s", arn, want)
		}
	case asked != "" && !strings.HasPrefix(asked, "alias/"):
		if arn.KeyID() != asked {
			return "", cl.bad("it is of the key %s, not of %s", arn, asked)
		}
	}
	return arn.String(), nil
}

// blob checks a CiphertextBlob of an answer.
func (cl *call) blob(member string, b []byte) error {
	if len(b) == 0 || len(b) > kmsclient.MaxCiphertextBlob {
		return cl.bad("its %s has %d bytes, not 1 to %d", member, len(b), kmsclient.MaxCiphertextBlob)
	}
	return nil
}

// checkSecret checks the plaintext of an answer. An empty key that went on into a key derivation
// would give keys that anybody can derive: this is the most important check of the package.
func (cl *call) checkSecret(secret *keymem.Buffer) error {
	n, want := 0, cl.secret
	if secret != nil {
		n = len(secret.Bytes())
	}
	switch {
	case n >= want.least && n <= want.most:
		return nil
	case want.least == want.most:
		return cl.bad("its %s has %d bytes, not %d", want.name, n, want.least)
	}
	return cl.bad("its %s has %d bytes, not %d to %d", want.name, n, want.least, want.most)
}

// algorithm checks the EncryptionAlgorithm of an answer, where it has one.
func (cl *call) algorithm(got, asked string) error {
	if asked == "" {
		asked = kmsclient.Algorithm
	}
	if got != "" && got != asked {
		return cl.bad("its algorithm is %s, not %s", oneLine(got), asked)
	}
	return nil
}

// notDry refuses a real answer to a dry run.
func (cl *call) notDry() error {
	if !cl.dryRun {
		return nil
	}
	return &kmsclient.Error{Op: cl.op, KeyID: cl.asked,
		Kind: kmsclient.ErrBadAnswer, RequestID: cl.requestID,
		Message: kmsclient.ErrBadAnswer.Error() + ": " + kmsclient.ErrNotDryRun.Error(),
		Err:     kmsclient.ErrNotDryRun}
}

// materialID is a KeyMaterialId, or empty where the service tells none that looks like one.
func materialID(got *string) string {
	id := aws.ToString(got)
	if _, err := hex.DecodeString(id); err != nil || len(id) != 64 {
		return ""
	}
	return id
}
