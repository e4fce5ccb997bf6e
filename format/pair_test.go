package format_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hpke"
	"crypto/mlkem"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/envseal/envseal/format"
)

// pairExamples is testdata/pair.json: one data key sealed by each scheme.
type pairExamples struct {
	Info, DataKey string // hex
	Schemes       []struct {
		Scheme                               format.PairScheme
		Name                                 string
		PrivateKey, PublicKey, SealedDataKey []byte
		PublicKeyID                          string // hex
	}
}

func readPairExamples(t *testing.T) pairExamples {
	t.Helper()
	b, err := os.ReadFile("testdata/pair.json")
	if err != nil {
		t.Fatal(err)
	}
	var examples pairExamples
	if err := json.Unmarshal(b, &examples); err != nil {
		t.Fatal(err)
	}
	if len(examples.Schemes) != 6 {
		t.Fatalf("%d schemes in testdata/pair.json, want 6", len(examples.Schemes))
	}
	return examples
}

// TestPairExamples opens the example of every scheme, as README.md says.
func TestPairExamples(t *testing.T) {
	examples, ex := readPairExamples(t), readExample(t)
	if examples.Info != hex.EncodeToString(ex["info"]) ||
		examples.DataKey != hex.EncodeToString(ex["data-key"]) {
		t.Error("info or data key differ from README.md")
	}
	for i, s := range examples.Schemes {
		if s.Scheme != format.PairScheme(i+1) || s.Scheme.String() != s.Name || !s.Scheme.Known() {
			t.Errorf("scheme %d is called %v, want %s", i+1, s.Scheme, s.Name)
		}
		if id := sha256.Sum256(s.PublicKey); hex.EncodeToString(id[:]) != s.PublicKeyID {
			t.Errorf("%s: public key id", s.Name)
		}
		private, err := parsePrivateKey(s.PrivateKey)
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		dataKey, err := openPair(byte(s.Scheme), private, ex["info"], s.SealedDataKey)
		if err != nil || !bytes.Equal(dataKey, ex["data-key"]) {
			t.Errorf("%s: %x, %v", s.Name, dataKey, err)
		}
		moved := append(bytes.Clone(ex["info"]), 0)
		if _, err := openPair(byte(s.Scheme), private, moved, s.SealedDataKey); err == nil {
			t.Errorf("%s: opens for another file", s.Name)
		}
		slot, err := format.PairSlot{
			Scheme: s.Scheme, PublicKeyID: sha256.Sum256(s.PublicKey), SealedDataKey: s.SealedDataKey,
			KeyID: examplePairKey, PrivateKeyCiphertextBlob: s.PrivateKey,
		}.Slot()
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		if back, err := slot.Pair(); err != nil || !bytes.Equal(back.SealedDataKey, s.SealedDataKey) {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

// parsePrivateKey reads PKCS #8, the seed form of ML-KEM (RFC 9935) included.
func parsePrivateKey(der []byte) (any, error) {
	var info struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, err
	}
	switch info.Algorithm.Algorithm.String() {
	case "2.16.840.1.101.3.4.4.2", "2.16.840.1.101.3.4.4.3":
		seed, ok := bytes.CutPrefix(info.Key, []byte{0x80, 0x40})
		if !ok {
			return nil, errors.New("no seed form")
		}
		if info.Algorithm.Algorithm[8] == 2 {
			return mlkem.NewDecapsulationKey768(seed)
		}
		return mlkem.NewDecapsulationKey1024(seed)
	}
	return x509.ParsePKCS8PrivateKey(der)
}

func openRSA(private any, info, sealed []byte) ([]byte, error) {
	key, ok := private.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%T is no RSA key", private)
	}
	if len(sealed) != key.Size() {
		// package rsa takes it without its leading zeros
		return nil, errors.New("not of the size of the modulus")
	}
	return rsa.DecryptOAEP(sha256.New(), nil, key, sealed, info)
}

// hpkeKey gives the key and the KDF of schemes 2 to 6.
func hpkeKey(scheme byte, private any) (hpke.PrivateKey, hpke.KDF, error) {
	kdfs := map[byte]hpke.KDF{2: hpke.HKDFSHA256(), 3: hpke.HKDFSHA384(), 4: hpke.HKDFSHA512(),
		5: hpke.HKDFSHA512(), 6: hpke.HKDFSHA512()}
	kems := map[byte]uint16{2: 0x0010, 3: 0x0011, 4: 0x0012, 5: 0x0041, 6: 0x0042}
	var key hpke.PrivateKey
	var err error
	switch k := private.(type) {
	case *ecdsa.PrivateKey:
		var exchange *ecdh.PrivateKey
		if exchange, err = k.ECDH(); err == nil {
			key, err = hpke.NewDHKEMPrivateKey(exchange)
		}
	case crypto.Decapsulator:
		key, err = hpke.NewMLKEMPrivateKey(k)
	default:
		err = fmt.Errorf("%T is no HPKE key", private)
	}
	if err == nil && key.KEM().ID() != kems[scheme] {
		err = fmt.Errorf("KEM %#x in scheme %d", key.KEM().ID(), scheme)
	}
	return key, kdfs[scheme], err
}
