package format_test

import (
	"fmt"
	"slices"
	"strings"
)

// pemOf gives the two blocks of a pair file.
func pemOf(f *keyFilePlan) (public, private string) {
	f.bytes() // fills the checksum in
	block := func(label, headers, text string) string {
		var lines []string
		for part := range slices.Chunk([]byte(strings.Trim(text, `"`)), 64) {
			lines = append(lines, string(part)+"\n")
		}
		return "-----BEGIN " + label + "-----\n" + headers + strings.Join(lines, "") +
			"-----END " + label + "-----\n"
	}
	var headers string
	for _, name := range []string{"Checksum", "CreationDate", "EncryptionContext", "KeyId",
		"KeyPairSpec", "PublicKeyId", "Version"} {
		headers += name + ": " + strings.Trim(f.values[name], `"`) + "\n"
	}
	return block("PUBLIC KEY", "", f.values["PublicKey"]),
		block("ENVSEAL ENCRYPTED PRIVATE KEY", headers+"\n", f.values["PrivateKeyCiphertextBlob"])
}

// pairPEM are pair files in PEM.
func (m *maker) pairPEM() {
	f := m.pairFilePlan()
	public, private := pemOf(f)
	pem := func(name, comment, expect, text string) *vector {
		return m.keyFile("pair file", name, comment, expect, []byte(text))
	}
	pem("pem", "a pair in PEM", "opens", public+private).checksum = f.checksum()
	pem("pem-white-space", "white space around the blocks", "opens",
		"\n"+public+"\n\n"+private+" \n").checksum = f.checksum()
	pem("pem-without-public-key", "the block of the public key is missing", "foreign", private)
	pem("pem-without-private-key", "the block of the private key is missing: the file is cut off",
		"damaged", public)
	pem("pem-turned-round", "the blocks are turned round", "foreign", private+public)
	pem("pem-public-key-twice", "the public key twice", "damaged", public+public+private)
	pem("pem-text-behind", "text behind the blocks", "damaged", public+private+"text\n")
	pem("pem-header-missing", "a line before the base64 is missing", "damaged",
		public+strings.Replace(private, "Version: 1\n", "", 1))
	pem("pem-header-unknown", "a line that version 1 does not have", "damaged",
		public+strings.Replace(private, "Version: 1\n", "Comment: no\nVersion: 1\n", 1))
	pem("pem-cut", "the file is cut off", "damaged", (public + private)[:len(public)+200])
	m.pemLines(public, private, pem)
	m.pemBlocks(public, private, pem)
}

// pemLines are about the lines before the base64. PEM libraries take the first or the last of a
// name, and RFC 1421 allows folded ones.
func (m *maker) pemLines(public, private string,
	pem func(name, comment, expect, text string) *vector) {
	lines := func(name, comment, from, to string) {
		if strings.Count(private, from) != 1 {
			m.t.Fatalf("%s: %q is there %d times", name, from, strings.Count(private, from))
		}
		pem("pem-header-"+name, comment, "damaged", public+strings.Replace(private, from, to, 1))
	}
	keyID, another := "KeyId: "+examplePairKey+"\n", "KeyId: "+exampleKMSKey+"\n"
	lines("twice", "a line before the base64 twice", keyID, keyID+keyID)
	lines("twice-first-wrong", "a line before the base64 twice, the first one wrong: a reader that takes the last would be content", keyID, another+keyID)
	lines("twice-last-wrong", "a line before the base64 twice, the last one wrong: a reader that takes the first would be content", keyID, keyID+another)
	lines("twice-apart", "a line before the base64 twice, with others in between",
		"Version: 1\n", "Version: 1\n"+keyID)
	lines("folded", "a line before the base64 goes on in the next, as in RFC 1421",
		`EncryptionContext: {`, "EncryptionContext:\n {")
	lines("without-blank-line", "no blank line before the base64", "Version: 1\n\n", "Version: 1\n")
	pem("pem-header-in-public-key", "a line before the base64 of the public key", "damaged",
		strings.Replace(public, "KEY-----\n", "KEY-----\nVersion: 1\n\n", 1)+private)
}

// pemBlocks are about sound blocks behind something that PEM libraries skip.
func (m *maker) pemBlocks(public, private string,
	pem func(name, comment, expect, text string) *vector) {
	for _, b := range []struct{ name, label, before string }{{"public", "PUBLIC KEY", ""},
		{"private", "ENVSEAL ENCRYPTED PRIVATE KEY", public}} {
		sound := strings.TrimPrefix(public+private, b.before)
		begin := "-----BEGIN " + b.label + "-----\n"
		pem(fmt.Sprintf("pem-broken-%s-key-before", b.name),
			fmt.Sprintf("a block of the %s key that is no base64, and a sound one behind it", b.name),
			"damaged", b.before+begin+"!no base64!\n-----END "+b.label+"-----\n"+sound)
		pem(fmt.Sprintf("pem-cut-%s-key-before", b.name),
			fmt.Sprintf("the BEGIN line of the %s key, and a sound block behind it", b.name),
			"damaged", b.before+begin+sound)
	}
	certificate := "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	pem("pem-certificate-before", "a block with another label before the two", "foreign",
		certificate+public+private)
	pem("pem-certificate-between", "a block with another label between the two", "damaged",
		public+certificate+private)
}

// jsonContexts are about JSON strings that are not text. Their checksums are those of a reader that
// puts U+FFFD in place, or takes the last of two values.
func (m *maker) jsonContexts() {
	context := func(name, comment, expect, json string, read ...string) {
		m.dataKeyFile("context-"+name, comment, expect, func(f *keyFilePlan) {
			f.set("EncryptionContext", json)
			f.sum[3] = string(rawContext(read...))
		})
		f := m.pairFilePlan()
		f.set("EncryptionContext", json)
		f.sum[3] = string(rawContext(read...))
		m.made("pair file", "context-"+name, comment, expect, f)
		public, private := pemOf(f)
		v := m.keyFile("pair file", "pem-context-"+name, comment+", in PEM",
			expect, []byte(public+private))
		if expect == "opens" {
			v.checksum = f.checksum()
		}
	}
	context("half-surrogate-in-value", `half a surrogate pair as an escape, \ud800, in a value`,
		"damaged", `{"app":"\ud800"}`, "app", "\ufffd")
	context("half-surrogate-in-key", `half a surrogate pair as an escape, \ud800, in a key`, "damaged",
		`{"\ud800":"web"}`, "\ufffd", "web")
	context("second-half-surrogate", `the second half of a surrogate pair alone, \udc00`, "damaged",
		`{"app":"\udc00"}`, "app", "\ufffd")
	context("surrogates-swapped", `the halves of a surrogate pair in the wrong order, \ude00\ud83d`,
		"damaged", `{"app":"\ude00\ud83d"}`, "app", "\ufffd\ufffd")
	context("surrogate-pair", `a whole surrogate pair, \ud83d\ude00: it stands for U+1F600`, "opens",
		`{"app":"\ud83d\ude00"}`, "app", "\U0001f600")
	context("escaped-backslash", `a backslash as an escape, and ud800 behind it: no surrogate`,
		"opens", `{"app":"\\ud800"}`, "app", `\ud800`)
	context("replacement-character", `U+FFFD as an escape is text`, "opens",
		`{"app":"\ufffd"}`, "app", "\ufffd")
	context("key-twice", "a key of the context twice", "damaged",
		`{"app":"web","app":"db"}`, "app", "db")
}
