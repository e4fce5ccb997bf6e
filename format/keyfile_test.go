package format_test

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/format"
)

var created = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func exampleDataKeyFile() *format.DataKeyFile {
	return &format.DataKeyFile{
		Keys: []format.KMSSlot{
			{KeyID: exampleKMSKey, CiphertextBlob: span(0x80, 0xb7)},
			{KeyID: examplePairKey, CiphertextBlob: span(0xc0, 0xf7)},
		},
		Context: format.Context{"app": "web", "env": "prod"},
		Created: created,
	}
}

func examplePairFile(t testing.TB) *format.PairFile {
	return &format.PairFile{
		KeyID:                    examplePairKey,
		KeyPairSpec:              "ECC_NIST_P256",
		PublicKey:                readExample(t)["public-key"],
		PrivateKeyCiphertextBlob: span(0xe0, 0xf6),
		Context:                  format.Context{"team": "backup"},
		Created:                  created,
	}
}

func encoded(t testing.TB, encode func() ([]byte, error)) []byte {
	t.Helper()
	b, err := encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// readmeFile gives a block of README.md that is a file by itself.
func readmeFile(t *testing.T, kind, first string) []byte {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?ms)^```"+kind+"\n(.*?\n)```$").FindAllSubmatch(text, -1) {
		if bytes.Contains(m[1], []byte(first)) {
			return m[1]
		}
	}
	t.Fatalf("README.md has no block of %s with %s", kind, first)
	return nil
}

// TestKeyFilesInREADME: the examples are what the package writes, and are read again.
func TestKeyFilesInREADME(t *testing.T) {
	pair := examplePairFile(t)
	for _, c := range []struct {
		kind, first string
		encode      func() ([]byte, error)
	}{
		{"json", "envseal data key", exampleDataKeyFile().Encode},
		{"json", "envseal key pair", pair.EncodeJSON},
		{"pem", "BEGIN PUBLIC KEY", pair.EncodePEM},
	} {
		if want, got := encoded(t, c.encode), readmeFile(t, c.kind, c.first); !bytes.Equal(got, want) {
			t.Errorf("README.md has\n%s\nthe package writes\n%s", got, want)
		}
	}
	f, err := format.ParseDataKeyFile(readmeFile(t, "json", "envseal data key"))
	if err != nil || !reflect.DeepEqual(f, exampleDataKeyFile()) {
		t.Errorf("%+v, %v", f, err)
	}
	for _, kind := range []string{"json", "pem"} {
		text := readmeFile(t, kind,
			map[string]string{"json": "envseal key pair", "pem": "BEGIN PUBLIC KEY"}[kind])
		if f, err := format.ParsePairFile(text); err != nil || !reflect.DeepEqual(f, pair) {
			t.Errorf("%s: %+v, %v", kind, f, err)
		}
	}
}

// keyFiles are one of each spelling, with what reads them.
func keyFiles(t testing.TB) map[string]struct {
	text  []byte
	parse func([]byte) (any, error)
} {
	dataKey := func(b []byte) (any, error) { return format.ParseDataKeyFile(b) }
	pair := func(b []byte) (any, error) { return format.ParsePairFile(b) }
	p := examplePairFile(t)
	return map[string]struct {
		text  []byte
		parse func([]byte) (any, error)
	}{
		"data key":  {encoded(t, exampleDataKeyFile().Encode), dataKey},
		"JSON pair": {encoded(t, p.EncodeJSON), pair},
		"PEM pair":  {encoded(t, p.EncodePEM), pair},
	}
}

// TestKeyFileCuts: a file that was cut is called truncated, wherever it was cut.
func TestKeyFileCuts(t *testing.T) {
	for name, f := range keyFiles(t) {
		whole := len(bytes.TrimSpace(f.text))
		for n := range whole {
			_, err := f.parse(f.text[:n])
			if n > 10 && !errors.Is(err, format.ErrTruncated) || err == nil {
				t.Errorf("%s, %d of %d bytes: %v", name, n, whole, err)
			}
		}
	}
}

// TestKeyFileFlips: whatever bit is flipped, the file is refused or says the same.
func TestKeyFileFlips(t *testing.T) {
	for name, f := range keyFiles(t) {
		want, err := f.parse(f.text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		same, refused := 0, 0
		for i := range f.text {
			for bit := range 8 {
				b := bytes.Clone(f.text)
				b[i] ^= 1 << bit
				switch got, err := f.parse(b); {
				case err == nil && !reflect.DeepEqual(got, want):
					t.Fatalf("%s, byte %d, bit %d: passes for %+v", name, i, bit, got)
				case err == nil:
					same++
				case errors.Is(err, format.ErrDamaged), errors.Is(err, format.ErrVersion),
					errors.Is(err, format.ErrNotKeyFile):
					refused++
				default:
					t.Fatalf("%s, byte %d, bit %d: %v", name, i, bit, err)
				}
			}
		}
		if refused == 0 || same > refused/10 {
			t.Errorf("%s: %d flips refused, %d harmless", name, refused, same)
		}
	}
}

// keyFileTexts are the key files of the README, to be spoilt.
type keyFileTexts struct {
	t                          *testing.T
	dataKey, pairJSON, pairPEM string
}

// replace changes what is in s once.
func (f keyFileTexts) replace(s, old, new string) string {
	f.t.Helper()
	if strings.Count(s, old) != 1 {
		f.t.Fatalf("%q is in it %d times", old, strings.Count(s, old))
	}
	return strings.Replace(s, old, new, 1)
}

// keyFileRefusal is a text that is refused as a pair file or as a data key file.
type keyFileRefusal struct {
	name, text string
	pair       bool
	is         error
	says       string
}

// kinds are files of another kind or version, and files that are none.
func (f keyFileTexts) kinds() []keyFileRefusal {
	return []keyFileRefusal{
		{"later data key", f.replace(f.dataKey, `"Version": 1`, `"Version": 2`), false,
			format.ErrVersion, "version 2"},
		{"later, with new fields", `{"Format":"envseal data key","Version":3,"New":[]}`, false,
			format.ErrVersion, "version 3"},
		{"later PEM", f.replace(f.pairPEM, "Version: 1", "Version: 2"), true,
			format.ErrVersion, "version 2"},
		{"pair for a data key", f.pairJSON, false, format.ErrNotKeyFile, "envseal key pair"},
		{"PEM for a data key", f.pairPEM, false, format.ErrNotKeyFile, "does not begin with {"},
		{"data key for a pair", f.dataKey, true, format.ErrNotKeyFile, "envseal data key"},
		{"sealed file", string(readExample(f.t)["file"]), false, format.ErrNotKeyFile, "sealed file"},
		{"foreign PEM", "-----BEGIN CERTIFICATE-----\n", true, format.ErrNotKeyFile, "PUBLIC KEY"},
		{"public key alone", f.pairPEM[:strings.Index(f.pairPEM, "-----BEGIN ENVSEAL")], true,
			format.ErrTruncated, ""},
		{"text behind PEM", f.pairPEM + "x", true, format.ErrDamaged, "more in it"},
		{"text between blocks", f.replace(f.pairPEM, "-----BEGIN ENVSEAL", "x\n-----BEGIN ENVSEAL"), true,
			format.ErrDamaged, "missing"},
		{"header for a body", f.replace(f.pairPEM, "Version: 1", "PublicKey: aGk=\nVersion: 1"), true,
			format.ErrDamaged, "no header"},
		{"unknown header", f.replace(f.pairPEM, "Version: 1", "Verse: 1\nVersion: 1"), true,
			format.ErrDamaged, `"Verse" is unknown`},
		{"empty", "", false, format.ErrTruncated, "empty"},
		{"too long", strings.Repeat(" ", format.MaxKeyFile) + f.dataKey, false,
			format.ErrNotKeyFile, "longer"},
		{"no object", "[]", false, format.ErrNotKeyFile, ""},
		{"two objects", f.dataKey + f.dataKey, false, format.ErrDamaged, "follows"},
		{"plaintext key", `{"CiphertextBlob":"aGk=","KeyId":"a","Plaintext":"aGk="}`, false,
			format.ErrNotKeyFile, "destroy"},
		{"plaintext private key",
			`{"PrivateKeyCiphertextBlob":"aGk=","KeyId":"a","PrivateKeyPlaintext":"aGk="}`, true,
			format.ErrNotKeyFile, "destroy"},
		{"pair from aws",
			`{"PrivateKeyCiphertextBlob":"aGk=","KeyId":"a","KeyPairSpec":"RSA_2048","PublicKey":"aGk="}`,
			true, format.ErrNotKeyFile, "does not say its encryption context"},
		{"some JSON", `{"a":1}`, false, format.ErrNotKeyFile, "Format"},
	}
}

// fields are files with wrong fields.
func (f keyFileTexts) fields() []keyFileRefusal {
	return []keyFileRefusal{
		{"unknown field", f.replace(f.dataKey, `"Version": 1`, `"Version": 1, "x": 1`), false,
			format.ErrDamaged, `"x" is unknown`},
		{"unknown field of a key", f.replace(f.dataKey, `"FurtherKeys": [`,
			`"FurtherKeys": [{"KeyId":"a","CiphertextBlob":"aGk=","x":1},`), false,
			format.ErrDamaged, `"x" is unknown`},
		{"field twice", f.replace(f.dataKey, `"Version": 1`, `"Version": 1, "Version": 1`), false,
			format.ErrDamaged, "twice"},
		{"other case", f.replace(f.dataKey, `"KeySpec"`, `"keyspec"`), false,
			format.ErrDamaged, "KeySpec is missing"},
		{"null", f.replace(f.dataKey, `"KeySpec": "AES_256"`, `"KeySpec": null`), false,
			format.ErrDamaged, "KeySpec"},
		{"short key", f.replace(f.dataKey, "AES_256", "AES_128"), false, format.ErrDamaged, "AES_128"},
		{"other context", f.replace(f.dataKey, `"prod"`, `"dev"`), false, format.ErrDamaged, "Checksum"},
		{"context of numbers", f.replace(f.dataKey, `"prod"`, `1`), false, format.ErrDamaged, "env"},
		{"keys swapped", f.replace(f.replace(f.replace(f.dataKey, "1234abcd-12ab", "x"), "0987dcba-09fe",
			"1234abcd-12ab"), "/x", "/0987dcba-09fe"), false, format.ErrDamaged, "Checksum"},
		{"other key pair", f.replace(f.pairJSON, `"PublicKey": "M`, `"PublicKey": "N`), true,
			format.ErrDamaged, "PublicKeyId"},
		{"other private key", f.replace(f.pairJSON, `"PrivateKeyCiphertextBlob": "4`,
			`"PrivateKeyCiphertextBlob": "5`), true, format.ErrDamaged, "Checksum"},
		{"spec without scheme", f.replace(f.pairJSON, "ECC_NIST_P256", "ECC_SECG_P256K1"), true,
			format.ErrDamaged, "ECC_SECG_P256K1"},
		{"date with a zone", f.replace(f.pairJSON, "05Z", "05+00:00"), true,
			format.ErrDamaged, "CreationDate"},
		{"base64 with a line feed",
			f.replace(f.pairJSON, `"PrivateKeyCiphertextBlob": "`, `"PrivateKeyCiphertextBlob": "\n`), true,
			format.ErrDamaged, "base64"},
		{"deep", strings.Repeat(`{"a":`, 20000), false, format.ErrDamaged, ""},
	}
}

func TestKeyFileRefusals(t *testing.T) {
	files := keyFiles(t)
	texts := keyFileTexts{t, string(files["data key"].text), string(files["JSON pair"].text),
		string(files["PEM pair"].text)}
	for _, c := range append(texts.kinds(), texts.fields()...) {
		var err error
		if c.pair {
			_, err = format.ParsePairFile([]byte(c.text))
		} else {
			_, err = format.ParseDataKeyFile([]byte(c.text))
		}
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestBareDataKey reads what `aws kms generate-data-key-without-plaintext` prints.
func TestBareDataKey(t *testing.T) {
	text := `{
    "CiphertextBlob": "AQIDBA==",
    "KeyId": "` + exampleKMSKey + `",
    "KeyMaterialId": "123d6a5a70f1d9d2b1f7d1c4b8e1c5a0b7d2f6a1c3e5f7092b4d6f8091a3b5c7"
}
`
	f, err := format.ParseDataKeyFile([]byte(text))
	if err != nil || !f.Bare || f.Context != nil || len(f.Keys) != 1 ||
		!bytes.Equal(f.Keys[0].CiphertextBlob, span(1, 4)) {
		t.Fatalf("%+v, %v", f, err)
	}
	if _, err := f.Encode(); err == nil {
		t.Error("a file without its context was written")
	}
}

func TestKeyFileLimits(t *testing.T) {
	big := exampleDataKeyFile()
	big.Context = format.Context{"k": strings.Repeat("\x01", 32<<10)}
	for len(big.Keys) < format.DefaultMaxSlots {
		big.Keys = append(big.Keys,
			format.KMSSlot{KeyID: strings.Repeat("k", 2048), CiphertextBlob: make([]byte, 6144)})
	}
	f, err := format.ParseDataKeyFile(encoded(t, big.Encode))
	if err != nil || len(f.Keys) != format.DefaultMaxSlots {
		t.Errorf("the largest: %v", err)
	}
	big.Keys = append(big.Keys, big.Keys[0])
	if _, err := big.Encode(); err == nil {
		t.Error("more keys than a file may have")
	}
	for name, edit := range map[string]func(*format.PairFile){
		"no key id":    func(f *format.PairFile) { f.KeyID = "" },
		"no blob":      func(f *format.PairFile) { f.PrivateKeyCiphertextBlob = nil },
		"large blob":   func(f *format.PairFile) { f.PrivateKeyCiphertextBlob = make([]byte, 6145) },
		"no public":    func(f *format.PairFile) { f.PublicKey = nil },
		"large public": func(f *format.PairFile) { f.PublicKey = make([]byte, format.MaxPublicKey+1) },
		"context": func(f *format.PairFile) {
			f.Context = format.Context{"k": strings.Repeat("v", 65536-7)}
		},
		"spec": func(f *format.PairFile) { f.KeyPairSpec = "SM2" },
	} {
		f := examplePairFile(t)
		edit(f)
		_, err := f.EncodeJSON()
		if _, err2 := f.EncodePEM(); err == nil || err2 == nil {
			t.Errorf("%s: %v, %v", name, err, err2)
		}
	}
}

// TestPairSchemes: every scheme has a spec, and no spec of another use has a scheme.
func TestPairSchemes(t *testing.T) {
	seen := map[format.PairScheme]bool{}
	for _, spec := range []string{"RSA_2048", "RSA_3072", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384",
		"ECC_NIST_P521", "ML_KEM_768", "ML_KEM_1024"} {
		s, ok := format.PairSchemeOf(spec)
		if !ok || !s.Known() {
			t.Errorf("%s has no scheme", spec)
		}
		seen[s] = true
	}
	if len(seen) != 6 {
		t.Errorf("%d schemes, want 6", len(seen))
	}
	for _, spec := range []string{"", "SM2", "ML_KEM_512", "ECC_SECG_P256K1",
		"ECC_NIST_EDWARDS25519", "rsa_2048"} {
		if s, ok := format.PairSchemeOf(spec); ok {
			t.Errorf("%q has %v", spec, s)
		}
	}
}
