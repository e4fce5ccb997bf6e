package kmstest

import (
	"bytes"
	"maps"
	"strings"

	"github.com/envseal/envseal/kmsclient"
)

func testEncrypt(s *suite) {
	k := s.key()
	ec := map[string]string{"app": "web"}
	for _, n := range []int{1, 2, 15, 16, 17, 4095, 4096} {
		plaintext := strings.Repeat("p", n-1) + "\x00"
		given := []byte(plaintext)
		out, err := s.Encrypt(s.ctx, kmsclient.EncryptInput{KeyID: k.KeyID, Plaintext: given,
			EncryptionContext: ec, Algorithm: kmsclient.Algorithm})
		s.must(err)
		if out.KeyID != k.ARN || out.Algorithm != kmsclient.Algorithm {
			s.Errorf("answer names %s, %s", out.KeyID, out.Algorithm)
		}
		if string(given) != plaintext {
			s.Error("Encrypt changed the caller's plaintext")
		}
		s.isBlob("Encrypt", out.CiphertextBlob, given)
		s.opens(out.CiphertextBlob, plaintext, ec)
	}
	if bytes.Equal(s.encrypt(k.ARN, "same", nil), s.encrypt(k.ARN, "same", nil)) {
		s.Error("two encryptions of the same plaintext are equal")
	}
	for _, bad := range [][]byte{nil, {}, make([]byte, 4097)} {
		_, err := s.Encrypt(s.ctx, kmsclient.EncryptInput{KeyID: k.KeyID, Plaintext: bad})
		s.refused("Encrypt", err, kmsclient.ErrInvalidRequest)
	}
	_, err := s.Encrypt(s.ctx,
		kmsclient.EncryptInput{KeyID: k.KeyID, Plaintext: []byte("x"), Algorithm: "RSAES_OAEP_SHA_256"})
	s.coded("Encrypt", err, kmsclient.ErrInvalidKeyUsage, "InvalidKeyUsageException")
	_, err = s.Encrypt(s.ctx,
		kmsclient.EncryptInput{KeyID: k.KeyID, Plaintext: []byte("x"), Algorithm: "ROT13"})
	s.refused("Encrypt", err, kmsclient.ErrInvalidRequest)
}

func testDecrypt(s *suite) {
	k, other := s.key(), s.key()
	blob := s.encrypt(k.ARN, "secret", nil)
	given := bytes.Clone(blob)
	out, err := s.Decrypt(s.ctx,
		kmsclient.DecryptInput{CiphertextBlob: given, Algorithm: kmsclient.Algorithm})
	s.must(err)
	if !bytes.Equal(given, blob) {
		s.Error("Decrypt changed the caller's CiphertextBlob")
	}
	if out.KeyID != k.ARN || out.Algorithm != kmsclient.Algorithm {
		s.Errorf("answer names %s, %s", out.KeyID, out.Algorithm)
	}
	s.isMaterialID("Decrypt", out.KeyMaterialID)
	out.Plaintext.Destroy()
	out.Plaintext.Destroy() // allowed
	s.must(s.CreateAlias(s.ctx, "alias/other", other.KeyID))
	for _, ref := range []string{other.KeyID, other.ARN, "alias/other"} {
		err := s.decryptError(kmsclient.DecryptInput{KeyID: ref, CiphertextBlob: blob})
		s.coded("Decrypt", err, kmsclient.ErrIncorrectKey, "IncorrectKeyException")
	}
	err = s.decryptError(kmsclient.DecryptInput{CiphertextBlob: blob, Algorithm: "RSAES_OAEP_SHA_1"})
	s.coded("Decrypt", err, kmsclient.ErrInvalidKeyUsage, "InvalidKeyUsageException")
	for _, bad := range [][]byte{nil, make([]byte, kmsclient.MaxCiphertextBlob+1)} {
		s.refused("Decrypt", s.decryptError(kmsclient.DecryptInput{CiphertextBlob: bad}),
			kmsclient.ErrInvalidRequest)
	}
	s.must(s.DisableKey(s.ctx, other.KeyID)) // a wrong key that is disabled is a disabled key first
	err = s.decryptError(kmsclient.DecryptInput{KeyID: other.KeyID, CiphertextBlob: blob})
	s.refused("Decrypt", err, kmsclient.ErrDisabled)
}

func testContexts(s *suite) {
	k := s.key()
	equal := [][2]map[string]string{
		{nil, {}},
		{{}, nil},
		{{"a": "1", "b": "2", "c": "3"}, {"c": "3", "b": "2", "a": "1"}},
		{{"größe": "µ", "鍵": "🔑"}, {"鍵": "🔑", "größe": "µ"}},
		{{"empty": ""}, {"empty": ""}},
		{{"quote": `"\/{}`, "line": "a\nb"}, {"line": "a\nb", "quote": `"\/{}`}},
	}
	for _, pair := range equal {
		s.opens(s.encrypt(k.ARN, "bound", pair[0]), "bound", pair[1])
	}
	different := [][2]map[string]string{
		{{"a": "1", "b": "2"}, {"a": "1b2"}},
		{{"a": "1", "b": "2"}, {"a1": "b2"}},
		{{"ab": "c"}, {"a": "bc"}},
		{{"ab": "c", "d": "e"}, {"a": "bc", "d": "e"}},
		{{"a": "1b", "c": "2"}, {"a": "1", "bc": "2"}},
		{{"a": "1", "b": "2"}, {"a": "1"}},
		{{"a": "1", "b": "2"}, {"a": "2", "b": "1"}},
		{{"a": "1", "b": "2"}, nil},
		{nil, {"a": "1"}},
		{{"a": "b"}, {"b": "a"}},
		{{"a": "1"}, {"A": "1"}},
		{{"a": "x"}, {"a": "X"}},
		{{"a": ""}, nil},
		{{"é": "1"}, {"e\u0301": "1"}}, // the same letter composed and decomposed
		{{"a": "1 "}, {"a": "1"}},
	}
	for _, pair := range different {
		for _, way := range [][2]map[string]string{pair, {pair[1], pair[0]}} {
			in := kmsclient.DecryptInput{CiphertextBlob: s.encrypt(k.ARN, "bound", way[0]),
				EncryptionContext: way[1]}
			s.coded("Decrypt", s.decryptError(in), kmsclient.ErrInvalidCiphertext,
				"InvalidCiphertextException")
		}
	}
	ec := map[string]string{"a": "1"}
	kept := maps.Clone(ec)
	s.opens(s.encrypt(k.ARN, "x", ec), "x", ec)
	if !maps.Equal(ec, kept) {
		s.Error("the caller's context was changed")
	}
}

// testContextsOfNoText: JSON carries text only, and U+FFFD in place of all else. Contexts that
// differ must not become one.
func testContextsOfNoText(s *suite) {
	k := s.key()
	blob := s.encrypt(k.ARN, "bound", map[string]string{"a": "\ufffd"})
	for _, ec := range []map[string]string{{"a": "\xff"}, {"\xc3": "a"}} {
		for _, use := range s.usesIn(ec, k.KeyID, blob, kmsclient.Options{}) {
			s.refused(use.op, use.call(), kmsclient.ErrInvalidRequest)
		}
		s.refused("Decrypt",
			s.decryptError(kmsclient.DecryptInput{CiphertextBlob: blob, EncryptionContext: ec}),
			kmsclient.ErrInvalidRequest)
		_, err := s.ReEncrypt(s.ctx, kmsclient.ReEncryptInput{CiphertextBlob: blob,
			DestinationKeyID: k.KeyID, DestinationEncryptionContext: ec})
		s.refused("ReEncrypt", err, kmsclient.ErrInvalidRequest)
	}
}

// testDamage cuts a blob at every length and flips a bit of every byte. With a KeyID in the request
// a blob whose key id is damaged may also be one of another key.
func testDamage(s *suite) {
	k := s.key()
	ec := map[string]string{"app": "web"}
	blob := s.encrypt(k.ARN, "x", ec)
	check := func(bad []byte) {
		s.Helper()
		err := s.decryptError(kmsclient.DecryptInput{CiphertextBlob: bad, EncryptionContext: ec})
		s.coded("Decrypt", err, kmsclient.ErrInvalidCiphertext, "InvalidCiphertextException")
	}
	for n := 1; n < len(blob); n++ {
		check(blob[:n])
	}
	for i := range blob {
		bad := bytes.Clone(blob)
		bad[i] ^= 1 << (i % 8)
		check(bad)
	}
	check(append(bytes.Clone(blob), 0))
	check(append(bytes.Clone(blob), blob...))
	check(bytes.Repeat([]byte{0xff}, len(blob)))
	check(make([]byte, kmsclient.MaxCiphertextBlob))
	for _, bad := range [][]byte{append(bytes.Clone(blob), 0), blob[:len(blob)-1]} {
		err := s.decryptError(kmsclient.DecryptInput{KeyID: k.ARN,
			CiphertextBlob: bad, EncryptionContext: ec})
		s.refused("Decrypt", err, kmsclient.ErrInvalidCiphertext)
		_, err = s.ReEncrypt(s.ctx, kmsclient.ReEncryptInput{CiphertextBlob: bad,
			SourceEncryptionContext: ec, DestinationKeyID: k.ARN})
		s.refused("ReEncrypt", err, kmsclient.ErrInvalidCiphertext)
	}
	s.opens(blob, "x", ec)
}
