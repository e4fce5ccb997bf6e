package keystore

import (
	"crypto/rsa"
	"encoding/asn1"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/envseal/envseal/envelope/keymem"
)

// The DER of private keys is written here because package x509 copies them about the heap; that of
// public keys where x509 does not know their kind: secp256k1 and ML-KEM.
var (
	oidRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1} // RFC 8017, with NULL parameters
	// RFC 5480, with the curve as parameter
	oidEC        = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidP256      = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}      // RFC 5480
	oidP384      = asn1.ObjectIdentifier{1, 3, 132, 0, 34}               // RFC 5480
	oidP521      = asn1.ObjectIdentifier{1, 3, 132, 0, 35}               // RFC 5480
	oidSecp256k1 = asn1.ObjectIdentifier{1, 3, 132, 0, 10}               // SEC 2
	oidEd25519   = asn1.ObjectIdentifier{1, 3, 101, 112}                 // RFC 8410, no parameters
	oidMLKEM768  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, 2} // RFC 9935, no parameters
	oidMLKEM1024 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, 3} // RFC 9935, no parameters
)

// Tags of a bare private key inside PKCS #8's OCTET STRING.
var (
	octetString der.Tag = der.OCTET_STRING             // CurvePrivateKey, RFC 8410
	seedChoice          = der.Tag(0).ContextSpecific() // seed [0] IMPLICIT OCTET STRING, RFC 9935
)

// maxPrivateDER is room for the largest private key, RSA_4096, which takes some 2 375 bytes.
const maxPrivateDER = 4096

type fields = func(*cryptobyte.Builder)

// addAlgorithm adds an AlgorithmIdentifier.
func addAlgorithm(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, parameters fields) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if parameters != nil {
			parameters(b)
		}
	})
}

// spki makes a SubjectPublicKeyInfo (RFC 5280).
func spki(oid asn1.ObjectIdentifier, parameters fields, key []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		addAlgorithm(b, oid, parameters)
		b.AddASN1BitString(key)
	})
	return b.Bytes()
}

// pkcs8 makes a PrivateKeyInfo (RFC 5958) in locked memory. The caller owes the Destroy.
func pkcs8(oid asn1.ObjectIdentifier, parameters, key fields) (*keymem.Buffer, error) {
	buf, err := keymem.New(maxPrivateDER)
	if err != nil {
		return nil, err
	}
	b := cryptobyte.NewFixedBuilder(buf.Bytes()[:0]) // it never leaves buf: it fails where buf is full
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		addAlgorithm(b, oid, parameters)
		b.AddASN1(der.OCTET_STRING, key)
	})
	out, err := b.Bytes()
	if err != nil {
		buf.Destroy()
		return nil, err
	}
	buf.Truncate(len(out))
	return buf, nil
}

func seedPKCS8(oid asn1.ObjectIdentifier, tag der.Tag, seed []byte) (*keymem.Buffer, error) {
	return pkcs8(oid, nil, func(b *cryptobyte.Builder) {
		b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(seed) })
	})
}

// ecPKCS8 holds an ECPrivateKey (RFC 5915) with the public key in it and without the curve, which
// stands outside.
func ecPKCS8(curve fields, scalar, point []byte) (*keymem.Buffer, error) {
	return pkcs8(oidEC, curve, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(1)
			b.AddASN1OctetString(scalar)
			b.AddASN1(der.Tag(1).ContextSpecific().Constructed(),
				func(b *cryptobyte.Builder) { b.AddASN1BitString(point) })
		})
	})
}

// rsaPKCS8 holds an RSAPrivateKey (RFC 8017, A.1.2).
func rsaPKCS8(k *rsa.PrivateKey) (*keymem.Buffer, error) {
	scratch, err := keymem.New(k.N.BitLen()/8 + 1)
	if err != nil {
		return nil, err
	}
	defer scratch.Destroy()
	return pkcs8(oidRSA, (*cryptobyte.Builder).AddASN1NULL, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(0)
			b.AddASN1BigInt(k.N)
			b.AddASN1Int64(int64(k.E))
			c := k.Precomputed
			for _, n := range []*big.Int{k.D, k.Primes[0], k.Primes[1], c.Dp, c.Dq, c.Qinv} {
				b.AddASN1(der.INTEGER, func(b *cryptobyte.Builder) {
					// One bit more than the number has: DER's sign bit.
					b.AddBytes(n.FillBytes(scratch.Bytes()[:n.BitLen()/8+1]))
				})
			}
		})
	})
}
