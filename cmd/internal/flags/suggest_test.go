package flags

import "testing"

func TestNear(t *testing.T) {
	commands := []string{"init", "create-key", "list-keys", "rotate-key", "disable-key", "enable-key",
		"alias", "export", "serve", "e", "d"}
	flags := []string{"key-id", "k", "encryption-context", "c", "output", "o", "output-dir", "O",
		"recursive", "R", "rm", "no-decompress", "max-size", "passphrase-file"}
	for _, c := range []struct {
		word  string
		names []string
		want  string
	}{
		{"list", commands, "list-keys"}, {"rotate", commands, "rotate-key"},
		{"key", commands, "list-keys"}, {"craete-key", commands, "create-key"},
		{"delete-key", commands, ""}, {"foo", commands, ""}, {"x", commands, ""}, {"", commands, ""},
		{"eksport", commands, "export"}, {"ls", commands, ""},
		{"keyid", flags, "key-id"}, {"context", flags, "encryption-context"}, {"K", flags, "k"},
		{"r", flags, "R"}, {"decompress", flags, "no-decompress"},
		{"out", flags, "output"}, {"kms-key-id", flags, "key-id"},
		{"passphrase", flags, "passphrase-file"}, {"threads", flags, ""}, {"xm", flags, ""},
	} {
		if got := Near(c.word, c.names); got != c.want {
			t.Errorf("%q: %q, want %q", c.word, got, c.want)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "abc", 3}, {"abc", "acb", 1}, {"abc", "abc", 0}, {"kitten", "sitting", 3},
		{"keyid", "key-id", 1}} {
		if got := editDistance(c.a, c.b); got != c.want || editDistance(c.b, c.a) != c.want {
			t.Errorf("%q, %q: %d", c.a, c.b, got)
		}
	}
}
