package manual

import (
	"strings"
	"testing"
)

func TestWrap(t *testing.T) {
	for text, want := range map[string]string{"": "", "a": "a", "aa bb cc": "aa bb|cc",
		"aaaaaa b": "aaaaaa|b", "é é é é": "é é é|é", " a  b ": "a b"} {
		if got := strings.Join(wrap(text, 5), "|"); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
