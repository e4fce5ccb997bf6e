package awskms

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

// parseKeyID reads a key id that is an ARN. KMS judges any other.
func parseKeyID(keyID string) (kmsclient.ARN, bool, error) {
	if !strings.HasPrefix(keyID, "arn:") {
		return kmsclient.ARN{}, false, nil
	}
	arn, err := kmsclient.ParseARN(keyID)
	return arn, true, err
}

// allText tells whether encryption contexts are what JSON can carry. The SDK makes U+FFFD of all
// else, so that different contexts would become one.
func allText(contexts []map[string]string) bool {
	for _, ec := range contexts {
		for name, value := range ec {
			if !utf8.ValidString(name) || !utf8.ValidString(value) {
				return false
			}
		}
	}
	return true
}

// keyARN checks a KeyId of an answer. It must be the ARN of a key, and of that key if asked names
// one by its id.
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

// plain checks a plaintext of an answer, and destroys it if it is not what was asked for. This is
// the most important check of the package: an empty key in a key derivation would give keys that
// anybody can derive.
func (cl *call) plain(secret *keymem.Buffer, least, most int) error {
	n := 0
	if secret != nil {
		n = len(secret.Bytes())
	}
	if n >= least && n <= most {
		return nil
	}
	if secret != nil {
		secret.Destroy()
	}
	if least == most {
		return cl.bad("its %s has %d bytes, not %d", cl.secret, n, least)
	}
	return cl.bad("its %s has %d bytes, not %d to %d", cl.secret, n, least, most)
}

// algorithm checks the EncryptionAlgorithm of an answer that has one.
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

// materialID is a KeyMaterialId, or empty if the service tells none that looks like one.
func materialID(got *string) string {
	id := aws.ToString(got)
	if _, err := hex.DecodeString(id); err != nil || len(id) != 64 {
		return ""
	}
	return id
}

// first gives the first error there is.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
