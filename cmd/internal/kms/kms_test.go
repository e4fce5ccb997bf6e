package kms

import (
	"bufio"
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/envseal/envseal/cmd/internal/awscli"
	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/testkit"
	"github.com/envseal/envseal/kmsclient"
)

func TestProfileSetting(t *testing.T) {
	const config = "[default]\noutput = text\n# output = x\ns3 =\n  output = nested\n\n[profile web]\noutput=yaml\n[sso-session default]\noutput = y\n[profile \"two words\"]\nregion = x\noutput = both\n[profile two]\noutput = z\n"
	for profile, want := range map[string]string{"default": "text", "web": "yaml", "none": "",
		"two words": "both", "two": "z"} {
		got := settingsOf(bufio.NewScanner(strings.NewReader(config)), profile)["output"]
		if got != want {
			t.Errorf("%s: %q", profile, got)
		}
	}
}

func TestBlobValue(t *testing.T) {
	m := member{name: "CiphertextBlob", kind: blobMember, most: kmsclient.MaxCiphertextBlob}
	dir := t.TempDir()
	t.Setenv("PLACE", dir)
	raw, text := testkit.WriteFile(t, dir+"/raw", "\x00\xff raw \n"),
		testkit.WriteFile(t, dir+"/text", "aGVs\nbG8=\n")
	long := testkit.WriteFile(t, dir+"/long", strings.Repeat("x", maxBlobText))
	for _, c := range []struct {
		arg  string
		raw  bool
		want string
	}{
		{"aGVsbG8=", false, "hello"}, {" aGVsbG8=\n", false, "hello"}, {"hello", true, "hello"},
		{"", false, ""}, {"", true, ""},
		{"fileb://" + raw, false, "\x00\xff raw \n"}, {"fileb://" + raw, true, "\x00\xff raw \n"},
		{"fileb://$PLACE/raw", false, "\x00\xff raw \n"},
		{"file://" + text, false, "hello"}, {"file://" + text, true, "aGVs\nbG8=\n"},
		{"fileb://" + testkit.WriteFile(t, dir+"/empty", ""), false, ""},
	} {
		buf, err := blobValue(m, c.arg, c.raw)
		got := ""
		if buf != nil {
			got = string(buf.Bytes())
			buf.Destroy()
		}
		if err != nil || got != c.want {
			t.Errorf("%q, raw %v: %q, %v", c.arg, c.raw, got, err)
		}
	}
	for _, arg := range []string{"hello", "a===", "fileb://", "fileb://" + dir,
		"fileb://" + dir + "/none", "file://" + raw, "fileb://" + long} {
		if buf, err := blobValue(m, arg, false); exit.Code(err) != exit.Usage {
			t.Errorf("%q: %v, %v", arg, buf, err)
		}
	}
}

// TestSkeletons: what is printed to be filled in is what is read, as JSON and as YAML, and every
// member has a flag of its own.
func TestSkeletons(t *testing.T) {
	for _, op := range operations() {
		var text, out bytes.Buffer
		if err := awscli.PrintJSON(&text, op.sampleRequest()); err != nil {
			t.Fatal(err)
		}
		fromJSON, err := readJSON(text.String())
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := op.writeYAMLSample(&b); err != nil {
			t.Fatal(err)
		}
		asYAML, err := readYAML(b.String())
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		for name, doc := range map[string]any{"JSON": fromJSON, "YAML": asYAML} {
			members := doc.(map[string]any)
			names := slices.Sorted(maps.Keys(members))
			if len(names) == 0 || slices.ContainsFunc(names, func(n string) bool { return !op.has(n) }) {
				t.Errorf("%s: %s has %v", op.name, name, names)
			}
		}
		var answer map[string]any
		err = awscli.PrintJSON(&out, op.answer)
		if err != nil || json.Unmarshal(out.Bytes(), &answer) != nil || len(answer) == 0 {
			t.Errorf("%s: sample answer %s, %v", op.name, &out, err)
		}
	}
}

func TestInputDocumentTypes(t *testing.T) {
	op := &operation{name: "Test",
		members: []member{{name: "KeyId"}, numberOfBytesMember, dryRunMember, grantTokensMember,
			contextMember("EncryptionContext"), {name: "Plaintext", kind: blobMember}, recipientMember}}
	for text, good := range map[string]bool{
		"KeyId: alias/x": true, "NumberOfBytes: 64": true, "DryRun: true": true,
		"GrantTokens: [a, b]": true, "EncryptionContext: {a: b}": true,
		"Plaintext: !!binary aGVsbG8=": true, "Plaintext: aGVsbG8=": true,
		"KeyId: 1": false, "KeyId: null": false, "NumberOfBytes: x": false,
		"NumberOfBytes: 99999999999": false, "DryRun: x": false, "GrantTokens: a": false,
		"GrantTokens: [1]": false, "EncryptionContext: {a: 1}": false, "EncryptionContext: [a]": false,
		"Plaintext: null": false, "Plaintext: '*'": false,
		"Recipient: {}": false,
	} {
		doc, err := readYAML(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		r := &request{op: op, values: map[string]any{}}
		for _, m := range op.members {
			if v, ok := doc.(map[string]any)[m.name]; ok {
				err = r.set(m, kinds[m.kind].fromDocument, v, false)
			}
		}
		if good != (err == nil) || good != (len(r.values) == 1) || !good && exit.Code(err) != exit.Usage {
			t.Errorf("%s: %v, %v", text, r.values, err)
		}
		r.wipe()
	}
	if _, err := readYAML("a: &x [1]\nb: *x"); err == nil {
		t.Error("an alias is taken")
	}
}
