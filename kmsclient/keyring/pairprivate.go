package keyring

import (
	"bytes"
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
)

// privateKey is the private half of a pair, as Go's packages hold it: on the heap. It is made, used
// and wiped within one call.
type privateKey struct {
	public *publicKey
	rsa    *rsa.PrivateKey // scheme 1
	kem    hpke.PrivateKey // the others
	wipes  []func() bool
}

var errPrivateKey = errors.New("it is no PKCS #8 private key of a kind that is used here")

// parsePrivateKey reads a DER PrivateKeyInfo (RFC 5958). Package x509 would do for most of it, but
// knows no ML-KEM, and leaves copies behind that nobody could wipe. Nothing is copied here but into
// the key itself.
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
	// attributes and a public key may follow
	key, _, ok := element(info, asn1.ClassUniversal, asn1.TagOctetString)
	if err != nil || !ok {
		return k, errPrivateKey
	}
	switch oid := algorithm.Algorithm; {
	case oid.Equal(oidRSA):
		return k, k.readRSA(key)
	case oid.Equal(oidEC):
		return k, k.readEC(key, algorithm.Parameters.FullBytes)
	default:
		if spec := specOf(oid); spec != nil && spec.expand != nil {
			return k, k.readMLKEM(key, spec)
		}
	}
	return k, errPrivateKey
}

// element takes one DER element of the given class and tag from the front of b. Contents and rest
// alias b.
func element(b []byte, class, tag int) (contents, rest []byte, ok bool) {
	var v asn1.RawValue
	rest, err := asn1.Unmarshal(b, &v)
	return v.Bytes, rest, err == nil && v.Class == class && v.Tag == tag
}

// readRSA takes an RSAPrivateKey (RFC 8017, A.1.2), which package x509 reads into numbers that the
// key keeps, and checks.
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
	body, _, ok := element(der, asn1.ClassUniversal, asn1.TagSequence)
	_, body, ok2 := element(body, asn1.ClassUniversal, asn1.TagInteger)
	number, _, ok3 := element(body, asn1.ClassUniversal, asn1.TagOctetString)
	spec := specOf(oid)
	if spec == nil || spec.curve == nil || !ok || !ok2 || !ok3 {
		return errPrivateKey
	}
	size := spec.encSize / 2 // the encoded point has a byte, and two numbers of this size
	if number = bytes.TrimLeft(number, "\x00"); len(number) > size {
		return errPrivateKey
	}
	scalar, err := keymem.New(size)
	if err != nil {
		return err
	}
	defer scalar.Destroy()
	copy(scalar.Bytes()[size-len(number):], number)
	key, err := spec.curve.NewPrivateKey(scalar.Bytes())
	if err != nil {
		return err
	}
	k.wipes = append(k.wipes, func() bool {
		return keymem.WipeField(key, "privateKey")
	}, func() bool { return keymem.WipeField(key, "fips", "d") })
	if k.kem, err = hpke.NewDHKEMPrivateKey(key); err != nil {
		return err
	}
	k.public, err = kemPublic(spec, k.kem.PublicKey())
	return err
}

// readMLKEM takes the seed form (RFC 9935): seed [0] IMPLICIT OCTET STRING of 64 bytes.
func (k *privateKey) readMLKEM(der []byte, spec *hpkeSpec) error {
	seed, rest, ok := element(der, asn1.ClassContextSpecific, 0)
	if !ok || len(rest) > 0 || len(seed) != mlkem.SeedSize {
		return errors.New("it is an ML-KEM key without the seed form of RFC 9935")
	}
	key, err := spec.expand(seed)
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
			// package rsa takes it without its leading zeros (RFC 8017, 7.1.2 does not)
			return nil, errors.New("not of the size of the modulus")
		}
		return rsa.DecryptOAEP(sha256.New(), nil, k.rsa, sealed, info)
	}
	spec := k.public.hpke
	size := spec.encSize
	if len(sealed) < size {
		return nil, errors.New("shorter than its encapsulated key")
	}
	recipient, err := hpke.NewRecipient(sealed[:size], k.kem, spec.kdf, hpke.AES256GCM(), info)
	if err != nil {
		return nil, err
	}
	defer wipeContext(recipient)
	return recipient.Open(nil, sealed[size:])
}

// wipe clears every copy of the private key that can be reached, and tells whether it found all
// that it looked for.
func (k *privateKey) wipe() bool {
	done := true
	for _, wipe := range k.wipes {
		done = wipe() && done
	}
	return done
}
