package keyring

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hpke"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/format"
)

var (
	oidRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1} // RFC 8017
	oidEC  = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}     // RFC 5480
)

// hpkeSpec is a KeyPairSpec of KMS to whose pairs HPKE seals (format specification, "Slot type 2").
type hpkeSpec struct {
	name    string
	oid     asn1.ObjectIdentifier // of the curve (RFC 5480), or of ML-KEM (RFC 9935)
	kem     hpke.KEM
	kdf     hpke.KDF
	encSize int        // bytes of an encapsulated key
	curve   ecdh.Curve // nil for ML-KEM
	// expand makes the private key of a seed; nil for curves.
	expand func(seed []byte) (crypto.Decapsulator, error)
}

var hpkeSpecs = []*hpkeSpec{
	curveSpec("ECC_NIST_P256", asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7},
		ecdh.P256(), hpke.HKDFSHA256(), 65),
	curveSpec("ECC_NIST_P384", asn1.ObjectIdentifier{1, 3, 132, 0, 34},
		ecdh.P384(), hpke.HKDFSHA384(), 97),
	curveSpec("ECC_NIST_P521", asn1.ObjectIdentifier{1, 3, 132, 0, 35},
		ecdh.P521(), hpke.HKDFSHA512(), 133),
	{
		name: "ML_KEM_768", oid: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, 2},
		kem: hpke.MLKEM768(), kdf: hpke.HKDFSHA512(), encSize: mlkem.CiphertextSize768,
		expand: func(seed []byte) (crypto.Decapsulator, error) {
			return mlkem.NewDecapsulationKey768(seed)
		},
	},
	{
		name: "ML_KEM_1024", oid: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, 3},
		kem: hpke.MLKEM1024(), kdf: hpke.HKDFSHA512(), encSize: mlkem.CiphertextSize1024,
		expand: func(seed []byte) (crypto.Decapsulator, error) {
			return mlkem.NewDecapsulationKey1024(seed)
		},
	},
}

func curveSpec(name string, oid asn1.ObjectIdentifier, curve ecdh.Curve,
	kdf hpke.KDF, encSize int) *hpkeSpec {
	return &hpkeSpec{name: name, oid: oid, kem: hpke.DHKEM(curve), kdf: kdf,
		encSize: encSize, curve: curve}
}

// specOf finds the spec of a curve or of ML-KEM; nil for others.
func specOf(oid asn1.ObjectIdentifier) *hpkeSpec {
	i := slices.IndexFunc(hpkeSpecs, func(s *hpkeSpec) bool { return s.oid.Equal(oid) })
	if i < 0 {
		return nil
	}
	return hpkeSpecs[i]
}

// publicKey is the public half of a pair: rsa is set for scheme 1, hpke and kem for the others.
type publicKey struct {
	spec   string // KeyPairSpec of KMS
	scheme format.PairScheme
	rsa    *rsa.PublicKey
	hpke   *hpkeSpec
	kem    hpke.PublicKey
}

// subjectPublicKeyInfo is SubjectPublicKeyInfo of RFC 5280.
type subjectPublicKeyInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	PublicKey asn1.BitString
}

// parsePublicKey reads a DER SubjectPublicKeyInfo in the one spelling that a reader derives from
// the private key; by another its public key id would not be found again.
func parsePublicKey(der []byte) (*publicKey, error) {
	var info subjectPublicKeyInfo
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("%w: the public key is no SubjectPublicKeyInfo", ErrPair)
	}
	k, err := publicKeyOf(&info, der)
	if err != nil {
		return nil, fmt.Errorf("%w: public key: %w", ErrPair, err)
	}
	again, err := k.marshal()
	if err != nil {
		return nil, fmt.Errorf("%w: public key: %w", ErrPair, err)
	}
	if !bytes.Equal(again, der) {
		return nil, fmt.Errorf("%w: public key: it is not in its canonical DER form", ErrPair)
	}
	return k, nil
}

func publicKeyOf(info *subjectPublicKeyInfo, der []byte) (*publicKey, error) {
	if spec := specOf(info.Algorithm.Algorithm); spec != nil {
		kem, err := spec.kem.NewPublicKey(info.PublicKey.RightAlign())
		if err != nil {
			return nil, err
		}
		return kemPublic(spec, kem)
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, err
	}
	switch k := parsed.(type) {
	case *rsa.PublicKey:
		return rsaPublic(k)
	case *ecdsa.PublicKey:
		return ecPublic(k)
	}
	return nil, fmt.Errorf("%T cannot be sealed to", parsed)
}

func rsaPublic(k *rsa.PublicKey) (*publicKey, error) {
	spec := fmt.Sprintf("RSA_%d", k.N.BitLen())
	if _, ok := format.PairSchemeOf(spec); !ok {
		return nil, fmt.Errorf("%s is not used", spec)
	}
	return &publicKey{spec: spec, scheme: format.PairRSAOAEP, rsa: k}, nil
}

func ecPublic(k *ecdsa.PublicKey) (*publicKey, error) {
	exchange, err := k.ECDH()
	if err != nil {
		return nil, err
	}
	kem, err := hpke.NewDHKEMPublicKey(exchange)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("ECC_NIST_P%d", k.Params().BitSize)
	i := slices.IndexFunc(hpkeSpecs, func(s *hpkeSpec) bool { return s.name == name })
	if i < 0 {
		return nil, fmt.Errorf("%s is not used", name)
	}
	return kemPublic(hpkeSpecs[i], kem)
}

func kemPublic(spec *hpkeSpec, kem hpke.PublicKey) (*publicKey, error) {
	scheme, ok := format.PairSchemeOf(spec.name)
	if !ok {
		return nil, fmt.Errorf("%s is not used", spec.name)
	}
	return &publicKey{spec: spec.name, scheme: scheme, hpke: spec, kem: kem}, nil
}

// marshal gives the SubjectPublicKeyInfo.
func (k *publicKey) marshal() ([]byte, error) {
	switch {
	case k.rsa != nil:
		return x509.MarshalPKIXPublicKey(k.rsa)
	case k.hpke.curve != nil:
		exchange, err := k.hpke.curve.NewPublicKey(k.kem.Bytes())
		if err != nil {
			return nil, err
		}
		return x509.MarshalPKIXPublicKey(exchange)
	}
	key := k.kem.Bytes()
	return asn1.Marshal(subjectPublicKeyInfo{
		Algorithm: pkix.AlgorithmIdentifier{Algorithm: k.hpke.oid},
		PublicKey: asn1.BitString{Bytes: key, BitLength: 8 * len(key)},
	})
}

// seal makes a sealed data key, by which a data key goes to whoever has the private key and the
// same info.
func (k *publicKey) seal(info, dataKey []byte) ([]byte, error) {
	if k.rsa != nil {
		return rsa.EncryptOAEP(sha256.New(), rand.Reader, k.rsa, dataKey, info)
	}
	enc, sender, err := hpke.NewSender(k.kem, k.hpke.kdf, hpke.AES256GCM(), info)
	if err != nil {
		return nil, err
	}
	defer wipeContext(sender)
	ciphertext, err := sender.Seal(nil, dataKey)
	if err != nil {
		return nil, err
	}
	return append(enc, ciphertext...), nil
}

// wipeContext clears what an HPKE context, an *hpke.Sender or *hpke.Recipient, holds of its AES
// key.
func wipeContext(c any) bool {
	nonce := keymem.WipeField(c, "context", "baseNonce")
	key := keymem.WipeField(c, "context", "aead", "g") ||
		// with GOFIPS140=v1.0.0 it is AES-GCM itself, not a wrapper
		keymem.WipeField(c, "context", "aead")
	return key && nonce
}
