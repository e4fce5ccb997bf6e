package kmstest

import (
	"bytes"
	"slices"

	"github.com/envseal/envseal/kmsclient"
)

func testPairs(s *suite) {
	k := s.key()
	ec := map[string]string{"pair": "1"}
	for _, spec := range kmsclient.KeyPairSpecs {
		s.on(spec, func(s *suite) {
			in := kmsclient.GenerateDataKeyPairInput{KeyID: k.KeyID,
				KeyPairSpec: spec, EncryptionContext: ec}
			p, err := s.GenerateDataKeyPair(s.ctx, in)
			s.must(err)
			private := take(p.PrivateKeyPlaintext)
			s.isPair(p, k.ARN, spec)
			s.isBlob("GenerateDataKeyPair", p.PrivateKeyCiphertextBlob, private)
			s.opens(p.PrivateKeyCiphertextBlob, string(private), ec)
			if err := matches(spec, p.PublicKey, private); err != nil {
				s.Error(err)
			}
			s.refused("Decrypt",
				s.decryptError(kmsclient.DecryptInput{CiphertextBlob: p.PrivateKeyCiphertextBlob}),
				kmsclient.ErrInvalidCiphertext)
			if slices.Contains([]string{"RSA_3072", "RSA_4096"}, spec) {
				return // one key of a second's work is enough
			}
			blind, err := s.GenerateDataKeyPairWithoutPlaintext(s.ctx, in)
			s.must(err)
			s.isPair(blind, k.ARN, spec)
			if blind.PrivateKeyPlaintext != nil || bytes.Equal(blind.PublicKey, p.PublicKey) {
				s.Fatal("a pair without plaintext has one, or is the pair before")
			}
			out, err := s.Decrypt(s.ctx, kmsclient.DecryptInput{KeyID: k.ARN,
				CiphertextBlob: blind.PrivateKeyCiphertextBlob, EncryptionContext: ec})
			s.must(err)
			if err := matches(spec, blind.PublicKey, take(out.Plaintext)); err != nil {
				s.Error(err)
			}
		})
	}
}

func (s *suite) isPair(p *kmsclient.KeyPair, arn, spec string) {
	s.Helper()
	if p.KeyID != arn || p.KeyPairSpec != spec {
		s.Errorf("pair is of %s, %s", p.KeyID, p.KeyPairSpec)
	}
	s.isMaterialID("GenerateDataKeyPair", p.KeyMaterialID)
}

func testPairErrors(s *suite) {
	k := s.key()
	for _, spec := range []string{"", "RSA_1024", "rsa_2048", "AES_256"} {
		in := kmsclient.GenerateDataKeyPairInput{KeyID: k.KeyID, KeyPairSpec: spec}
		_, err := s.GenerateDataKeyPair(s.ctx, in)
		s.refused("GenerateDataKeyPair", err, kmsclient.ErrInvalidRequest)
		_, err = s.GenerateDataKeyPairWithoutPlaintext(s.ctx, in)
		s.refused("GenerateDataKeyPairWithoutPlaintext", err, kmsclient.ErrInvalidRequest)
	}
}
