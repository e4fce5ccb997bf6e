package keystore

import (
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/rsa"
	"slices"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

// pair is a new key pair: SubjectPublicKeyInfo, and PKCS #8 in locked memory.
type pair struct {
	public  []byte
	private *keymem.Buffer
}

// pairMakers are the key pair specs. RSA takes its time: some 0.1 s for 2048 bits, a second and more for 4096.
var pairMakers = map[string]func() (pair, error){
	"RSA_2048":              func() (pair, error) { return rsaPair(2048) },
	"RSA_3072":              func() (pair, error) { return rsaPair(3072) },
	"RSA_4096":              func() (pair, error) { return rsaPair(4096) },
	"ECC_NIST_P256":         func() (pair, error) { return nistPair(ecdh.P256(), oidP256, 256) },
	"ECC_NIST_P384":         func() (pair, error) { return nistPair(ecdh.P384(), oidP384, 384) },
	"ECC_NIST_P521":         func() (pair, error) { return nistPair(ecdh.P521(), oidP521, 521) },
	"ECC_SECG_P256K1":       secpPair,
	"ECC_NIST_EDWARDS25519": edwardsPair,
	"ML_KEM_768":            func() (pair, error) { return kemPair(oidMLKEM768, kem768) },
	"ML_KEM_1024":           func() (pair, error) { return kemPair(oidMLKEM1024, kem1024) },
}

// unmadeSpecs are the key pair specs of KMS that Go's standard library has no key generation for.
var unmadeSpecs = []string{"ML_KEM_512", "SM2"}

// GenerateDataKeyPair makes a key pair, and the private key's CiphertextBlob. Making an RSA pair does not stop when ctx ends.
func (s *Store) GenerateDataKeyPair(ctx context.Context, in kmsclient.GenerateDataKeyPairInput) (*kmsclient.KeyPair, error) {
	out, err := s.generatePair(ctx, in)
	return out, named("GenerateDataKeyPair", in.KeyID, err)
}

// GenerateDataKeyPairWithoutPlaintext makes a key pair whose private key nobody has seen. PrivateKeyPlaintext is nil.
func (s *Store) GenerateDataKeyPairWithoutPlaintext(ctx context.Context, in kmsclient.GenerateDataKeyPairInput) (*kmsclient.KeyPair, error) {
	out, err := s.generatePair(ctx, in)
	if err != nil {
		return nil, named("GenerateDataKeyPairWithoutPlaintext", in.KeyID, err)
	}
	out.PrivateKeyPlaintext.Destroy()
	out.PrivateKeyPlaintext = nil
	return out, nil
}

func (s *Store) generatePair(ctx context.Context, in kmsclient.GenerateDataKeyPairInput) (*kmsclient.KeyPair, error) {
	generate, err := pairMaker(in.KeyPairSpec)
	if err != nil {
		return nil, err
	}
	var public []byte
	made, err := s.sealNew(ctx, in.KeyID, in.Options, in.EncryptionContext, func() (*keymem.Buffer, error) {
		p, err := generate()
		public = p.public
		return p.private, err
	})
	if err != nil {
		return nil, err
	}
	return &kmsclient.KeyPair{
		KeyID:                    made.key.arn(),
		KeyPairSpec:              in.KeyPairSpec,
		PublicKey:                public,
		PrivateKeyPlaintext:      made.secret,
		PrivateKeyCiphertextBlob: made.blob,
		KeyMaterialID:            made.key.currentID(),
	}, nil
}

func pairMaker(spec string) (func() (pair, error), error) {
	if generate, ok := pairMakers[spec]; ok {
		return generate, nil
	}
	if slices.Contains(unmadeSpecs, spec) {
		return nil, refuse(kmsclient.ErrInvalidRequest, codeUnsupported, "KeyPairSpec %s is not supported by the embedded keystore.", spec)
	}
	return nil, outsideEnum("keyPairSpec", kmsclient.KeyPairSpecs)
}

func rsaPair(bits int) (pair, error) {
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return pair{}, err
	}
	return takeRSA(private)
}

// takeRSA encodes the key and wipes it. What rsa.GenerateKey leaves of its own steps cannot be reached.
func takeRSA(private *rsa.PrivateKey) (pair, error) {
	defer keymem.WipeRSA(private)
	public, err := rsaSPKI(&private.PublicKey)
	if err != nil {
		return pair{}, err
	}
	secret, err := rsaPKCS8(private)
	return pair{public, secret}, err
}

// nistPair draws the scalar into locked memory, as FIPS 186-5 has it in appendix A.2.2 (rejection of candidates). The package's own GenerateKey leaves it on
// the heap, where nobody can wipe it.
func nistPair(curve ecdh.Curve, oid []int, bits int) (p pair, err error) {
	scalar, err := keymem.New((bits + 7) / 8)
	if err != nil {
		return pair{}, err
	}
	defer scalar.Destroy()
	keymem.Do(func() {
		d := scalar.Bytes()
		var private *ecdh.PrivateKey
		for range maxCandidates {
			rand.Read(d)
			d[0] &= 0xff >> (8*len(d) - bits)
			if private, err = curve.NewPrivateKey(d); err == nil { // it is above zero and below the order
				break
			}
		}
		if err != nil {
			return
		}
		defer keymem.WipeField(private, "privateKey")
		defer keymem.WipeField(private, "fips", "d")
		p, err = ecPair(oid, d, private.PublicKey().Bytes())
	})
	return p, err
}

// maxCandidates bounds the search for a scalar below the order of the curve. One candidate in 2^32 is refused, or fewer.
const maxCandidates = 16

func secpPair() (p pair, err error) {
	scalar, err := keymem.New(secp256k1.PrivKeyBytesLen)
	if err != nil {
		return pair{}, err
	}
	defer scalar.Destroy()
	keymem.Do(func() {
		var point []byte
		for point == nil { // one in 2^127 is refused
			rand.Read(scalar.Bytes())
			point = secpPublic(scalar.Bytes())
		}
		p, err = ecPair(oidSecp256k1, scalar.Bytes(), point)
	})
	return p, err
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
	public, err := ecSPKI(oid, point)
	if err != nil {
		return pair{}, err
	}
	secret, err := ecPKCS8(oid, scalar, point)
	return pair{public, secret}, err
}

func edwardsPair() (p pair, err error) {
	seed, err := randomSecret(ed25519.SeedSize)
	if err != nil {
		return pair{}, err
	}
	defer seed.Destroy()
	keymem.Do(func() {
		private := ed25519.NewKeyFromSeed(seed.Bytes())
		defer keymem.Wipe(private)
		if p.public, err = plainSPKI(oidEd25519, private[ed25519.SeedSize:]); err == nil {
			p.private, err = seedPKCS8(oidEd25519, octetString, seed.Bytes())
		}
	})
	return p, err
}

// kemPair makes an ML-KEM pair whose private key is the seed (RFC 9935).
func kemPair(oid []int, encapsulationKey func(seed []byte) ([]byte, error)) (p pair, err error) {
	seed, err := randomSecret(mlkem.SeedSize)
	if err != nil {
		return pair{}, err
	}
	defer seed.Destroy()
	keymem.Do(func() {
		var public []byte
		if public, err = encapsulationKey(seed.Bytes()); err != nil {
			return
		}
		if p.public, err = plainSPKI(oid, public); err == nil {
			p.private, err = seedPKCS8(oid, seedChoice, seed.Bytes())
		}
	})
	return p, err
}

func kem768(seed []byte) ([]byte, error) {
	k, err := mlkem.NewDecapsulationKey768(seed)
	if err != nil {
		return nil, err
	}
	defer keymem.WipeField(k, "key")
	return k.EncapsulationKey().Bytes(), nil
}

func kem1024(seed []byte) ([]byte, error) {
	k, err := mlkem.NewDecapsulationKey1024(seed)
	if err != nil {
		return nil, err
	}
	defer keymem.WipeField(k, "key")
	return k.EncapsulationKey().Bytes(), nil
}
