package keyring

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"

	"github.com/envseal/envseal/format"
)

// The cases of Wycheproof go through the path of a pair's slot: private key in PKCS #8, sealed data
// key, info. HPKE hides the shared secret of a KEM, so what is to come out of it is what a data key
// is sealed with here, by a second implementation of the key schedule.

// hexBytes are bytes that a document of Wycheproof has in hex.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// wycheproofCase has the fields of all kinds of cases that are used here.
type wycheproofCase struct {
	TcID                    int
	Flags                   []string
	Public, Private, Shared hexBytes // ECDH
	Msg, CT, Label          hexBytes // RSA-OAEP
	Seed, EK, C, K          hexBytes // ML-KEM
	Result                  string
}

type wycheproofGroup struct {
	PrivateKeyPkcs8 hexBytes
	Tests           []wycheproofCase
}

func readWycheproof(t *testing.T, name string) (groups []wycheproofGroup) {
	t.Helper()
	var doc struct{ TestGroups []wycheproofGroup }
	b, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err == nil {
		err = json.Unmarshal(b, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	return doc.TestGroups
}

// tally counts the cases by their result, and which of the acceptable ones were taken.
type tally map[string]int

func (c tally) add(t *testing.T, w wycheproofCase, taken bool) {
	t.Helper()
	c[w.Result]++
	switch {
	case w.Result == "acceptable" && taken:
		c["acceptable and taken"]++
	case w.Result != "acceptable" && taken != (w.Result == "valid"):
		t.Errorf("%d is %s: %v", w.TcID, w.Result, w.Flags)
	}
}

func TestWycheproofOAEP(t *testing.T) {
	for _, bits := range []int{2048, 3072, 4096} {
		counts := tally{}
		name := fmt.Sprintf("rsa_oaep_%d_sha256_mgf1sha256_test.json", bits)
		for _, g := range readWycheproof(t, name) {
			k, err := parsePrivateKey(g.PrivateKeyPkcs8)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range g.Tests {
				msg, err := k.open(c.Label, c.CT)
				counts.add(t, c, err == nil && bytes.Equal(msg, c.Msg))
			}
			k.wipe()
		}
		t.Log(name, counts)
		if counts["valid"] == 0 || counts["invalid"] == 0 {
			t.Error("too few")
		}
	}
}

// ecdhCurve is a curve in the words of Wycheproof, of Go and of HPKE.
type ecdhCurve struct {
	name     string
	scheme   format.PairScheme
	oid      asn1.ObjectIdentifier
	elliptic elliptic.Curve
}

// Curves have their names from RFC 5480.
var ecdhCurves = []ecdhCurve{
	{"secp256r1", format.PairHPKEP256, asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7},
		elliptic.P256()},
	{"secp384r1", format.PairHPKEP384, asn1.ObjectIdentifier{1, 3, 132, 0, 34}, elliptic.P384()},
	{"secp521r1", format.PairHPKEP521, asn1.ObjectIdentifier{1, 3, 132, 0, 35}, elliptic.P521()},
}

// TestWycheproofECDH has the sender's point as encapsulated key.
func TestWycheproofECDH(t *testing.T) {
	for _, curve := range ecdhCurves {
		counts := tally{}
		for _, g := range readWycheproof(t, "ecdh_"+curve.name+"_ecpoint_test.json") {
			for _, c := range g.Tests {
				counts.add(t, c, curve.opens(t, c))
			}
		}
		t.Log(curve.name, counts)
		if counts["valid"] < 100 || counts["invalid"] == 0 {
			t.Error("too few")
		}
	}
}

// opens tells whether a data key that was sealed with the shared secret of the case opens.
func (curve ecdhCurve) opens(t *testing.T, c wycheproofCase) bool {
	t.Helper()
	k, err := parsePrivateKey(curve.pkcs8(t, c.Private))
	if err != nil {
		t.Fatalf("%d: %v", c.TcID, err)
	}
	defer k.wipe()
	kemContext := append(bytes.Clone(c.Public), k.public.kem.Bytes()...)
	s := hpkeSuites[curve.scheme]
	secret := s.kemSecret(t, c.Shared, kemContext)
	info, dataKey := []byte("info"), bytes.Repeat([]byte{7}, 32)
	plain, err := k.open(info, append(bytes.Clone(c.Public), s.seal(t, secret, info, dataKey)...))
	return err == nil && bytes.Equal(plain, dataKey)
}

// pkcs8 makes a private key out of a number.
func (curve ecdhCurve) pkcs8(t *testing.T, number []byte) []byte {
	t.Helper()
	size := (curve.elliptic.Params().BitSize + 7) / 8
	number = bytes.TrimLeft(number, "\x00")
	number = append(make([]byte, size-len(number)), number...)
	parameters := marshalASN1(t, curve.oid)
	return marshalASN1(t, struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}{0, pkix.AlgorithmIdentifier{Algorithm: oidEC,
		Parameters: asn1.RawValue{FullBytes: parameters}}, marshalASN1(t, struct {
		Version int
		Key     []byte
	}{1, number})})
}

func marshalASN1(t *testing.T, v any) []byte {
	t.Helper()
	b, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestWycheproofPublicKeys has the points in SubjectPublicKeyInfo, which parsePublicKey takes in
// one spelling only. All that is acceptable at best is refused.
func TestWycheproofPublicKeys(t *testing.T) {
	for _, curve := range ecdhCurves {
		counts := tally{}
		for _, g := range readWycheproof(t, "ecdh_"+curve.name+"_test.json") {
			for _, c := range g.Tests {
				k, err := parsePublicKey(c.Public)
				counts.add(t, c, err == nil && k.scheme == curve.scheme)
			}
		}
		t.Log(curve.name, counts)
		if counts["valid"] < 100 || counts["invalid"] == 0 || counts["acceptable and taken"] > 0 {
			t.Error("too few, or taken what should not be")
		}
	}
}

// TestWycheproofMLKEM has seeds and ciphertexts, among them some that must give another shared key.
func TestWycheproofMLKEM(t *testing.T) {
	for bits, scheme := range map[int]format.PairScheme{768: format.PairHPKEMLKEM768,
		1024: format.PairHPKEMLKEM1024} {
		counts := tally{}
		name := fmt.Sprintf("mlkem_%d_test.json", bits)
		for _, g := range readWycheproof(t, name) {
			for _, c := range g.Tests {
				counts.add(t, c, mlkemOpens(t, c, scheme))
			}
		}
		for _, g := range readWycheproof(t, fmt.Sprintf("mlkem_%d_keygen_seed_test.json", bits)) {
			for _, c := range g.Tests {
				k, err := parsePrivateKey(mlkemPKCS8(t, scheme, c.Seed))
				counts.add(t, c, err == nil && bytes.Equal(k.public.kem.Bytes(), c.EK))
			}
		}
		t.Log(name, counts)
		if counts["valid"] < 200 || counts["invalid"] == 0 {
			t.Error("too few")
		}
	}
}

func mlkemOpens(t *testing.T, c wycheproofCase, scheme format.PairScheme) bool {
	t.Helper()
	k, err := parsePrivateKey(mlkemPKCS8(t, scheme, c.Seed))
	if err != nil {
		return false
	}
	defer k.wipe()
	info, dataKey := []byte("info"), bytes.Repeat([]byte{7}, 32)
	sealed := hpkeSuites[scheme].seal(t, c.K, info, dataKey)
	plain, err := k.open(info, append(bytes.Clone(c.C), sealed...))
	return err == nil && bytes.Equal(plain, dataKey) && bytes.Equal(k.public.kem.Bytes(), c.EK)
}

func mlkemPKCS8(t *testing.T, scheme format.PairScheme, seed []byte) []byte {
	t.Helper()
	oid := asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, 2} // RFC 9935
	if scheme == format.PairHPKEMLKEM1024 {
		oid[8] = 3
	}
	return marshalASN1(t, struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}{0, pkix.AlgorithmIdentifier{Algorithm: oid},
		marshalASN1(t, asn1.RawValue{Class: asn1.ClassContextSpecific, Bytes: seed})})
}

// hpkeSuite is what RFC 9180 needs to know of a scheme, in a second implementation.
type hpkeSuite struct {
	kem, kdf   uint16
	hash       func() hash.Hash
	secretSize int
}

var hpkeSuites = map[format.PairScheme]hpkeSuite{
	format.PairHPKEP256:      {0x0010, 1, sha256.New, 32},
	format.PairHPKEP384:      {0x0011, 2, sha512.New384, 48},
	format.PairHPKEP521:      {0x0012, 3, sha512.New, 64},
	format.PairHPKEMLKEM768:  {0x0041, 3, sha512.New, 32},
	format.PairHPKEMLKEM1024: {0x0042, 3, sha512.New, 32},
}

// kemSecret is ExtractAndExpand of a DHKEM, RFC 9180, section 4.1.
func (s hpkeSuite) kemSecret(t *testing.T, dh, context []byte) []byte {
	t.Helper()
	id := binary.BigEndian.AppendUint16([]byte("KEM"), s.kem)
	prk := s.extract(t, id, nil, "eae_prk", dh)
	return s.expand(t, id, prk, "shared_secret", context, s.secretSize)
}

// seal encrypts as the sender does whose KEM gave this secret, RFC 9180, section 5.1.
func (s hpkeSuite) seal(t *testing.T, secret, info, plain []byte) []byte {
	t.Helper()
	id := binary.BigEndian.AppendUint16([]byte("HPKE"), s.kem)
	id = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(id, s.kdf), 2)
	context := append([]byte{0}, s.extract(t, id, nil, "psk_id_hash", nil)...)
	context = append(context, s.extract(t, id, nil, "info_hash", info)...)
	prk := s.extract(t, id, secret, "secret", nil)
	block, err := aes.NewCipher(s.expand(t, id, prk, "key", context, 32))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return gcm.Seal(nil, s.expand(t, id, prk, "base_nonce", context, 12), plain, nil)
}

func (s hpkeSuite) extract(t *testing.T, id, salt []byte, label string, ikm []byte) []byte {
	t.Helper()
	labeled := append(append([]byte("HPKE-v1"), id...), label...)
	prk, err := hkdf.Extract(s.hash, append(labeled, ikm...), salt)
	if err != nil {
		t.Fatal(err)
	}
	return prk
}

func (s hpkeSuite) expand(t *testing.T, id, prk []byte, label string, info []byte, n int) []byte {
	t.Helper()
	labeled := append(binary.BigEndian.AppendUint16(nil, uint16(n)), "HPKE-v1"...)
	labeled = append(append(labeled, id...), label...)
	okm, err := hkdf.Expand(s.hash, prk, string(labeled)+string(info), n)
	if err != nil {
		t.Fatal(err)
	}
	return okm
}
