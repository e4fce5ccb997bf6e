package keyring

import (
	"bytes"
	"crypto/hpke"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
)

// example is one of those that belong to the format specification.
type example struct {
	Scheme                               format.PairScheme
	Name                                 string
	PrivateKey, PublicKey, SealedDataKey []byte
}

// examples reads them, with info and data key.
func examples(t testing.TB) (all []example, info, dataKey []byte) {
	t.Helper()
	var doc struct {
		Info, DataKey string
		Schemes       []example
	}
	text, err := os.ReadFile("../../format/testdata/pair.json")
	if err == nil {
		err = json.Unmarshal(text, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	info, err1 := hex.DecodeString(doc.Info)
	dataKey, err2 := hex.DecodeString(doc.DataKey)
	if len(doc.Schemes) != 6 || err1 != nil || err2 != nil || len(dataKey) != 32 {
		t.Fatalf("%d schemes, %v, %v", len(doc.Schemes), err1, err2)
	}
	return doc.Schemes, info, dataKey
}

// TestPublishedExamples opens the sealed data key of each scheme in the specification.
func TestPublishedExamples(t *testing.T) {
	all, info, dataKey := examples(t)
	for _, e := range all {
		public, err := parsePublicKey(e.PublicKey)
		if err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
		slot := &format.PairSlot{Scheme: e.Scheme, SealedDataKey: e.SealedDataKey}
		slot.PublicKeyID = (&format.PairFile{PublicKey: e.PublicKey}).PublicKeyID()
		key, err := openPair(e.PrivateKey, slot, info)
		if err != nil || public.scheme != e.Scheme || !bytes.Equal(key.Bytes(), dataKey) {
			t.Fatalf("%s: %v, %v", e.Name, key, err)
		}
		key.Destroy()
		if _, err := openPair(e.PrivateKey, slot, append(info, 0)); !errors.Is(err, envelope.ErrDamaged) {
			t.Errorf("%s, another info: %v", e.Name, err)
		}
		if slot.SealedDataKey, err = public.seal(info, dataKey); err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
		key, err = openPair(e.PrivateKey, slot, info)
		if err != nil || !bytes.Equal(key.Bytes(), dataKey) {
			t.Errorf("%s, sealed here: %v", e.Name, err)
		}
	}
}

// TestPrivateKeysAreWiped notices a Go release that keeps them elsewhere than this package looks.
func TestPrivateKeysAreWiped(t *testing.T) {
	all, info, _ := examples(t)
	for _, e := range all {
		k, err := parsePrivateKey(e.PrivateKey)
		if err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
		if len(k.wipes) == 0 || !k.wipe() {
			t.Errorf("%s: not all of the private key was found", e.Name)
		}
		if plain, err := k.open(info, e.SealedDataKey); err == nil {
			t.Errorf("%s: opens %d bytes with a wiped key", e.Name, len(plain))
		}
		if e.Scheme == format.PairRSAOAEP {
			continue
		}
		public, err := parsePublicKey(e.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		_, sender, err := hpke.NewSender(public.kem, public.hpke.kdf, hpke.AES256GCM(), info)
		if err != nil || !wipeContext(sender) {
			t.Errorf("%s: the sender's AES key was not found, %v", e.Name, err)
		}
		again, err := parsePrivateKey(e.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		recipient, err := hpke.NewRecipient(e.SealedDataKey[:public.hpke.encSize], again.kem,
			public.hpke.kdf, hpke.AES256GCM(), info)
		if err != nil || !wipeContext(recipient) {
			t.Errorf("%s: the recipient's AES key was not found, %v", e.Name, err)
		}
	}
}

// TestPrivateKeysThatAreNone: every cut and a flip of every byte of the examples is either refused
// or another key; nothing panics.
func TestPrivateKeysThatAreNone(t *testing.T) {
	all, _, _ := examples(t)
	for _, e := range all {
		step := 1 + len(e.PrivateKey)/300
		for n := 0; n < len(e.PrivateKey); n += step {
			if _, err := parsePrivateKey(e.PrivateKey[:n]); !errors.Is(err, ErrPair) {
				t.Errorf("%s, %d bytes: %v", e.Name, n, err)
			}
			flipped := bytes.Clone(e.PrivateKey)
			flipped[n] ^= 0x10
			if _, err := parsePrivateKey(flipped); err != nil && !errors.Is(err, ErrPair) {
				t.Errorf("%s, byte %d: %v", e.Name, n, err)
			}
		}
	}
}

// FuzzPairKeys: whatever KMS, or a pair file, gives for a key, the answer is a key or ErrPair.
func FuzzPairKeys(f *testing.F) {
	all, _, _ := examples(f)
	for _, e := range all {
		f.Add(e.PrivateKey)
		f.Add(e.PublicKey)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		if k, err := parsePrivateKey(der); err == nil {
			if _, err := k.publicKeyID(); err != nil {
				t.Fatalf("a private key without a public one: %v", err)
			}
			k.wipe()
		} else if !errors.Is(err, ErrPair) {
			t.Fatal(err)
		}
		if k, err := parsePublicKey(der); err == nil {
			if again, err := k.marshal(); err != nil || !bytes.Equal(again, der) {
				t.Fatalf("%x, then %x, %v", der, again, err)
			}
		} else if !errors.Is(err, ErrPair) {
			t.Fatal(err)
		}
	})
}
