package keymem_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"testing"

	"github.com/envseal/envseal/envelope/keymem"
)

// A key goes through all that the package names: derived, used, wiped.
func TestKeyFromDerivationToDestroy(t *testing.T) {
	key, err := keymem.New(32)
	if err != nil {
		t.Fatal(err)
	}
	defer key.Destroy()
	var aead *keymem.AEAD
	keymem.Do(func() { aead, err = derive(key) })
	if err != nil {
		t.Fatal(err)
	}
	defer aead.Destroy()
	nonce, text := make([]byte, aead.NonceSize()), []byte("some text")
	opened, err := aead.Open(nil, nonce, aead.Seal(nil, nonce, text, nil), nil)
	if err != nil || !bytes.Equal(opened, text) {
		t.Errorf("opened %q: %v", opened, err)
	}
	kept := key.Bytes()
	key.Destroy()
	if !bytes.Equal(kept, make([]byte, 32)) {
		t.Error("the key was not wiped")
	}
}

func derive(key *keymem.Buffer) (*keymem.AEAD, error) {
	h, err := keymem.NewHKDF([]byte("salt"), []byte("what a passphrase gave"))
	if err != nil {
		return nil, err
	}
	defer h.Destroy()
	if err := h.Expand(key.Bytes(), []byte("purpose")); err != nil {
		return nil, err
	}
	return keymem.NewAESGCM(key.Bytes())
}

// What is wiped is gone from the exported numbers, and from those that the package computes with.
func TestWipeRSA(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, []byte("text"), nil)
	if err != nil {
		t.Fatal(err)
	}
	numbers := append([]*big.Int{key.D, key.Precomputed.Dp, key.Precomputed.Dq, key.Precomputed.Qinv},
		key.Primes...)
	if !keymem.WipeRSA(key) {
		t.Error("not all of the key was found")
	}
	for i, n := range numbers {
		for _, word := range n.Bits() {
			if word != 0 {
				t.Errorf("number %d is still there", i)
				break
			}
		}
	}
	if _, err := rsa.DecryptOAEP(sha256.New(), nil, key, sealed, nil); err == nil {
		t.Error("a wiped key opens what was sealed to it")
	}
}

func TestWipe(t *testing.T) {
	b := []byte("secret")
	if keymem.Wipe(b); !bytes.Equal(b, make([]byte, 6)) {
		t.Errorf("after Wipe: %q", b)
	}
}
