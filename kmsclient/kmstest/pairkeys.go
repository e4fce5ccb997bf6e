package kmstest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/mlkem"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
)

// matches checks that both halves of a pair are DER of the spec and belong together.
func matches(spec string, public, private []byte) error {
	switch spec {
	case "ECC_SECG_P256K1":
		return matchSecp(public, private)
	case "ML_KEM_768", "ML_KEM_1024":
		return matchKEM(spec, public, private)
	}
	pub, err := x509.ParsePKIXPublicKey(public)
	if err != nil {
		return err
	}
	priv, err := x509.ParsePKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	canonical, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		return err
	}
	if !bytes.Equal(canonical, private) {
		return errors.New("the private key is not encoded as Go encodes it")
	}
	return fits(spec, pub, priv)
}

// fits checks the halves that package x509 knows.
func fits(spec string, pub, priv any) error {
	switch k := priv.(type) {
	case *rsa.PrivateKey:
		if fmt.Sprintf("RSA_%d", k.N.BitLen()) != spec || !k.PublicKey.Equal(pub) {
			return fmt.Errorf("an RSA pair of %d bits whose halves are equal: %v",
				k.N.BitLen(), k.PublicKey.Equal(pub))
		}
		return k.Validate()
	case *ecdsa.PrivateKey:
		curves := map[string]elliptic.Curve{"ECC_NIST_P256": elliptic.P256(),
			"ECC_NIST_P384": elliptic.P384(), "ECC_NIST_P521": elliptic.P521()}
		if k.Curve != curves[spec] || !k.PublicKey.Equal(pub) {
			return fmt.Errorf("an ECDSA pair on %s whose halves are equal: %v",
				k.Curve.Params().Name, k.PublicKey.Equal(pub))
		}
		return nil
	case ed25519.PrivateKey:
		if spec != "ECC_NIST_EDWARDS25519" || !k.Public().(ed25519.PublicKey).Equal(pub) {
			return errors.New("an Ed25519 pair that does not fit")
		}
		return nil
	}
	return fmt.Errorf("private key of %s is a %T", spec, priv)
}

// privateKeyInfo is RFC 5958's, without attributes.
type privateKeyInfo struct {
	Version   int
	Algorithm pkix.AlgorithmIdentifier
	Key       []byte
}

type publicKeyInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	Key       asn1.BitString
}

// parseInfo parses both halves, strictly, and checks that they name the same algorithm.
func parseInfo(public, private []byte) (pub publicKeyInfo, priv privateKeyInfo, err error) {
	if err = whole(asn1.Unmarshal(public, &pub)); err != nil {
		return pub, priv, fmt.Errorf("public key: %w", err)
	}
	if err = whole(asn1.Unmarshal(private, &priv)); err != nil {
		return pub, priv, fmt.Errorf("private key: %w", err)
	}
	if priv.Version != 0 || !pub.Algorithm.Algorithm.Equal(priv.Algorithm.Algorithm) ||
		!bytes.Equal(pub.Algorithm.Parameters.FullBytes, priv.Algorithm.Parameters.FullBytes) {
		return pub, priv, errors.New("the halves differ in their algorithm")
	}
	return pub, priv, nil
}

func whole(rest []byte, err error) error {
	if err == nil && len(rest) > 0 {
		err = errors.New("trailing bytes")
	}
	return err
}

// matchKEM checks an ML-KEM pair (RFC 9935): the private key is the seed alone.
func matchKEM(spec string, public, private []byte) error {
	pub, priv, err := parseInfo(public, private)
	if err != nil {
		return err
	}
	last := map[string]int{"ML_KEM_768": 2, "ML_KEM_1024": 3}[spec]
	if !pub.Algorithm.Algorithm.Equal(asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, last}) ||
		len(pub.Algorithm.Parameters.FullBytes) > 0 {
		return fmt.Errorf("%s has the algorithm %v", spec, pub.Algorithm)
	}
	seed, ok := bytes.CutPrefix(priv.Key, []byte{0x80, mlkem.SeedSize})
	if !ok || len(seed) != mlkem.SeedSize {
		return fmt.Errorf("%s: the private key is not the seed", spec)
	}
	var want []byte
	if spec == "ML_KEM_768" {
		k, err := mlkem.NewDecapsulationKey768(seed)
		if err != nil {
			return err
		}
		want = k.EncapsulationKey().Bytes()
	} else {
		k, err := mlkem.NewDecapsulationKey1024(seed)
		if err != nil {
			return err
		}
		want = k.EncapsulationKey().Bytes()
	}
	if !bytes.Equal(want, pub.Key.Bytes) {
		return fmt.Errorf("%s: the seed gives another public key", spec)
	}
	return nil
}

// ecPrivateKey is RFC 5915's.
type ecPrivateKey struct {
	Version int
	Key     []byte
	Curve   asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
	Public  asn1.BitString        `asn1:"optional,explicit,tag:1"`
}

// matchSecp checks a secp256k1 pair by plain arithmetic of its own.
func matchSecp(public, private []byte) error {
	pub, priv, err := parseInfo(public, private)
	if err != nil {
		return err
	}
	var curve asn1.ObjectIdentifier
	if err := whole(asn1.Unmarshal(pub.Algorithm.Parameters.FullBytes, &curve)); err != nil {
		return err
	}
	if !pub.Algorithm.Algorithm.Equal(asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}) ||
		!curve.Equal(asn1.ObjectIdentifier{1, 3, 132, 0, 10}) {
		return fmt.Errorf("not secp256k1: %v on %v", pub.Algorithm.Algorithm, curve)
	}
	var ec ecPrivateKey
	if err := whole(asn1.Unmarshal(priv.Key, &ec)); err != nil {
		return err
	}
	point := pub.Key.Bytes
	if ec.Version != 1 || len(ec.Key) != 32 || len(point) != 65 || point[0] != 4 ||
		!bytes.Equal(ec.Public.Bytes, point) {
		return errors.New("secp256k1: the private key is not RFC 5915's with the public key in it")
	}
	x, y := secpMultiply(new(big.Int).SetBytes(ec.Key))
	if x.Cmp(new(big.Int).SetBytes(point[1:33])) != 0 ||
		y.Cmp(new(big.Int).SetBytes(point[33:])) != 0 {
		return errors.New("secp256k1: the private key gives another public key")
	}
	return nil
}

// secpMultiply is k times the generator of secp256k1 (SEC 2) by the school formulas.
func secpMultiply(k *big.Int) (x, y *big.Int) {
	number := func(s string) *big.Int { n, _ := new(big.Int).SetString(s, 16); return n }
	p := number("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f")
	gx := number("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
	gy := number("483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8")
	for i := k.BitLen() - 1; i >= 0; i-- {
		if x != nil {
			slope := new(big.Int).Mul(big.NewInt(3), new(big.Int).Mul(x, x))
			x, y = chord(p, slope, new(big.Int).Add(y, y), x, y, x)
		}
		if k.Bit(i) == 1 && x == nil {
			x, y = gx, gy
		} else if k.Bit(i) == 1 {
			x, y = chord(p, new(big.Int).Sub(gy, y), new(big.Int).Sub(gx, x), x, y, gx)
		}
	}
	return x, y
}

// chord is the third point on the line of slope rise/run through x, y and a point at x2, mirrored.
func chord(p, rise, run, x, y, x2 *big.Int) (*big.Int, *big.Int) {
	slope := new(big.Int).Mul(rise, new(big.Int).ModInverse(new(big.Int).Mod(run, p), p))
	x3 := new(big.Int).Mul(slope, slope)
	x3.Sub(x3, x).Sub(x3, x2).Mod(x3, p)
	y3 := new(big.Int).Sub(x, x3)
	y3.Mul(y3, slope).Sub(y3, y).Mod(y3, p)
	return x3, y3
}
