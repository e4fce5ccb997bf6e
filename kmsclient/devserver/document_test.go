package devserver

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzSplitObject compares splitObject with encoding/json: the same documents are objects, and have the same members.
func FuzzSplitObject(f *testing.F) {
	seeds := []string{`{}`, `{"a":1}`, ` { "a" : "}\"" , "b\u0041":[1,{"c":"]"}] ,"d":null}`, `{"a":-1.5e3,"b":true,"c":{}}`, `[1]`, `"{"`, `{"a":1}}`, "{\"a\":\"\\\\\"}"}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := splitObject(b)
		var want map[string]json.RawMessage
		fails := json.Unmarshal(b, &want) != nil || want == nil
		if err != nil {
			// Stricter than encoding/json in two things: text that is not UTF-8, and names that come twice.
			if !fails && !bytes.Contains([]byte(err.Error()), []byte("UTF-8")) && !bytes.Contains([]byte(err.Error()), []byte("twice")) {
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

// TestSecretAnswerDoesNotGrow: memory that append would move is memory with a copy of the key left behind.
func TestSecretAnswerDoesNotGrow(t *testing.T) {
	a, err := newSecretAnswer(nil, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	defer a.wipe()
	start := &a.b[0]
	a.blob("Plaintext", make([]byte, 32))
	if _, err := a.finish(); err != nil || &a.b[0] != start {
		t.Fatalf("moved, or %v", err)
	}
	a.text("KeyId", string(bytes.Repeat([]byte("x"), 5000)))
	if _, err := a.finish(); err == nil || &a.b[0] != start {
		t.Fatal("the answer outgrew its memory")
	}
}
