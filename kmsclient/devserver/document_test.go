package devserver

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/envseal/envseal/envelope/keymem"
)

// halfPair finds an escape of a surrogate, of which a half may stand alone.
var halfPair = regexp.MustCompile(`\\u[dD][89a-fA-F]`)

// TestHalfOfAPair: what stands for no text is refused, and what looks like it is taken as it is
// written.
func TestHalfOfAPair(t *testing.T) {
	for text, want := range map[string]string{
		`"\ud83d\uDE00"`:       "\U0001f600",
		`"\\ud800"`:            `\ud800`,
		"\"\ufffd\"":           "\ufffd",
		`"\ufffd\uFFFD\ufffd"`: "\ufffd\ufffd\ufffd",
		`"\\\ufffd\\\\ufffd"`:  "\\\ufffd\\\\ufffd",
		`"\ud800"`:             "",
		`"x\uDfFfy"`:           "",
		`"\ufffd\ud83d"`:       "",
		`"\\\ud800"`:           "",
		`"\ude00\ud83d"`:       "",
		`"\ud83d\ud83d\ude00"`: "",
	} {
		if got, ok := unquote([]byte(text)); ok != (want != "") || ok && got != want {
			t.Errorf("%s is %q, %v", text, got, ok)
		}
		name := []byte("{" + text + ":1}")
		if _, err := splitObject(name); (err == nil) != (want != "") {
			t.Errorf("%s: %v", name, err)
		}
		in := request{members: map[string][]byte{"EncryptionContext": []byte(`{"a":` + text + "}")}}
		if got := in.pairs("EncryptionContext"); got["a"] != want || (in.err == nil) != (want != "") {
			t.Errorf("context with %s is %q, %v", text, got, in.err)
		}
	}
}

// FuzzSplitObject compares splitObject with encoding/json: the same documents are objects, and have
// the same members.
func FuzzSplitObject(f *testing.F) {
	seeds := []string{`{}`, `{"a":1}`, ` { "a" : "}\"" , "b\u0041":[1,{"c":"]"}] ,"d":null}`,
		`{"a":-1.5e3,"b":true,"c":{}}`, `[1]`, `"{"`, `{"a":1}}`, "{\"a\":\"\\\\\"}"}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := splitObject(b)
		var want map[string]json.RawMessage
		fails := json.Unmarshal(b, &want) != nil || want == nil
		if err != nil {
			// Stricter than encoding/json in three things: text that is not UTF-8, names that come twice,
			// and names with half of a surrogate pair.
			why := err.Error()
			if !fails && !strings.Contains(why, "UTF-8") && !strings.Contains(why, "twice") &&
				!(strings.Contains(why, "no text") && halfPair.Match(b)) {
				t.Fatalf("%q refused: %v", b, err)
			}
			return
		}
		if fails || len(got) != len(want) {
			t.Fatalf("%q: %d members, want %d", b, len(got), len(want))
		}
		for name, raw := range want {
			if !bytes.Equal(got[name], bytes.TrimSpace(raw)) {
				t.Fatalf("%q: member %q is %q, want %q", b, name, got[name], raw)
			}
		}
	})
}

func TestRequestIsWiped(t *testing.T) {
	in, err := parseRequest([]byte(`{"Plaintext":"c2VjcmV0"}`))
	if err != nil {
		t.Fatal(err)
	}
	b := in.blob("Plaintext", 10)
	if string(b) != "secret" {
		t.Fatalf("read %q", b)
	}
	in.wipe()
	if !bytes.Equal(b, make([]byte, 6)) {
		t.Fatal("the plaintext is still there")
	}
}

// TestSecretAnswerDoesNotGrow: memory that append would move is memory with a copy of the key left
// behind.
func TestSecretAnswerDoesNotGrow(t *testing.T) {
	key, err := keymem.New(32)
	if err != nil {
		t.Fatal(err)
	}
	a := newAnswer(nil)
	defer a.wipe()
	a.secret("Plaintext", key)
	start, locked := &a.b[0], a.locked.Bytes()
	if b, err := a.finish(); err != nil || &b[0] != start || &b[0] != &locked[0] {
		t.Fatalf("moved, or %v", err)
	}
	a.text("KeyId", string(bytes.Repeat([]byte("x"), 5000)))
	if _, err := a.finish(); err == nil || &a.b[0] != start {
		t.Fatal("the answer outgrew its memory")
	}
}
