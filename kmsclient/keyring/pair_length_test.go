package keyring

import (
	"bytes"
	"errors"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
)

// A sealed data key of scheme 1 has the size of the modulus: without its leading zero it is the
// same number, which package rsa takes, and another slot.
func TestRSASealedDataKeyHasTheSizeOfTheModulus(t *testing.T) {
	all, info, dataKey := examples(t)
	e := all[0]
	public, err := parsePublicKey(e.PublicKey)
	if err != nil || e.Scheme != format.PairRSAOAEP {
		t.Fatal(e.Name, err)
	}
	var sealed []byte
	for sealed == nil || sealed[0] != 0 { // one in 256
		if sealed, err = public.seal(info, dataKey); err != nil {
			t.Fatal(err)
		}
	}
	slot := &format.PairSlot{Scheme: e.Scheme, SealedDataKey: sealed}
	slot.PublicKeyID = (&format.PairFile{PublicKey: e.PublicKey}).PublicKeyID()
	key, err := openPair(e.PrivateKey, slot, info)
	if err != nil || !bytes.Equal(key.Bytes(), dataKey) {
		t.Fatalf("as it is: %v, %v", key, err)
	}
	key.Destroy()
	for name, wrong := range map[string][]byte{"without its leading zero": sealed[1:],
		"with one zero more": append([]byte{0}, sealed...), "empty": {}} {
		slot.SealedDataKey = wrong
		if key, err := openPair(e.PrivateKey, slot, info); !errors.Is(err, envelope.ErrDamaged) {
			t.Errorf("%s: %v, %v", name, key, err)
		}
	}
}
