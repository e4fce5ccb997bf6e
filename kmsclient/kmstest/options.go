package kmstest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/envseal/envseal/kmsclient"
)

// use is one operation on a key, ready to call.
type use struct {
	op   string
	call func() error
}

// uses are the operations that take a key and Options. blob is one that the key made, without a
// context.
func (s *suite) uses(keyID string, blob []byte, o kmsclient.Options) []use {
	return s.usesIn(nil, keyID, blob, o)
}

// usesIn are uses with an encryption context, of ReEncrypt the source's.
func (s *suite) usesIn(ec map[string]string, keyID string, blob []byte, o kmsclient.Options) []use {
	data := kmsclient.GenerateDataKeyInput{KeyID: keyID, KeySpec: kmsclient.AES256,
		EncryptionContext: ec, Options: o}
	pair := kmsclient.GenerateDataKeyPairInput{KeyID: keyID, KeyPairSpec: "ECC_NIST_P256",
		EncryptionContext: ec, Options: o}
	seal := kmsclient.EncryptInput{KeyID: keyID, Plaintext: []byte("x"),
		EncryptionContext: ec, Options: o}
	open := kmsclient.DecryptInput{KeyID: keyID, CiphertextBlob: blob,
		EncryptionContext: ec, Options: o}
	move := kmsclient.ReEncryptInput{CiphertextBlob: blob, SourceKeyID: keyID,
		SourceEncryptionContext: ec, DestinationKeyID: keyID, Options: o}
	return []use{
		{"GenerateDataKey", func() error { return second(s.GenerateDataKey(s.ctx, data)) }},
		{"GenerateDataKeyWithoutPlaintext",
			func() error { return second(s.GenerateDataKeyWithoutPlaintext(s.ctx, data)) }},
		{"Encrypt", func() error { return second(s.Encrypt(s.ctx, seal)) }},
		{"Decrypt", func() error { return second(s.Decrypt(s.ctx, open)) }},
		{"ReEncrypt", func() error { return second(s.ReEncrypt(s.ctx, move)) }},
		{"GenerateDataKeyPair", func() error { return second(s.GenerateDataKeyPair(s.ctx, pair)) }},
		{"GenerateDataKeyPairWithoutPlaintext",
			func() error { return second(s.GenerateDataKeyPairWithoutPlaintext(s.ctx, pair)) }},
	}
}

func second(_ any, err error) error { return err }

func testOptions(s *suite) {
	k := s.key()
	blob := s.encrypt(k.ARN, "x", nil)
	for _, o := range []kmsclient.Options{{GrantTokens: []string{"AQpAM2RhZ"}},
		{GrantTokens: []string{"a", "b"}, DryRun: true}} {
		for _, use := range s.uses(k.KeyID, blob, o) {
			s.coded(use.op, use.call(), kmsclient.ErrInvalidGrantToken, "InvalidGrantTokenException")
		}
	}
	for _, tokens := range [][]string{
		strings.Split(strings.Repeat("t", kmsclient.MaxGrantTokens+1), ""), {""}} {
		for _, use := range s.uses(k.KeyID, blob, kmsclient.Options{GrantTokens: tokens}) {
			s.refused(use.op, use.call(), kmsclient.ErrInvalidRequest)
		}
	}
	for _, use := range s.uses(k.KeyID, blob, kmsclient.Options{GrantTokens: []string{}}) {
		s.must(use.call())
	}
}

// testDryRun checks that a dry run finds what is wrong before it says yes.
func testDryRun(s *suite) {
	k, other := s.key(), s.key()
	blob, foreign := s.encrypt(k.ARN, "x", nil), s.encrypt(other.ARN, "x", nil)
	dry := kmsclient.Options{DryRun: true}
	for _, use := range s.uses(k.KeyID, blob, dry) {
		s.coded(use.op, use.call(), kmsclient.ErrDryRun, "DryRunOperationException")
	}
	for _, use := range s.uses("alias/nowhere", blob, dry) {
		s.refused(use.op, use.call(), kmsclient.ErrNotFound)
	}
	for _, in := range []kmsclient.GenerateDataKeyInput{{}, {NumberOfBytes: 1025}} {
		in.KeyID, in.Options = k.KeyID, dry
		_, err := s.GenerateDataKey(s.ctx, in)
		s.refused("GenerateDataKey", err, kmsclient.ErrInvalidRequest)
	}
	err := s.decryptError(kmsclient.DecryptInput{KeyID: k.KeyID,
		CiphertextBlob: foreign, Options: dry})
	s.refused("Decrypt", err, kmsclient.ErrIncorrectKey)
	err = s.decryptError(kmsclient.DecryptInput{CiphertextBlob: blob,
		EncryptionContext: map[string]string{"a": "1"}, Options: dry})
	s.refused("Decrypt", err, kmsclient.ErrInvalidCiphertext)
	s.must(s.DisableKey(s.ctx, k.KeyID))
	for _, use := range s.uses(k.KeyID, blob, dry) {
		s.refused(use.op, use.call(), kmsclient.ErrDisabled)
	}
}

// testConcurrency works on few keys from many goroutines, while others change them.
func testConcurrency(s *suite) {
	k := s.key()
	var group sync.WaitGroup
	failures := make(chan error, 64)
	for i := range 6 {
		group.Go(func() {
			for n := range 8 {
				if err := s.roundTrip(k.ARN, fmt.Sprintf("%d/%d", i, n)); err != nil {
					failures <- err
				}
			}
		})
	}
	for i := range 2 {
		group.Go(func() {
			for n := range 4 {
				name := fmt.Sprintf("alias/c-%d-%d", i, n)
				failures <- errors.Join(s.RotateKeyOnDemand(s.ctx, k.KeyID),
					s.CreateAlias(s.ctx, name, k.KeyID), s.roundTrip(name, name))
			}
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		s.must(err)
	}
	if n := len(s.aliases(k.KeyID)); n != 8 {
		s.Errorf("%d of 8 aliases are there", n)
	}
}

func (s *suite) roundTrip(keyID, text string) error {
	ec := map[string]string{"text": text}
	sealed, err := s.Encrypt(s.ctx,
		kmsclient.EncryptInput{KeyID: keyID, Plaintext: []byte(text), EncryptionContext: ec})
	if err != nil {
		return err
	}
	out, err := s.Decrypt(s.ctx, kmsclient.DecryptInput{KeyID: keyID,
		CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: ec})
	if err != nil {
		return err
	}
	if got := take(out.Plaintext); string(got) != text {
		return fmt.Errorf("sealed %q, opened %q", text, got)
	}
	return nil
}

func testCancelled(s *suite) {
	k := s.key()
	blob := s.encrypt(k.ARN, "x", nil)
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	ended := &suite{T: s.T, Service: s.Service, ctx: ctx}
	for _, use := range ended.uses(k.KeyID, blob, kmsclient.Options{}) {
		if err := use.call(); !errors.Is(err, context.Canceled) {
			s.Errorf("%s in an ended context: %v", use.op, err)
		}
	}
	_, err := s.CreateKey(ctx, kmsclient.CreateKeyInput{})
	if !errors.Is(err, context.Canceled) {
		s.Errorf("CreateKey in an ended context: %v", err)
	}
	if list, err := s.ListKeys(s.ctx); err != nil || len(list) != 1 {
		s.Errorf("%d keys are there, want 1 (%v)", len(list), err)
	}
}
