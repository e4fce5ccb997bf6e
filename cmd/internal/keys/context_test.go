package keys

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/format"
)

// Contexts are taken as they are written, in all spellings: KMS binds them to what it encrypts, so
// none must become another on the way.
func TestContextIsTakenAsItIsWritten(t *testing.T) {
	for arg, want := range map[string]format.Context{
		"{}":                        {},
		"a=b,c=d=e":                 {"a": "b", "c": "d=e"},
		`a=\ud800`:                  {"a": `\ud800`}, // no JSON, no escapes
		`{"a":"b", "c":""}`:         {"a": "b", "c": ""},
		`{"a":"\ud83d\ude00"}`:      {"a": "\U0001f600"},
		`{"\uD83D\uDE00":"b"}`:      {"\U0001f600": "b"},
		`{"a":"\\ud800"}`:           {"a": `\ud800`},
		`{"a":"\\\\ud800\n\u00e9"}`: {"a": "\\\\ud800\n\u00e9"},
	} {
		for name, arg := range map[string]string{"argument": arg, "file": inFile(t, arg)} {
			if got, err := parseContext([]string{arg}); err != nil || !maps.Equal(got, want) {
				t.Errorf("%s %q: %v, %v", name, arg, got, err)
			}
		}
	}
}

// What stands for no text is refused, with the spelling that would have been right, and not
// replaced by U+FFFD.
func TestContextOfNoText(t *testing.T) {
	for arg, half := range map[string]bool{
		`{"a":"\ud800"}`:             true,
		`{"a":"\uDFFF"}`:             true,
		`{"\udbff":"b"}`:             true,
		`{"a":"x\ude00\ud83dx"}`:     true,
		`{"a":"\ud83d\ud83d\ude00"}`: true,
		`{"a":"\\\ud800"}`:           true,
		"{\"a\":\"\xff\"}":           false,
		"a=\xed\xa0\x80":             false,
		"a=\ufffd":                   false,
		`{"a":"\ufffd"}`:             false,
		`{"a":"\u`:                   false,
		`{"a":"\`:                    false,
	} {
		for name, arg := range map[string]string{"argument": arg, "file": inFile(t, arg)} {
			got, err := parseContext([]string{arg})
			var e *exit.Error
			if !errors.As(err, &e) || e.Code != exit.Usage || errors.Is(err, ErrHalfCharacter) != half ||
				strings.Contains(e.Hint, `\ud83d\ude00`) != half {
				t.Errorf("%s %q: %v, %v", name, arg, got, err)
			}
		}
	}
}

// Nothing may follow a context: the rest would have been meant to be bound as well.
func TestContextIsAll(t *testing.T) {
	for _, rest := range []string{"}", "]", "{}", ` "c"`, ",", "\x00"} {
		for name, arg := range map[string]string{"argument": `{"a":"b"}` + rest,
			"file": inFile(t, `{"a":"b"}`+rest)} {
			if got, err := parseContext([]string{arg}); exit.Code(err) != exit.Usage {
				t.Errorf("%s %q: %v, %v", name, arg, got, err)
			}
		}
	}
}

// inFile writes a context into a file, and gives the reference to it.
func inFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "context.json")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file://" + path
}
