package keymem_test

import (
	"bytes"
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
	if err != nil || !keymem.Equal(opened, text) {
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

func TestWipe(t *testing.T) {
	b := []byte("secret")
	if keymem.Wipe(b); !bytes.Equal(b, make([]byte, 6)) {
		t.Errorf("after Wipe: %q", b)
	}
}
