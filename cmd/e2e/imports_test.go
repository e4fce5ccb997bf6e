package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/envseal/envseal/cmd/e2e/testhome"
)

const module = "github.com/envseal/envseal"

// mayImport is the law of imports within the module: format knows no key, envelope no key service, kmsclient only plain types, cmd no cryptography.
// keymem is the locked memory that key services share with envelope, whose internal packages they cannot see.
var mayImport = map[string][]string{
	"":                         {"cmd"},
	"format":                   {},
	"envelope":                 {"format", "envelope/internal/stream", "envelope/internal/secret", "envelope/internal/zstdseek"},
	"envelope/internal/stream": {}, "envelope/internal/secret": {}, "envelope/keymem/memscan": {}, "envelope/internal/zstdseek": {},
	"envelope/keymem":     {"envelope/internal/secret"},
	"kmsclient/keyring":   {"envelope", "envelope/keymem", "format", "kmsclient"},
	"kmsclient":           {},
	"kmsclient/awskms":    {"kmsclient", "envelope/keymem"},
	"kmsclient/keystore":  {"kmsclient", "envelope/keymem"},
	"kmsclient/devserver": {"kmsclient", "envelope/keymem"},
	"kmsclient/kmstest":   {"kmsclient"},
	"cmd/e2e/testhome":    {},
	"cmd/e2e":             {},
	"cmd":                 {"format", "envelope", "envelope/keymem", "kmsclient/keyring", "kmsclient", "kmsclient/awskms", "kmsclient/keystore", "kmsclient/devserver"},
}

// onlyIn says where a dependency may be used, by the beginning of its path.
var onlyIn = map[string][]string{
	"github.com/aws/":                 {"kmsclient/awskms"},
	"github.com/urfave/cli":           {"cmd"},
	"github.com/schollz/progressbar":  {"cmd"},
	"golang.org/x/term":               {"cmd"},
	"github.com/jmespath/go-jmespath": {"cmd"},
	"go.yaml.in/yaml/v3":              {"cmd"},
	"filippo.io/age":                  {"kmsclient/keystore"},
	"github.com/decred/":              {"kmsclient/keystore"},
	"github.com/klauspost/compress":   {"envelope/internal/zstdseek"},
	"golang.org/x/sys":                {"cmd", "envelope/internal/secret", "envelope/internal/stream", "envelope/keymem/memscan", "kmsclient/keystore", "kmsclient/awskms"},
	"golang.org/x/crypto":             {"kmsclient/keystore"},
	"github.com/rogpeppe/go-internal": {},
}

// stdOnly are the packages that others may copy without a second thought: standard library only.
var stdOnly = []string{"format", "kmsclient"}

func TestImportLaw(t *testing.T) {
	seen := 0
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		allowed, ok := mayImport[name]
		if !ok {
			t.Errorf("package %q has no place in the law of imports", name)
			continue
		}
		seen++
		for _, imp := range p.Imports {
			if inner, ok := strings.CutPrefix(imp, module); ok {
				if inner = strings.TrimPrefix(inner, "/"); !slices.Contains(allowed, inner) {
					t.Errorf("%s must not import %s", name, inner)
				}
				continue
			}
			checkOutside(t, name, imp)
		}
	}
	if seen != len(mayImport) {
		t.Errorf("%d packages found, the law names %d", seen, len(mayImport))
	}
}

func checkOutside(t *testing.T, name, imp string) {
	t.Helper()
	if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
		return // standard library
	}
	if slices.Contains(stdOnly, name) {
		t.Errorf("%s must import the standard library only, it imports %s", name, imp)
	}
	for prefix, places := range onlyIn {
		if strings.HasPrefix(imp, prefix) {
			if !slices.Contains(places, name) {
				t.Errorf("%s must not import %s", name, imp)
			}
			return
		}
	}
	t.Errorf("%s imports %s, a dependency without a place in the law of imports", name, imp)
}

// Tests that start processes give them a home of their own (package testhome): a package with such
// tests, whatever their build tags, has a TestMain that does.
func TestChildrenHaveHome(t *testing.T) {
	starts, homes := map[string]bool{}, map[string]bool{}
	err := filepath.WalkDir(testhome.Module(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		dir := filepath.Dir(path)
		starts[dir] = starts[dir] || regexp.MustCompile(`"os/exec"|ForkExec\(|StartProcess\(`).Match(b)
		homes[dir] = homes[dir] || bytes.Contains(b, []byte("testhome.Run("))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir := range starts {
		if starts[dir] && !homes[dir] && filepath.Base(dir) != "testhome" {
			t.Errorf("%s: its tests start processes, and no TestMain calls testhome.Run", dir)
		}
	}
	if len(homes) < 10 {
		t.Errorf("tests in %d directories only", len(homes))
	}
}

type listedPackage struct {
	ImportPath string
	Imports    []string
}

func listPackages(t *testing.T) []listedPackage {
	t.Helper()
	list := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	list.Dir = testhome.Module()
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []listedPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listedPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
