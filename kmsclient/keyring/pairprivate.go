package keyring

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/mlkem"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/format"
)

// privateKey is the private half of a pair, as Go's packages hold it: on the heap. It is made, used and wiped within one call.
type privateKey struct {
	public *publicKey
	rsa    *rsa.PrivateKey // scheme 1
	kem    hpke.PrivateKey // the others
	wipes  []func() bool
}

var errPrivateKey = errors.New("it is no PKCS #8 private key of a kind that is used here")

// parsePrivateKey reads a DER PrivateKeyInfo (RFC 5958). Package x509 would do for most of it, but knows no ML-KEM, and leaves copies behind that nobody could wipe.
// Nothing is copied here but into the key itself.
func parsePrivateKey(der []byte) (*privateKey, error) {
	k, err := readPrivateKey(der)
	if err != nil {
		k.wipe()
		return nil, fmt.Errorf("%w: %w", ErrPair, err)
	}
	return k, nil
}

// readPrivateKey returns the key also with an error, to be wiped.
func readPrivateKey(der []byte) (*privateKey, error) {
	k := &privateKey{}
	info, rest, ok := element(der, asn1.ClassUniversal, asn1.TagSequence)
	_, info, ok2 := element(info, asn1.ClassUniversal, asn1.TagInteger)
	if !ok || !ok2 || len(rest) > 0 {
		return k, errPrivateKey
	}
	var algorithm pkix.AlgorithmIdentifier
	info, err := asn1.Unmarshal(info, &algorithm)
	key, _, ok := element(info, asn1.ClassUniversal, asn1.TagOctetString) // attributes and a public key may follow
	if err != nil || !ok {
		return k, errPrivateKey
	}
	switch oid := algorithm.Algorithm; {
	case oid.Equal(oidRSA):
		return k, k.readRSA(key)
	case oid.Equal(oidEC):
		return k, k.readEC(key, algorithm.Parameters.FullBytes)
	case oid.Equal(oidMLKEM768), oid.Equal(oidMLKEM1024):
		return k, k.readMLKEM(key, oid)
	}
	return k, errPrivateKey
}

// element takes one DER element of the given class and tag from the front of b. Contents and rest alias b.
func element(b []byte, class, tag int) (contents, rest []byte, ok bool) {
	var v asn1.RawValue
	rest, err := asn1.Unmarshal(b, &v)
	return v.Bytes, rest, err == nil && v.Class == class && v.Tag == tag
}

// readRSA takes an RSAPrivateKey (RFC 8017, A.1.2), which package x509 reads into numbers that the key keeps, and checks.
func (k *privateKey) readRSA(der []byte) error {
	var err error
	if k.rsa, err = x509.ParsePKCS1PrivateKey(der); err != nil {
		return err
	}
	k.wipes = append(k.wipes, func() bool { return keymem.WipeRSA(k.rsa) })
	k.public, err = rsaPublic(&k.rsa.PublicKey)
	return err
}

// readEC takes an ECPrivateKey (RFC 5915). Leading zeros of the number may be missing.
func (k *privateKey) readEC(der, parameters []byte) error {
	var oid asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(parameters, &oid); err != nil {
		return errPrivateKey
	}
	spec, curve := curveByOID(oid)
	body, _, ok := element(der, asn1.ClassUniversal, asn1.TagSequence)
	_, body, ok2 := element(body, asn1.ClassUniversal, asn1.TagInteger)
	number, _, ok3 := element(body, asn1.ClassUniversal, asn1.TagOctetString)
	size := (curveBits[spec] + 7) / 8
	number = bytes.TrimLeft(number, "\x00")
	if curve == nil || !ok || !ok2 || !ok3 || len(number) > size {
		return errPrivateKey
	}
	scalar, err := keymem.New(size)
	if err != nil {
		return err
	}
	defer scalar.Destroy()
	copy(scalar.Bytes()[size-len(number):], number)
	key, err := curve.NewPrivateKey(scalar.Bytes())
	if err != nil {
		return err
	}
	k.wipes = append(k.wipes, func() bool { return keymem.WipeField(key, "privateKey") }, func() bool { return keymem.WipeField(key, "fips", "d") })
	if k.kem, err = hpke.NewDHKEMPrivateKey(key); err != nil {
		return err
	}
	k.public, err = kemPublic(spec, k.kem.PublicKey())
	return err
}

// The curves of ECC_NIST_*, RFC 5480.
var (
	oidP256   = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	oidP384   = asn1.ObjectIdentifier{1, 3, 132, 0, 34}
	oidP521   = asn1.ObjectIdentifier{1, 3, 132, 0, 35}
	curveBits = map[string]int{"ECC_NIST_P256": 256, "ECC_NIST_P384": 384, "ECC_NIST_P521": 521}
)

func curveByOID(oid asn1.ObjectIdentifier) (spec string, curve ecdh.Curve) {
	switch {
	case oid.Equal(oidP256):
		return "ECC_NIST_P256", ecdh.P256()
	case oid.Equal(oidP384):
		return "ECC_NIST_P384", ecdh.P384()
	case oid.Equal(oidP521):
		return "ECC_NIST_P521", ecdh.P521()
	}
	return "", nil
}

// curveOf is the curve of schemes 2 to 4.
func curveOf(s format.PairScheme) ecdh.Curve {
	switch s {
	case format.PairHPKEP256:
		return ecdh.P256()
	case format.PairHPKEP384:
		return ecdh.P384()
	}
	return ecdh.P521()
}

// readMLKEM takes the seed form (RFC 9935): seed [0] IMPLICIT OCTET STRING of 64 bytes.
func (k *privateKey) readMLKEM(der []byte, oid asn1.ObjectIdentifier) error {
	seed, rest, ok := element(der, asn1.ClassContextSpecific, 0)
	if !ok || len(rest) > 0 || len(seed) != mlkem.SeedSize {
		return errors.New("it is an ML-KEM key without the seed form of RFC 9935")
	}
	spec, parse := "ML_KEM_768", mlkem768
	if oid.Equal(oidMLKEM1024) {
		spec, parse = "ML_KEM_1024", mlkem1024
	}
	key, err := parse(seed)
	if err != nil {
		return err
	}
	k.wipes = append(k.wipes, func() bool { return keymem.WipeField(key, "key") })
	if k.kem, err = hpke.NewMLKEMPrivateKey(key); err != nil {
		return err
	}
	k.public, err = kemPublic(spec, k.kem.PublicKey())
	return err
}

func mlkem768(seed []byte) (crypto.Decapsulator, error)  { return mlkem.NewDecapsulationKey768(seed) }
func mlkem1024(seed []byte) (crypto.Decapsulator, error) { return mlkem.NewDecapsulationKey1024(seed) }

func (k *privateKey) scheme() format.PairScheme { return k.public.scheme }

// publicKeyID is SHA-256 of the public key that belongs to the private one.
func (k *privateKey) publicKeyID() ([32]byte, error) {
	der, err := k.public.marshal()
	if err != nil {
		return [32]byte{}, fmt.Errorf("%w: %w", ErrPair, err)
	}
	return sha256.Sum256(der), nil
}

// open gives the data key, which the caller wipes.
func (k *privateKey) open(info, sealed []byte) ([]byte, error) {
	if k.rsa != nil {
		if len(sealed) != k.rsa.Size() {
			return nil, errors.New("not of the size of the modulus") // package rsa takes it without its leading zeros (RFC 8017, 7.1.2 does not)
		}
		return rsa.DecryptOAEP(sha256.New(), nil, k.rsa, sealed, info)
	}
	size := encSize[k.scheme()]
	if len(sealed) < size {
		return nil, errors.New("shorter than its encapsulated key")
	}
	recipient, err := hpke.NewRecipient(sealed[:size], k.kem, kdfOf(k.scheme()), hpke.AES256GCM(), info)
	if err != nil {
		return nil, err
	}
	defer wipeContext(recipient)
	return recipient.Open(nil, sealed[size:])
}

// encSize is the size of an encapsulated key (format specification, "Slot type 2").
var encSize = map[format.PairScheme]int{
	format.PairHPKEP256: 65, format.PairHPKEP384: 97, format.PairHPKEP521: 133,
	format.PairHPKEMLKEM768: mlkem.CiphertextSize768, format.PairHPKEMLKEM1024: mlkem.CiphertextSize1024,
}

// wipe clears every copy of the private key that can be reached, and tells whether it found all that it looked for.
func (k *privateKey) wipe() bool {
	done := true
	for _, wipe := range k.wipes {
		done = wipe() && done
	}
	return done
}
