package kmstest

import (
	"bytes"

	"github.com/envseal/envseal/kmsclient"
)

func testDataKeys(s *suite) {
	k := s.key()
	seen := map[string]bool{}
	ask := []kmsclient.GenerateDataKeyInput{{KeySpec: kmsclient.AES128}, {KeySpec: kmsclient.AES256}}
	want := []int{16, 32}
	for _, n := range []int{1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 257,
		511, 512, 1000, 1023, 1024} {
		ask, want = append(ask, kmsclient.GenerateDataKeyInput{NumberOfBytes: n}), append(want, n)
	}
	for i, in := range ask {
		in.KeyID, in.EncryptionContext = k.KeyID, map[string]string{"n": "1"}
		key, err := s.GenerateDataKey(s.ctx, in)
		s.must(err)
		plaintext := take(key.Plaintext)
		if len(plaintext) != want[i] || key.KeyID != k.ARN {
			s.Errorf("asked for %d bytes of %s, got %d of %s", want[i], k.ARN, len(plaintext), key.KeyID)
		}
		if len(plaintext) >= 16 &&
			(seen[string(plaintext)] || bytes.Count(plaintext, []byte{0}) == len(plaintext)) {
			s.Errorf("a data key of %d bytes is not random", len(plaintext))
		}
		seen[string(plaintext)] = true
		s.isBlob("GenerateDataKey", key.CiphertextBlob, plaintext)
		s.isMaterialID("GenerateDataKey", key.KeyMaterialID)
		s.opens(key.CiphertextBlob, string(plaintext), in.EncryptionContext)
	}
}

// isBlob checks what can be said of a CiphertextBlob from outside.
func (s *suite) isBlob(op string, blob, plaintext []byte) {
	s.Helper()
	if len(blob) == 0 || len(blob) > kmsclient.MaxCiphertextBlob {
		s.Errorf("%s: CiphertextBlob of %d bytes", op, len(blob))
	}
	if len(plaintext) >= 8 && bytes.Contains(blob, plaintext) {
		s.Errorf("%s: the plaintext stands in the CiphertextBlob", op)
	}
}

func testDataKeyErrors(s *suite) {
	k := s.key()
	for _, in := range []kmsclient.GenerateDataKeyInput{
		{},
		{KeySpec: kmsclient.AES256, NumberOfBytes: 32},
		{KeySpec: "AES_512"},
		{KeySpec: "aes_256"},
		{NumberOfBytes: -1},
		{NumberOfBytes: 1025},
	} {
		in.KeyID = k.KeyID
		_, err := s.GenerateDataKey(s.ctx, in)
		s.refused("GenerateDataKey", err, kmsclient.ErrInvalidRequest)
		_, err = s.GenerateDataKeyWithoutPlaintext(s.ctx, in)
		s.refused("GenerateDataKeyWithoutPlaintext", err, kmsclient.ErrInvalidRequest)
	}
	_, err := s.GenerateDataKey(s.ctx, kmsclient.GenerateDataKeyInput{KeySpec: kmsclient.AES256})
	s.refused("GenerateDataKey", err, kmsclient.ErrInvalidRequest)
}

func testWithoutPlaintext(s *suite) {
	k := s.key()
	ec := map[string]string{"app": "web"}
	for _, in := range []kmsclient.GenerateDataKeyInput{{KeySpec: kmsclient.AES128},
		{KeySpec: kmsclient.AES256}, {NumberOfBytes: 1}, {NumberOfBytes: 1024}} {
		in.KeyID, in.EncryptionContext = k.ARN, ec
		key, err := s.GenerateDataKeyWithoutPlaintext(s.ctx, in)
		s.must(err)
		if key.Plaintext != nil {
			s.Fatal("Plaintext is set")
		}
		if key.KeyID != k.ARN {
			s.Errorf("KeyID is %s", key.KeyID)
		}
		s.isBlob("GenerateDataKeyWithoutPlaintext", key.CiphertextBlob, nil)
		out, err := s.Decrypt(s.ctx,
			kmsclient.DecryptInput{CiphertextBlob: key.CiphertextBlob, EncryptionContext: ec})
		s.must(err)
		want := max(in.NumberOfBytes,
			map[string]int{kmsclient.AES128: 16, kmsclient.AES256: 32}[in.KeySpec])
		if got := take(out.Plaintext); len(got) != want {
			s.Errorf("the data key has %d bytes, want %d", len(got), want)
		}
		s.refused("Decrypt", s.decryptError(kmsclient.DecryptInput{CiphertextBlob: key.CiphertextBlob}),
			kmsclient.ErrInvalidCiphertext)
	}
}

func testRandom(s *suite) {
	seen := map[string]bool{}
	for _, n := range []int{1, 16, 32, 33, 1023, 1024} {
		for range 2 {
			secret, err := s.GenerateRandom(s.ctx, n)
			s.must(err)
			b := take(secret)
			if len(b) != n || n >= 16 && seen[string(b)] {
				s.Errorf("asked for %d random bytes, got %d, repeated: %v", n, len(b), seen[string(b)])
			}
			seen[string(b)] = true
		}
	}
	for _, n := range []int{-1, 0, 1025} {
		_, err := s.GenerateRandom(s.ctx, n)
		s.refused("GenerateRandom", err, kmsclient.ErrInvalidRequest)
	}
}
