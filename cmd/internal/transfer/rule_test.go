package transfer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/testkit"
)

// What has the output's name is the output of an earlier run only if it is a regular file of its
// own.
func TestCompare(t *testing.T) {
	path := t.TempDir()
	in, err := file.Open(testkit.WriteFile(t, filepath.Join(path, "in"), "text"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	testkit.WriteFile(t, filepath.Join(path, "file"), "sealed")
	for name, make := range map[string]func(string) error{
		"symlink":   func(p string) error { return os.Symlink("file", p) },
		"hardlink":  func(p string) error { return os.Link(in.Name, p) },
		"directory": func(p string) error { return os.Mkdir(p, 0o700) },
	} {
		if err := make(filepath.Join(path, name)); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := file.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	asked := 0
	rule := Rule(func(in, out *file.Input) (current, replaceable bool) {
		asked++
		return out.Size == 6, true
	})
	for name, want := range map[string]bool{"file": true, "absent": false, "symlink": false,
		"hardlink": false, "directory": false} {
		if current, replaceable := rule.Compare(dir, name, in); current != want || replaceable != want {
			t.Errorf("%s: %v, %v", name, current, replaceable)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}
