package keystore

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"slices"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"golang.org/x/crypto/cryptobyte"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

// pair is a new key pair: SubjectPublicKeyInfo, and PKCS #8 in locked memory.
type pair struct {
	public  []byte
	private *keymem.Buffer
}

// pairMakers are the key pair specs. RSA takes its time: some 0.1 s for 2048 bits, a second and
// more for 4096.
var pairMakers = map[string]func() (pair, error){
	"RSA_2048":              rsaPair(2048),
	"RSA_3072":              rsaPair(3072),
	"RSA_4096":              rsaPair(4096),
	"ECC_NIST_P256":         nistPair(ecdh.P256(), oidP256, 256),
	"ECC_NIST_P384":         nistPair(ecdh.P384(), oidP384, 384),
	"ECC_NIST_P521":         nistPair(ecdh.P521(), oidP521, 521),
	"ECC_SECG_P256K1":       pairFrom(secp256k1.PrivKeyBytesLen, secpPair),
	"ECC_NIST_EDWARDS25519": pairFrom(ed25519.SeedSize, edwardsPair),
	"ML_KEM_768":            kemPair(oidMLKEM768, kem768),
	"ML_KEM_1024":           kemPair(oidMLKEM1024, kem1024),
}

// pairFrom makes pairs out of so many random bytes in locked memory, which are wiped afterwards.
func pairFrom(size int, expand func(secret []byte) (pair, error)) func() (pair, error) {
	return func() (p pair, err error) {
		secret, err := randomSecret(size)
		if err != nil {
			return pair{}, err
		}
		defer secret.Destroy()
		keymem.Do(func() { p, err = expand(secret.Bytes()) })
		return p, err
	}
}

// unmadeSpecs are the key pair specs of KMS that Go's standard library has no key generation for.
var unmadeSpecs = []string{"ML_KEM_512", "SM2"}

// GenerateDataKeyPair makes a key pair, and the private key's CiphertextBlob. Making an RSA pair
// does not stop when ctx ends.
func (s *Store) GenerateDataKeyPair(ctx context.Context,
	in kmsclient.GenerateDataKeyPairInput) (_ *kmsclient.KeyPair, err error) {
	defer complete(&err, "GenerateDataKeyPair", in.KeyID)
	return s.generatePair(ctx, in)
}

// GenerateDataKeyPairWithoutPlaintext makes a key pair whose private key nobody has seen.
// PrivateKeyPlaintext is nil.
func (s *Store) GenerateDataKeyPairWithoutPlaintext(ctx context.Context,
	in kmsclient.GenerateDataKeyPairInput) (_ *kmsclient.KeyPair, err error) {
	defer complete(&err, "GenerateDataKeyPairWithoutPlaintext", in.KeyID)
	out, err := s.generatePair(ctx, in)
	if err != nil {
		return nil, err
	}
	out.PrivateKeyPlaintext.Destroy()
	out.PrivateKeyPlaintext = nil
	return out, nil
}

func (s *Store) generatePair(ctx context.Context,
	in kmsclient.GenerateDataKeyPairInput) (*kmsclient.KeyPair, error) {
	generate := pairMakers[in.KeyPairSpec]
	switch {
	case slices.Contains(unmadeSpecs, in.KeyPairSpec):
		return nil, refuseAs("UnsupportedOperationException",
			"KeyPairSpec %s is not supported by the embedded keystore.", in.KeyPairSpec)
	case generate == nil:
		return nil, outsideEnum("keyPairSpec", kmsclient.KeyPairSpecs)
	}
	out := &kmsclient.KeyPair{KeyPairSpec: in.KeyPairSpec}
	made, err := s.sealNew(ctx, in.KeyID, in.Options, in.EncryptionContext,
		func() (*keymem.Buffer, error) {
			p, err := generate()
			out.PublicKey = p.public
			return p.private, err
		})
	if err != nil {
		return nil, err
	}
	out.KeyID, out.KeyMaterialID = made.key.arn(), made.key.currentID()
	out.PrivateKeyPlaintext, out.PrivateKeyCiphertextBlob = made.secret, made.blob
	return out, nil
}

func rsaPair(bits int) func() (pair, error) {
	return func() (pair, error) {
		private, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			return pair{}, err
		}
		return takeRSA(private)
	}
}

// takeRSA encodes the key and wipes it. What rsa.GenerateKey leaves of its own steps cannot be
// reached.
func takeRSA(private *rsa.PrivateKey) (pair, error) {
	defer keymem.WipeRSA(private)
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return pair{}, err
	}
	secret, err := rsaPKCS8(private)
	return pair{public, secret}, err
}

// nistPair draws the scalar into locked memory, as FIPS 186-5 has it in appendix A.2.2 (rejection
// of candidates). The package's own GenerateKey leaves it on the heap, where nobody can wipe it.
func nistPair(curve ecdh.Curve, oid []int, bits int) func() (pair, error) {
	return pairFrom((bits+7)/8, func(d []byte) (pair, error) {
		for candidate := 1; ; candidate++ {
			d[0] &= 0xff >> (8*len(d) - bits)
			private, err := curve.NewPrivateKey(d)
			switch {
			case err == nil: // it is above zero and below the order
				defer keymem.WipeField(private, "privateKey")
				defer keymem.WipeField(private, "fips", "d")
				return ecPair(oid, d, private.PublicKey().Bytes())
			case candidate == maxCandidates:
				return pair{}, err
			}
			rand.Read(d)
		}
	})
}

// maxCandidates bounds the search for a scalar below the order of the curve. One candidate in 2^32
// is refused, or fewer.
const maxCandidates = 16

func secpPair(scalar []byte) (pair, error) {
	for {
		if point := secpPublic(scalar); point != nil {
			return ecPair(oidSecp256k1, scalar, point)
		}
		rand.Read(scalar) // one in 2^127 is refused
	}
}

// secpPublic is the uncompressed point (SEC 1, section 2.3.3) of a private key, or nil where scalar
// is none. All that is secret stays on the stack. The time of the multiplication depends on the
// scalar; nobody can have it done twice for the same one.
func secpPublic(scalar []byte) []byte {
	var k secp256k1.ModNScalar
	if k.SetByteSlice(scalar) || k.IsZero() {
		return nil
	}
	var point secp256k1.JacobianPoint
	secp256k1.ScalarBaseMultNonConst(&k, &point)
	point.ToAffine()
	return secp256k1.NewPublicKey(&point.X, &point.Y).SerializeUncompressed()
}

func ecPair(oid []int, scalar, point []byte) (pair, error) {
	curve := func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oid) }
	public, err := spki(oidEC, curve, point)
	if err != nil {
		return pair{}, err
	}
	secret, err := ecPKCS8(curve, scalar, point)
	return pair{public, secret}, err
}

func edwardsPair(seed []byte) (p pair, err error) {
	private := ed25519.NewKeyFromSeed(seed)
	defer keymem.Wipe(private)
	if p.public, err = x509.MarshalPKIXPublicKey(private.Public()); err == nil {
		p.private, err = seedPKCS8(oidEd25519, octetString, seed)
	}
	return p, err
}

// kemPair makes ML-KEM pairs whose private key is the seed (RFC 9935).
func kemPair(oid []int,
	expand func(seed []byte) (crypto.Decapsulator, error)) func() (pair, error) {
	return pairFrom(mlkem.SeedSize, func(seed []byte) (p pair, err error) {
		private, err := expand(seed)
		if err != nil {
			return pair{}, err
		}
		defer keymem.WipeField(private, "key")
		if p.public, err = spki(oid, nil, private.Encapsulator().Bytes()); err == nil {
			p.private, err = seedPKCS8(oid, seedChoice, seed)
		}
		return p, err
	})
}

func kem768(seed []byte) (crypto.Decapsulator, error) { return mlkem.NewDecapsulationKey768(seed) }
func kem1024(seed []byte) (crypto.Decapsulator, error) {
	return mlkem.NewDecapsulationKey1024(seed)
}
