package keyring

import (
	"bytes"
	"crypto"
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

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/format"
)

var (
	oidRSA       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}     // RFC 8017
	oidEC        = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}         // RFC 5480
	oidMLKEM768  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, 2} // RFC 9935
	oidMLKEM1024 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, 3} // RFC 9935
)

// publicKey is the public half of a pair: rsa is set for scheme 1, kem for the others.
type publicKey struct {
	spec   string // KeyPairSpec of KMS
	scheme format.PairScheme
	rsa    *rsa.PublicKey
	kem    hpke.PublicKey
}

// subjectPublicKeyInfo is SubjectPublicKeyInfo of RFC 5280.
type subjectPublicKeyInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	PublicKey asn1.BitString
}

// parsePublicKey reads a DER SubjectPublicKeyInfo in the one spelling that a reader derives from the private key; by another its public
// key id would not be found again.
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
	raw := info.PublicKey.RightAlign()
	switch oid := info.Algorithm.Algorithm; {
	case oid.Equal(oidMLKEM768):
		k, err := mlkem.NewEncapsulationKey768(raw)
		if err != nil {
			return nil, err
		}
		return mlkemPublic("ML_KEM_768", k)
	case oid.Equal(oidMLKEM1024):
		k, err := mlkem.NewEncapsulationKey1024(raw)
		if err != nil {
			return nil, err
		}
		return mlkemPublic("ML_KEM_1024", k)
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
	return kemPublic(fmt.Sprintf("ECC_NIST_P%d", k.Params().BitSize), kem)
}

func mlkemPublic(spec string, k crypto.Encapsulator) (*publicKey, error) {
	kem, err := hpke.NewMLKEMPublicKey(k)
	if err != nil {
		return nil, err
	}
	return kemPublic(spec, kem)
}

func kemPublic(spec string, kem hpke.PublicKey) (*publicKey, error) {
	scheme, ok := format.PairSchemeOf(spec)
	if !ok {
		return nil, fmt.Errorf("%s is not used", spec)
	}
	return &publicKey{spec: spec, scheme: scheme, kem: kem}, nil
}

// marshal gives the SubjectPublicKeyInfo.
func (k *publicKey) marshal() ([]byte, error) {
	switch k.scheme {
	case format.PairRSAOAEP:
		return x509.MarshalPKIXPublicKey(k.rsa)
	case format.PairHPKEMLKEM768:
		return marshalMLKEM(oidMLKEM768, k.kem.Bytes())
	case format.PairHPKEMLKEM1024:
		return marshalMLKEM(oidMLKEM1024, k.kem.Bytes())
	}
	exchange, err := curveOf(k.scheme).NewPublicKey(k.kem.Bytes())
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(exchange)
}

func marshalMLKEM(oid asn1.ObjectIdentifier, key []byte) ([]byte, error) {
	return asn1.Marshal(subjectPublicKeyInfo{
		Algorithm: pkix.AlgorithmIdentifier{Algorithm: oid},
		PublicKey: asn1.BitString{Bytes: key, BitLength: 8 * len(key)},
	})
}

// seal makes a sealed data key, by which a data key goes to whoever has the private key and the same info.
func (k *publicKey) seal(info, dataKey []byte) ([]byte, error) {
	if k.scheme == format.PairRSAOAEP {
		return rsa.EncryptOAEP(sha256.New(), rand.Reader, k.rsa, dataKey, info)
	}
	enc, sender, err := hpke.NewSender(k.kem, kdfOf(k.scheme), hpke.AES256GCM(), info)
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

// kdfOf is the KDF of an HPKE scheme (format specification, "Slot type 2").
func kdfOf(s format.PairScheme) hpke.KDF {
	switch s {
	case format.PairHPKEP256:
		return hpke.HKDFSHA256()
	case format.PairHPKEP384:
		return hpke.HKDFSHA384()
	}
	return hpke.HKDFSHA512()
}

// wipeContext clears what an HPKE context, an *hpke.Sender or *hpke.Recipient, holds of its AES key.
func wipeContext(c any) bool {
	nonce := keymem.WipeField(c, "context", "baseNonce")
	key := keymem.WipeField(c, "context", "aead", "g") ||
		keymem.WipeField(c, "context", "aead") // with GOFIPS140=v1.0.0 it is AES-GCM itself, not a wrapper
	return key && nonce
}
