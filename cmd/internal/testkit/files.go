package testkit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/envseal/envseal/cmd/internal/exit"
)

// WriteFile writes a file with text and returns its path.
func WriteFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

// WantCode fails the test unless err asks for that exit code and holds the words.
func WantCode(t *testing.T, err error, code int, words string) {
	t.Helper()
	if exit.Code(err) != code || !strings.Contains(err.Error(), words) {
		t.Fatalf("got code %d, %v; want code %d, %q", exit.Code(err), err, code, words)
	}
}

// WantFiles checks the names in dir, and thereby that no temp file is left, and the contents of
// those with any given.
func WantFiles(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, known := want[e.Name()]
		if !known {
			t.Errorf("%s is left", e.Name())
		} else if got, err := os.ReadFile(filepath.Join(dir, e.Name())); text != "" &&
			(err != nil || string(got) != text) {
			t.Errorf("%s holds %q, %v; want %q", e.Name(), got, err, text)
		}
	}
	if len(entries) != len(want) {
		t.Errorf("%d files, want %d", len(entries), len(want))
	}
}
