package batch

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/testkit"
)

func TestReadNames(t *testing.T) {
	list := filepath.Join(t.TempDir(), "list")
	for _, c := range []struct {
		text string
		want []string
		err  string
	}{
		{"", nil, ""},
		{"a\x00b c\x00", []string{"a", "b c"}, ""},
		{"a\nb\x00-", []string{"a\nb", "./-"}, ""},
		{"\x00", nil, "name 1 is empty"},
		{"a\x00\x00b", nil, "name 2 is empty"},
		{"a\x00" + strings.Repeat("x", maxName+1), nil, "a name of more than"},
	} {
		testkit.WriteFile(t, list, c.text)
		got, err := readNames(list)
		if c.err != "" {
			testkit.WantCode(t, err, exit.Usage, c.err)
		} else if err != nil || strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("%q: %q, %v", c.text, got, err)
		}
	}
}
