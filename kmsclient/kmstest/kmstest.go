// Package kmstest is what every [kmsclient.Service] must pass: the behaviour of AWS KMS as its API
// reference and developer guide tell it. Only tests import it. Start at [Run].
//
// It asks through the interface only and compares what the wire carries: times to the second, kinds
// and exception names of errors, no wording. So the same suite runs on the embedded keystore
// directly and through the AWS SDK over HTTP.
package kmstest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/envseal/envseal/kmsclient"
)

// Run tests a service. newService gives a service without keys, its own for each call, and ends it
// with t.Cleanup.
func Run(t *testing.T, newService func(t *testing.T) kmsclient.Service) {
	tests := []struct {
		name string
		run  func(*suite)
	}{
		{"CreateKey", testCreateKey},
		{"ListKeys", testListKeys},
		{"Aliases", testAliases},
		{"AliasErrors", testAliasErrors},
		{"KeyReferences", testKeyReferences},
		{"UnknownKeys", testUnknownKeys},
		{"States", testStates},
		{"Deletion", testDeletion},
		{"Rotation", testRotation},
		{"DataKeys", testDataKeys},
		{"DataKeyErrors", testDataKeyErrors},
		{"WithoutPlaintext", testWithoutPlaintext},
		{"Random", testRandom},
		{"Encrypt", testEncrypt},
		{"Decrypt", testDecrypt},
		{"Contexts", testContexts},
		{"ContextsOfNoText", testContextsOfNoText},
		{"Damage", testDamage},
		{"ReEncrypt", testReEncrypt},
		{"ReEncryptErrors", testReEncryptErrors},
		{"Options", testOptions},
		{"DryRun", testDryRun},
		{"Pairs", testPairs},
		{"PairErrors", testPairErrors},
		{"Concurrency", testConcurrency},
		{"Cancelled", testCancelled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.run(&suite{T: t, Service: newService(t), ctx: t.Context()})
		})
	}
}

// suite is one test with a service of its own.
type suite struct {
	*testing.T
	kmsclient.Service
	ctx context.Context
}

// on is the suite in a subtest, on the same service.
func (s *suite) on(name string, f func(*suite)) {
	s.T.Run(name, func(t *testing.T) { f(&suite{T: t, Service: s.Service, ctx: t.Context()}) })
}

// must stops the test where a call failed that had to succeed.
func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// refused checks that err is the service's answer of this kind to this operation.
func (s *suite) refused(op string, err, kind error) {
	s.Helper()
	if err == nil {
		s.Errorf("%s: succeeded, want %q", op, kind)
		return
	}
	if !errors.Is(err, kind) {
		s.Errorf("%s: got %q, want the kind %q", op, err, kind)
	}
	var e *kmsclient.Error
	if !errors.As(err, &e) {
		s.Errorf("%s: %T is not a *kmsclient.Error", op, err)
	} else if e.Op != op {
		s.Errorf("%s: error names the operation %q", op, e.Op)
	}
}

// coded is refused, with the exception name that KMS gives.
func (s *suite) coded(op string, err, kind error, code string) {
	s.Helper()
	s.refused(op, err, kind)
	var e *kmsclient.Error
	if errors.As(err, &e) && e.Code != code {
		s.Errorf("%s: got the exception %q, want %q", op, e.Code, code)
	}
}

// key makes a key.
func (s *suite) key() *kmsclient.KeyMetadata {
	s.Helper()
	k, err := s.CreateKey(s.ctx, kmsclient.CreateKeyInput{})
	s.must(err)
	return k
}

// encrypt makes a blob.
func (s *suite) encrypt(keyID, plaintext string, ec map[string]string) []byte {
	s.Helper()
	out, err := s.Encrypt(s.ctx,
		kmsclient.EncryptInput{KeyID: keyID, Plaintext: []byte(plaintext), EncryptionContext: ec})
	s.must(err)
	return out.CiphertextBlob
}

// opens checks that a blob decrypts to plaintext.
func (s *suite) opens(blob []byte, plaintext string, ec map[string]string) {
	s.Helper()
	out, err := s.Decrypt(s.ctx, kmsclient.DecryptInput{CiphertextBlob: blob, EncryptionContext: ec})
	s.must(err)
	if got := take(out.Plaintext); string(got) != plaintext {
		s.Errorf("decrypted %d bytes that are not the plaintext", len(got))
	}
}

// decryptError is the error of a Decrypt that must fail.
func (s *suite) decryptError(in kmsclient.DecryptInput) error {
	out, err := s.Decrypt(s.ctx, in)
	if err == nil {
		out.Plaintext.Destroy()
	}
	return err
}

// take copies a secret and destroys it.
func take(secret kmsclient.Secret) []byte {
	defer secret.Destroy()
	return bytes.Clone(secret.Bytes())
}

// isMaterialID checks the form of a key material id.
func (s *suite) isMaterialID(where, id string) {
	s.Helper()
	if len(id) != 64 || strings.Trim(id, "0123456789abcdef") != "" {
		s.Errorf("%s: key material id %q is not 64 hex digits", where, id)
	}
}
