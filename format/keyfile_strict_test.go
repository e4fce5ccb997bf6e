package format_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/format"
)

// What packages pem and json would pass over is refused: a stricter reader would read each of these
// otherwise, or not at all.
func TestPairPEMIsReadStrictly(t *testing.T) {
	good := string(keyFiles(t)["PEM pair"].text)
	public, private, _ := strings.Cut(good, "-----BEGIN ENVSEAL")
	private = "-----BEGIN ENVSEAL" + private
	broken := func(block string) string { return strings.ReplaceAll(block, "\n", "\n!") }
	twice := func(header string) string {
		return strings.Replace(good, "Version: 1\n", "Version: 1\n"+header+"\n", 1)
	}
	for name, text := range map[string]string{
		"public key without base64 before the good one": "-----BEGIN PUBLIC KEY-----\n!no base64!\n-----END PUBLIC KEY-----\n" + good,
		"public key without an end before the good one": "-----BEGIN PUBLIC KEY-----\n" + good,
		"another block inside": strings.Replace(good, "-----END PUBLIC",
			"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n-----END PUBLIC", 1),
		"altered public key before the good one": broken(public) + good,
		"private key without base64 before the good one": public +
			"-----BEGIN ENVSEAL ENCRYPTED PRIVATE KEY-----\n!no base64!\n-----END ENVSEAL ENCRYPTED PRIVATE KEY-----\n" + private,
		"altered private key before the good one": public +
			strings.Replace(private, "4OHi", "4O!i", 1) + private,
		"header twice": twice("Version: 1"),
		"header twice, the first one wrong": strings.Replace(good, "Version: 1\n",
			"Version: 7\nVersion: 1\n", 1),
		"header twice, with a space": twice("Version : 1"),
		"KeyId twice": strings.Replace(good, "KeyId: ",
			"KeyId: arn:aws:kms:eu-west-1:111122223333:key/1\nKeyId: ", 1),
		"no blank line behind the headers": strings.Replace(good, "\n\n", "\n", 1),
	} {
		if text == good {
			t.Fatalf("%s: nothing is changed", name)
		}
		if f, err := format.ParsePairFile([]byte(text)); !errors.Is(err, format.ErrDamaged) {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
	for name, text := range map[string]string{
		"white space around and between": "\n \t" + public + "\n \n" + private + "\r\n\n",
		"carriage returns":               strings.ReplaceAll(good, "\n", "\r\n"),
	} {
		f, err := format.ParsePairFile([]byte(text))
		if err != nil || !reflect.DeepEqual(f, examplePairFile(t)) {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
	f := examplePairFile(t)
	f.Context = format.Context{"a": "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----": ": b: c"}
	again, err := format.ParsePairFile(encoded(t, f.EncodePEM))
	if err != nil || !reflect.DeepEqual(again, f) {
		t.Errorf("a context that looks like PEM: %v, %v", again, err)
	}
}

// An escape that stands for half a character would be read as U+FFFD: two contexts would be one.
func TestJSONOfHalfACharacter(t *testing.T) {
	replaced := format.Context{"env": "prod", "team": "\ufffd"}
	pair, data := examplePairFile(t), exampleDataKeyFile()
	pair.Context, data.Context = replaced, replaced
	files := map[string]func(string) error{ // with a checksum over what the escape would be read as
		string(encoded(t, pair.EncodeJSON)): func(s string) error {
			_, err := format.ParsePairFile([]byte(s))
			return err
		},
		string(encoded(t, pair.EncodePEM)): func(s string) error {
			_, err := format.ParsePairFile([]byte(s))
			return err
		},
		string(encoded(t, data.Encode)): func(s string) error {
			_, err := format.ParseDataKeyFile([]byte(s))
			return err
		},
	}
	for text, parse := range files {
		for _, good := range []string{"\ufffd", `\ufffd`, `\uFFFD`} {
			if err := parse(strings.Replace(text, "\ufffd", good, 1)); err != nil {
				t.Errorf("%s: %v", good, err)
			}
		}
		for _, half := range []string{`\ud800`, `\uD800`, `\udbff`, `\udc00`, `\uDFFF`} {
			err := parse(strings.Replace(text, "\ufffd", half, 1))
			if !errors.Is(err, format.ErrDamaged) || !strings.Contains(err.Error(), "surrogate") {
				t.Errorf("%s: %v", half, err)
			}
		}
	}
}

// Halves are told from whole characters, and escapes from what only looks like them.
func TestJSONOfSurrogatePairs(t *testing.T) {
	for written, want := range map[string]string{
		`\ud83d\ude00`:             "\U0001f600",
		`\uD83D\uDE00\ud83d`:       "",
		`\ud83dx\ude00`:            "",
		`\ud83d\ud83d\ude00`:       "",
		`\ude00\ud83d`:             "",
		`\ud83d\\ude00`:            "",
		`\ud83d\n`:                 "",
		`\\ud83d`:                  `\ud83d`,
		`\\\\ud83d\\`:              `\\ud83d\`,
		`\\\ud83d`:                 "",
		`\ud7ff\ue000`:             "\ud7ff\ue000",
		`\udbff\udfff\ud800\udc00`: "\U0010ffff\U00010000",
	} {
		f := examplePairFile(t)
		f.Context = format.Context{"team": "MARK"}
		if want != "" {
			f.Context["team"] = want
		}
		text := strings.Replace(string(encoded(t, f.EncodeJSON)),
			mark(f.Context["team"]), `"`+written+`"`, 1)
		again, err := format.ParsePairFile([]byte(text))
		if want != "" && (err != nil || !reflect.DeepEqual(again, f)) || want == "" &&
			(!errors.Is(err, format.ErrDamaged) || !strings.Contains(err.Error(), "surrogate")) {
			t.Errorf("%s: %v", written, err)
		}
	}
}

// mark is how the value of a context is written.
func mark(value string) string {
	return `"` + strings.ReplaceAll(value, `\`, `\\`) + `"`
}

// A time that no reader would take is not written.
func TestKeyFilesOfOtherCalendars(t *testing.T) {
	for year, ok := range map[int]bool{-1: false, 0: true, 9999: true, 10000: false} {
		at := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		key := format.DataKeyFile{Keys: []format.KMSSlot{{KeyID: "key", CiphertextBlob: []byte{1}}},
			Created: at}
		pair := format.PairFile{KeyID: "key", KeyPairSpec: "RSA_2048", PublicKey: []byte{1},
			PrivateKeyCiphertextBlob: []byte{1}, Created: at}
		_, err := key.Encode()
		_, errJSON := pair.EncodeJSON()
		_, errPEM := pair.EncodePEM()
		if ok != (err == nil) || ok != (errJSON == nil) || ok != (errPEM == nil) {
			t.Errorf("year %d: %v, %v, %v", year, err, errJSON, errPEM)
		}
	}
}
