package awscli

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

// secretOf holds text in locked memory.
func secretOf(t *testing.T, text string) kmsclient.Secret {
	t.Helper()
	buf, err := keymem.New(len(text))
	if err != nil {
		t.Fatal(err)
	}
	copy(buf.Bytes(), text)
	t.Cleanup(buf.Destroy)
	return buf
}

func sampleDocument(t *testing.T) Document {
	return Document{{"CiphertextBlob", []byte("blob")},
		{"Plaintext", secretOf(t, "key")}, {"KeyId", "arn:<&>é"},
		{"Inner", Document{{"List", []string{"a", "b"}}, {"Empty", []string{}}, {"Yes", true}}}}
}

const sampleJSON = `{
    "CiphertextBlob": "YmxvYg==",
    "Plaintext": "a2V5",
    "KeyId": "arn:<&>é",
    "Inner": {
        "List": [
            "a",
            "b"
        ],
        "Empty": [],
        "Yes": true
    }
}
`

func TestDocumentJSON(t *testing.T) {
	text, wipe, err := jsonOf(sampleDocument(t))
	if err != nil || string(text) != sampleJSON {
		t.Errorf("%v: %s", err, text)
	}
	wipe()
	if text, _, err := jsonOf(Document(nil)); err != nil || string(text) != "{}\n" {
		t.Errorf("an empty document: %s, %v", text, err)
	}
	if s := sampleDocument(t).String(); strings.Contains(s, "a2V5") || strings.Contains(s, "key") {
		t.Errorf("a document prints its key: %s", s)
	}
}

func TestQueryOutput(t *testing.T) {
	for _, c := range []struct{ query, format, want string }{
		{"KeyId", "text", "arn:<&>é\n"},
		{"Plaintext", "text", "a2V5\n"},
		{"Plaintext", "json", "\"a2V5\"\n"},
		{"Plaintext", "yaml", "a2V5\n"},
		{"[Plaintext,KeyId]", "text", "a2V5\tarn:<&>é\n"},
		{"Nothing", "json", "null\n"},
		{"Nothing", "text", "None\n"},
		{"{z:KeyId,a:Inner.Yes}", "json", "{\n    \"z\": \"arn:<&>é\",\n    \"a\": true\n}\n"},
		{"Inner", "json",
			"{\n    \"List\": [\n        \"a\",\n        \"b\"\n    ],\n    \"Empty\": [],\n    \"Yes\": true\n}\n"},
		{"Inner", "yaml", "Empty: []\nList:\n  - a\n  - b\n\"Yes\": true\n"},
		{"Inner", "text", "True\nLIST\ta\nLIST\tb\n"},
		{"[`1`,`2.5`,`null`,[`2`,`3`],[`4`]]", "text", "1\t2.5\tNone\n2\t3\n4\n"},
		{"[{a:KeyId,n:`1`},{a:`\"x\"`,l:Inner.List}]", "text", "arn:<&>é\t1\nx\t\nL\ta\nL\tb\n"},
		{"length(Plaintext)", "json", "4\n"},
	} {
		q, err := CompileQuery(c.query)
		if err != nil {
			t.Errorf("%s: %v", c.query, err)
			continue
		}
		var b bytes.Buffer
		err = (Printer{c.format, q}).Print(&b, sampleDocument(t))
		if err != nil || b.String() != c.want {
			t.Errorf("%s as %s: %q, %v", c.query, c.format, b.String(), err)
		}
	}
	for _, bad := range []string{"", "a[", "a b", "foo(", "`"} {
		if _, err := CompileQuery(bad); err == nil {
			t.Errorf("query %q compiles", bad)
		}
	}
}

func TestTextOfWholeAnswer(t *testing.T) {
	var b bytes.Buffer
	if err := (Printer{Format: "text"}).Print(&b, sampleDocument(t)); err != nil {
		t.Fatal(err)
	}
	if want := "YmxvYg==\tarn:<&>é\ta2V5\nINNER\tTrue\nLIST\ta\nLIST\tb\n"; b.String() != want {
		t.Errorf("%q, not %q", b.String(), want)
	}
}

// TestQueryReaches: a query that is said not to reach the plaintext must find the same without it.
func TestQueryReaches(t *testing.T) {
	for text, want := range map[string]bool{
		"KeyId": false, "[KeyId,CiphertextBlob]": false, "{a:KeyId, b:Inner.List[0]}": false,
		"Inner.List[]": false, "Plaintext": true, "[Plaintext]": true, "*": true, "@": true,
		"values(@)": true, "KeyId || Plaintext": true, "\"Plain\\u0074ext\"": true,
		"*[?starts_with(@,'a')]": true, "to_string(@)": true, "{a:@}": true,
	} {
		q, err := CompileQuery(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := q.Reaches("Plaintext"); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if q := (*Query)(nil); !q.Reaches("Plaintext") || q.Reaches("") {
		t.Error("no query: the whole answer is printed")
	}
}

func TestTimes(t *testing.T) {
	defer func(zone *time.Location) { time.Local = zone }(time.Local)
	time.Local = time.FixedZone("", 2*3600)
	at := time.Date(2019, 12, 2, 19, 47, 14, 861e6, time.UTC)
	for at, want := range map[time.Time]string{at: "2019-12-02T21:47:14.861000+02:00",
		at.Truncate(time.Second): "2019-12-02T21:47:14+02:00"} {
		if got := isoTime(at); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
	text, _, err := jsonOf(Document{{"T", at}}.OnWire())
	if err != nil || !strings.Contains(string(text), `"T": 1575316034.861`) {
		t.Errorf("on the wire: %s, %v", text, err)
	}
}

func TestOnlyNames(t *testing.T) {
	names := regexp.MustCompile(`^[A-Za-z0-9_.,:\[\]{} -]*$`)
	for _, q := range []string{"", "Plaintext", "{a:KeyId, b:Arn}", "[0].x-y_z", "*", "keys(@)",
		"a|b", "a\tb", "`1`", "é"} {
		if onlyNames(q) != names.MatchString(q) {
			t.Errorf("%q has only names: %v", q, onlyNames(q))
		}
	}
}
