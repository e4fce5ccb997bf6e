package kmstest

import (
	"bytes"

	"github.com/envseal/envseal/kmsclient"
)

func testReEncrypt(s *suite) {
	a, b := s.key(), s.key()
	one, two := map[string]string{"n": "1"}, map[string]string{"n": "2", "m": "ü"}
	blob := s.encrypt(a.ARN, "moved", one)
	for _, to := range []*kmsclient.KeyMetadata{a, b} {
		for _, ec := range []map[string]string{one, two, nil} {
			for _, source := range []string{"", a.KeyID, a.ARN} {
				out, err := s.ReEncrypt(s.ctx, kmsclient.ReEncryptInput{
					CiphertextBlob: blob, SourceKeyID: source, SourceEncryptionContext: one,
					DestinationKeyID: to.KeyID, DestinationEncryptionContext: ec,
				})
				s.must(err)
				if out.SourceKeyID != a.ARN || out.KeyID != to.ARN ||
					out.SourceAlgorithm != kmsclient.Algorithm || out.DestinationAlgorithm != kmsclient.Algorithm {
					s.Errorf("answer %+v", out)
				}
				s.isBlob("ReEncrypt", out.CiphertextBlob, nil)
				if bytes.Equal(out.CiphertextBlob, blob) {
					s.Error("the blob is the old one")
				}
				s.opens(out.CiphertextBlob, "moved", ec)
				if to == b {
					err := s.decryptError(kmsclient.DecryptInput{KeyID: a.KeyID,
						CiphertextBlob: out.CiphertextBlob, EncryptionContext: ec})
					s.refused("Decrypt", err, kmsclient.ErrIncorrectKey)
				}
			}
		}
	}
	s.opens(blob, "moved", one)
}

func testReEncryptErrors(s *suite) {
	a, b := s.key(), s.key()
	ec := map[string]string{"n": "1"}
	good := kmsclient.ReEncryptInput{CiphertextBlob: s.encrypt(a.ARN, "moved", ec),
		SourceEncryptionContext: ec, DestinationKeyID: b.ARN}
	cases := []struct {
		kind   error
		change func(*kmsclient.ReEncryptInput)
	}{
		{kmsclient.ErrIncorrectKey, func(in *kmsclient.ReEncryptInput) { in.SourceKeyID = b.KeyID }},
		{kmsclient.ErrInvalidCiphertext,
			func(in *kmsclient.ReEncryptInput) { in.SourceEncryptionContext = nil }},
		{kmsclient.ErrInvalidCiphertext,
			func(in *kmsclient.ReEncryptInput) { in.SourceEncryptionContext = map[string]string{"n": "2"} }},
		{kmsclient.ErrNotFound,
			func(in *kmsclient.ReEncryptInput) { in.DestinationKeyID = "alias/nowhere" }},
		{kmsclient.ErrNotFound, func(in *kmsclient.ReEncryptInput) { in.SourceKeyID = "alias/nowhere" }},
		{kmsclient.ErrInvalidRequest, func(in *kmsclient.ReEncryptInput) { in.DestinationKeyID = "" }},
		{kmsclient.ErrInvalidRequest, func(in *kmsclient.ReEncryptInput) { in.CiphertextBlob = nil }},
		{kmsclient.ErrInvalidKeyUsage,
			func(in *kmsclient.ReEncryptInput) { in.SourceAlgorithm = "RSAES_OAEP_SHA_256" }},
		{kmsclient.ErrInvalidKeyUsage,
			func(in *kmsclient.ReEncryptInput) { in.DestinationAlgorithm = "RSAES_OAEP_SHA_256" }},
	}
	for _, c := range cases {
		in := good
		c.change(&in)
		_, err := s.ReEncrypt(s.ctx, in)
		s.refused("ReEncrypt", err, c.kind)
	}
	_, err := s.ReEncrypt(s.ctx, good)
	s.must(err)
	s.must(s.DisableKey(s.ctx, a.KeyID))
	_, err = s.ReEncrypt(s.ctx, good)
	s.coded("ReEncrypt", err, kmsclient.ErrDisabled, "DisabledException")
}
