package keystore

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/envseal/envseal/kmsclient"
)

// FuzzBlob gives blobs to Decrypt: only what Encrypt made may open, the rest is InvalidCiphertext.
func FuzzBlob(f *testing.F) {
	s := newStore(f)
	k := createKey(f, s)
	good := encryptTo(f, s, k.ARN)
	must(f, s.RotateKeyOnDemand(f.Context(), k.KeyID))
	seeds := [][]byte{good, encryptTo(f, s, k.ARN), good[:blobOverhead], good[:headSize],
		[]byte(blobMagic), bytes.Repeat([]byte{0xff}, 200)}
	for _, seed := range seeds {
		f.Add(seed, "")
		f.Add(seed, "a")
	}
	f.Fuzz(func(t *testing.T, blob []byte, name string) {
		in := kmsclient.DecryptInput{CiphertextBlob: blob}
		if name != "" {
			in.EncryptionContext = map[string]string{name: name}
		}
		out, err := s.Decrypt(t.Context(), in)
		if err == nil {
			defer out.Plaintext.Destroy()
			if string(out.Plaintext.Bytes()) != "plain" || name != "" {
				t.Fatal("a blob opened that was not made")
			}
			return
		}
		var e *kmsclient.Error
		if !errors.As(err, &e) ||
			!errors.Is(err, kmsclient.ErrInvalidCiphertext) && !errors.Is(err, kmsclient.ErrInvalidRequest) {
			t.Fatal(err)
		}
	})
}

// FuzzStore gives bodies to the parser: what it takes must come out of the encoder as the same
// keystore.
func FuzzStore(f *testing.F) {
	s := filled(f)
	raw, err := os.ReadFile(s.path)
	must(f, err)
	body, ok := cutSum(bytes.TrimPrefix(raw, []byte(clearIntro)))
	if !ok {
		f.Fatal("the seed is damaged")
	}
	f.Add(body)
	f.Add(testBody(testVersion, `{"Keys":[`+testKey+`]}`, 32))
	f.Add(testBody(testVersion, `{}`, 0))
	f.Add(testBody("envseal keystore 2\n", `{}`, 0))
	f.Fuzz(func(t *testing.T, body []byte) {
		st, err := decodeBody(body)
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
				t.Fatal(err)
			}
			return
		}
		defer st.destroy()
		first, err := encodeBody(st)
		must(t, err)
		defer first.Destroy()
		again, err := decodeBody(first.Bytes())
		must(t, err)
		defer again.destroy()
		second, err := encodeBody(again)
		must(t, err)
		defer second.Destroy()
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Fatal("encoding is not stable")
		}
	})
}

// BenchmarkOpenAndGenerate is what one run of the tool asks of the keystore.
func BenchmarkOpenAndGenerate(b *testing.B) {
	path := newStore(b).path
	k := createKey(b, openStore(b, path))
	for b.Loop() {
		s, err := Open(path, Options{})
		must(b, err)
		key, err := s.GenerateDataKey(b.Context(),
			kmsclient.GenerateDataKeyInput{KeyID: k.ARN, KeySpec: kmsclient.AES256})
		must(b, err)
		key.Plaintext.Destroy()
		must(b, s.Close())
	}
}

func BenchmarkGenerateDataKey(b *testing.B) {
	s := newStore(b)
	k := createKey(b, s)
	for b.Loop() {
		key, err := s.GenerateDataKey(b.Context(),
			kmsclient.GenerateDataKeyInput{KeyID: k.ARN, KeySpec: kmsclient.AES256})
		must(b, err)
		key.Plaintext.Destroy()
	}
}

func BenchmarkDecrypt(b *testing.B) {
	s := newStore(b)
	blob := encryptTo(b, s, createKey(b, s).ARN)
	for b.Loop() {
		out, err := s.Decrypt(b.Context(), kmsclient.DecryptInput{CiphertextBlob: blob})
		must(b, err)
		out.Plaintext.Destroy()
	}
}

func BenchmarkChange(b *testing.B) {
	s := newStore(b)
	k := createKey(b, s)
	for b.Loop() {
		must(b, s.DisableKey(b.Context(), k.KeyID))
	}
}
