package format_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// keyFilePlan is a key file that is going to be made: fields in their order, as they are written.
type keyFilePlan struct {
	names  []string
	values map[string]string // JSON
	sum    []string          // what goes into the checksum, behind the fields that both kinds have
}

func quoted(s string) string   { return `"` + s + `"` }
func base64Of(b []byte) string { return quoted(base64.StdEncoding.EncodeToString(b)) }
func sumOf(parts []string) string { // README, "Key files"
	var b []byte
	for _, part := range parts {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(part))), part...)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

const exampleDate = "2026-01-02T03:04:05Z"

// dataKeyPlan is the example of README.md, without further keys.
func dataKeyPlan() *keyFilePlan {
	blob := span(0x80, 0xb7)
	f := &keyFilePlan{names: []string{"Format", "Version", "KeyId", "CiphertextBlob", "KeySpec",
		"EncryptionContext", "CreationDate", "Checksum"}, values: map[string]string{
		"Format": quoted("envseal data key"), "Version": "1", "KeyId": quoted(exampleKMSKey),
		"CiphertextBlob": base64Of(blob), "KeySpec": quoted("AES_256"),
		"EncryptionContext": `{"app":"web","env":"prod"}`, "CreationDate": quoted(exampleDate),
	}}
	f.sum = []string{"envseal data key", "AES_256", exampleDate,
		string(rawContext("app", "web", "env", "prod")), exampleKMSKey, string(blob)}
	return f
}

// pairFilePlan is the pair of the worked example.
func (m *maker) pairFilePlan() *keyFilePlan {
	public, blob := readExample(m.t)["public-key"], span(0xe0, 0xf6)
	id := sha256.Sum256(public)
	f := &keyFilePlan{names: []string{"Format", "Version", "KeyId", "KeyPairSpec", "PublicKeyId",
		"PublicKey", "PrivateKeyCiphertextBlob", "EncryptionContext", "CreationDate", "Checksum"},
		values: map[string]string{
			"Format": quoted("envseal key pair"), "Version": "1", "KeyId": quoted(examplePairKey),
			"KeyPairSpec": quoted("ECC_NIST_P256"), "PublicKeyId": quoted(hex.EncodeToString(id[:])),
			"PublicKey": base64Of(public), "PrivateKeyCiphertextBlob": base64Of(blob),
			"EncryptionContext": `{"team":"backup"}`, "CreationDate": quoted(exampleDate),
		}}
	f.sum = []string{"envseal key pair", "ECC_NIST_P256", exampleDate,
		string(rawContext("team", "backup")), examplePairKey, string(blob), string(public)}
	return f
}

func (f *keyFilePlan) set(name, value string) {
	if !slices.Contains(f.names, name) {
		f.names = append(f.names, name)
	}
	f.values[name] = value
}

func (f *keyFilePlan) drop(name string) {
	f.names = slices.DeleteFunc(f.names, func(n string) bool { return n == name })
}

func (f *keyFilePlan) checksum() string { return sumOf(f.sum) }

func (f *keyFilePlan) bytes() []byte {
	if f.values["Checksum"] == "" {
		f.values["Checksum"] = quoted(f.checksum())
	}
	var lines []string
	for _, name := range f.names {
		lines = append(lines, fmt.Sprintf("  %q: %s", name, f.values[name]))
	}
	return []byte("{\n" + strings.Join(lines, ",\n") + "\n}\n")
}

// keyFiles are vectors about data key files and pair files.
func (m *maker) keyFiles() {
	data := m.dataKeyFile
	data("one-key", "one key", "opens", func(*keyFilePlan) {})
	data("64-keys", "63 further keys, the most", "opens", func(f *keyFilePlan) {
		v, s := further(63)
		f.set("FurtherKeys", v)
		f.sum = append(f.sum, s...)
	})
	data("65-keys", "64 further keys", "damaged", func(f *keyFilePlan) {
		v, s := further(64)
		f.set("FurtherKeys", v)
		f.sum = append(f.sum, s...)
	})
	data("further-key-missing", "a further key was taken out: the checksum tells", "damaged",
		func(f *keyFilePlan) {
			v, _ := further(1)
			_, s := further(2)
			f.set("FurtherKeys", v)
			f.sum = append(f.sum, s...)
		})
	data("order", "the fields in another order", "opens",
		func(f *keyFilePlan) { slices.Reverse(f.names) })
	data("empty-context", "the empty context", "opens",
		func(f *keyFilePlan) { f.set("EncryptionContext", "{}"); f.sum[3] = string(rawContext()) })
	data("context-order", "a context whose keys are not sorted: that is a matter of the checksum only",
		"opens", func(f *keyFilePlan) { f.set("EncryptionContext", `{"env":"prod","app":"web"}`) })
	data("version-2", "version 2, and a field that version 1 does not have", "newer",
		func(f *keyFilePlan) { f.set("Version", "2"); f.set("Later", "true") })
	data("format-of-pair", "it says it is a pair file", "foreign",
		func(f *keyFilePlan) { f.set("Format", quoted("envseal key pair")) })
	m.badDataKeyFiles()
	m.dataKeyTexts()
	m.pairFiles()
	m.pairPEM()
	m.jsonContexts()
}

// keyFile adds a vector of a file as it is.
func (m *maker) keyFile(form, name, comment, expect string, body []byte) *vector {
	v := &vector{name: strings.ReplaceAll(form, " ", "-") + "-" + name, form: form, comment: comment,
		expect: expect, body: body}
	m.all = append(m.all, v)
	return v
}

// made adds one of a file that was put together; its checksum is told where it is good.
func (m *maker) made(form, name, comment, expect string, f *keyFilePlan) {
	if v := m.keyFile(form, name, comment, expect, f.bytes()); expect == "opens" {
		v.checksum = f.checksum()
	}
}

func (m *maker) dataKeyFile(name, comment, expect string, edit func(f *keyFilePlan)) {
	f := dataKeyPlan()
	edit(f)
	m.made("data key file", name, comment, expect, f)
}

// further gives n further keys, and what they add to the checksum.
func further(n int) (text string, sum []string) {
	var all []string
	for i := range n {
		blob := fixed("further", fmt.Sprint(i))
		all, sum = append(all, fmt.Sprintf(`{"KeyId":%s,"CiphertextBlob":%s}`,
			quoted(otherKMSKey), base64Of(blob))), append(sum, otherKMSKey, string(blob))
	}
	return "[" + strings.Join(all, ",") + "]", sum
}

// badDataKeyFiles are JSON objects with wrong fields.
func (m *maker) badDataKeyFiles() {
	data := m.dataKeyFile
	data("checksum", "the checksum is wrong", "damaged",
		func(f *keyFilePlan) { f.set("Checksum", quoted(strings.Repeat("0", 64))) })
	data("checksum-upper-case", "the checksum in upper case", "damaged",
		func(f *keyFilePlan) { f.set("Checksum", quoted(strings.ToUpper(f.checksum()))) })
	data("context-changed", "the context was changed", "damaged",
		func(f *keyFilePlan) { f.set("EncryptionContext", `{"app":"web","env":"test"}`) })
	data("unknown-field", "a field that version 1 does not have", "damaged",
		func(f *keyFilePlan) { f.set("Comment", quoted("hello")) })
	data("name-in-lower-case", "keyid instead of KeyId", "damaged",
		func(f *keyFilePlan) { f.drop("KeyId"); f.set("keyid", quoted(exampleKMSKey)) })
	data("null", "a field is null", "damaged", func(f *keyFilePlan) { f.set("KeySpec", "null") })
	data("aes-128", "KeySpec AES_128", "damaged",
		func(f *keyFilePlan) { f.set("KeySpec", quoted("AES_128")); f.sum[1] = "AES_128" })
	data("date-with-offset", "a time that is not in UTC", "damaged",
		func(f *keyFilePlan) { f.set("CreationDate", quoted("2026-01-02T03:04:05+00:00")) })
	data("date-with-fraction", "a time with a fraction", "damaged",
		func(f *keyFilePlan) { f.set("CreationDate", quoted("2026-01-02T03:04:05.5Z")) })
	data("key-id-empty", "an empty KeyId", "damaged",
		func(f *keyFilePlan) { f.set("KeyId", `""`); f.sum[4] = "" })
	data("key-id-space", "a KeyId with a space", "damaged",
		func(f *keyFilePlan) { f.set("KeyId", `"a b"`); f.sum[4] = "a b" })
	data("blob-empty", "an empty CiphertextBlob", "damaged",
		func(f *keyFilePlan) { f.set("CiphertextBlob", `""`); f.sum[5] = "" })
	data("blob-6145", "a CiphertextBlob of 6 145 bytes", "damaged", func(f *keyFilePlan) {
		b := stuff("blob", 6145)
		f.set("CiphertextBlob", base64Of(b))
		f.sum[5] = string(b)
	})
	data("blob-without-padding", "base64 without its padding", "damaged", func(f *keyFilePlan) {
		f.set("CiphertextBlob", strings.ReplaceAll(f.values["CiphertextBlob"], "=", ""))
	})
	data("blob-with-line-feed", "base64 with a line feed", "damaged", func(f *keyFilePlan) {
		f.set("CiphertextBlob", `"`+f.values["CiphertextBlob"][1:20]+`\n`+f.values["CiphertextBlob"][20:])
	})
	for _, name := range dataKeyPlan().names[1:] {
		data("without-"+name, name+" is missing", "damaged", func(f *keyFilePlan) { f.drop(name) })
	}
}

// dataKeyTexts are files that are no JSON object of a data key file.
func (m *maker) dataKeyTexts() {
	text := dataKeyPlan().bytes()
	raw := func(name, comment, expect string, body []byte) {
		m.keyFile("data key file", name, comment, expect, body)
	}
	raw("cut", "the file is cut off", "damaged", text[:len(text)-10])
	raw("empty", "an empty file", "damaged", nil)
	raw("field-twice", "a field twice", "damaged",
		bytes.Replace(text, []byte("{\n"), []byte("{\n  \"Version\": 1,\n"), 1))
	raw("something-behind", "something behind the object", "damaged",
		append(bytes.Clone(text), "{}\n"...))
	raw("sealed-file", "a sealed file", "foreign", m.plan("not-a-key-file").file())
	bare := fmt.Sprintf(`{"CiphertextBlob":%s,"KeyId":%s`,
		base64Of(span(0x80, 0xb7)), quoted(exampleKMSKey))
	raw("of-aws", "the answer of GenerateDataKeyWithoutPlaintext", "opens", []byte(bare+"}\n"))
	raw("of-aws-with-plaintext", "the answer of GenerateDataKey, with the key in it", "foreign",
		[]byte(bare+`,"Plaintext":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}`+"\n"))
}

// pairFiles are pair files in JSON.
func (m *maker) pairFiles() {
	pair := func(name, comment, expect string, edit func(f *keyFilePlan)) {
		f := m.pairFilePlan()
		edit(f)
		m.made("pair file", name, comment, expect, f)
	}
	pair("json", "a pair in JSON", "opens", func(*keyFilePlan) {})
	pair("version-2", "version 2", "newer", func(f *keyFilePlan) { f.set("Version", "2") })
	pair("format-of-data-key", "it says it is a data key file", "foreign",
		func(f *keyFilePlan) { f.set("Format", quoted("envseal data key")) })
	pair("public-key-id", "the id is not that of the public key", "damaged",
		func(f *keyFilePlan) { f.set("PublicKeyId", quoted(strings.Repeat("0", 64))) })
	pair("public-key-id-upper-case", "the id in upper case", "damaged",
		func(f *keyFilePlan) { f.set("PublicKeyId", strings.ToUpper(f.values["PublicKeyId"])) })
	pair("private-key-altered", "a byte of the encrypted private key is wrong: without the checksum nobody would know before it is needed",
		"damaged", func(f *keyFilePlan) {
			f.set("PrivateKeyCiphertextBlob", base64Of(append(span(0xe0, 0xf5), 0xff)))
		})
	pair("unknown-spec", "a KeyPairSpec that cannot be sealed to", "damaged", func(f *keyFilePlan) {
		f.set("KeyPairSpec", quoted("ECC_SECG_P256K1"))
		f.sum[1] = "ECC_SECG_P256K1"
	})
	pair("with-private-key", "a field with the private key in the clear", "damaged",
		func(f *keyFilePlan) { f.set("PrivateKeyPlaintext", `"AAEC"`) })
}
