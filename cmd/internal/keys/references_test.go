package keys

import (
	"regexp"
	"strings"
	"testing"
)

// Names are checked by hand, as compiling these expressions would cost every run.
func TestNamesOfKeys(t *testing.T) {
	keyID := regexp.MustCompile(
		`^(mrk-)?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$`)
	alias := regexp.MustCompile(`^alias/[a-zA-Z0-9/_-]{1,250}$`)
	const id = "1234abcd-12ab-34cd-56ef-1234567890ab"
	bare := strings.ReplaceAll(id, "-", "")
	words := []string{"", "mrk-", id, bare, "mrk-" + id, "mrk-" + bare, "mrk-mrk-" + id,
		"12-34abcd12ab34cd56ef1234567890ab", "-" + id, id + "-", id + "0", id[1:], bare + "\n",
		strings.ToUpper(id), strings.Replace(id, "-", "--", 1), strings.Replace(id, "-", "", 1),
		strings.Replace(id, "a", "g", 1), "1234é" + id[6:], "backup"}
	for _, a := range []string{"a", "a/b_c-D9", "a b", "a.b", "é", "", "aws", "aws/s3", "awsome/x",
		strings.Repeat("a", 250), strings.Repeat("a", 251), "a\n"} {
		words = append(words, "alias/"+a, a)
	}
	for _, w := range words {
		if got, want := isKeyID(w), keyID.MatchString(w); got != want {
			t.Errorf("%q is a key id: %v, want %v", w, got, want)
		}
		got, want := IsAliasName(w), alias.MatchString(w) && !strings.HasPrefix(w, "alias/aws/")
		if got != want {
			t.Errorf("%q is the name of an alias: %v, want %v", w, got, want)
		}
	}
}
