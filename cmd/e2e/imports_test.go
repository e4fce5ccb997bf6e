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

// The law of imports. format knows bytes and no key, envelope keys and no key service, kmsclient
// plain types only; cmd knows flags, files, terminals and exit codes, and no cryptography. Nothing
// imports what stands above it.

// core says what each package of the library may import within the module. keymem is the locked
// memory that key services share with envelope, whose internal packages they cannot see.
var core = map[string]string{
	"format":                        "",
	"envelope":                      "format envelope/internal/stream envelope/internal/secret envelope/internal/zstdseek",
	"envelope/internal/stream":      "",
	"envelope/internal/secret":      "",
	"envelope/internal/zstdseek":    "",
	"envelope/keymem":               "envelope/internal/secret",
	"envelope/keymem/memscan":       "",
	"kmsclient":                     "",
	"kmsclient/internal/jsonobject": "",
	"kmsclient/keyring":             "envelope envelope/keymem format kmsclient",
	"kmsclient/awskms":              "kmsclient kmsclient/internal/jsonobject envelope/keymem",
	"kmsclient/keystore":            "kmsclient envelope/keymem",
	"kmsclient/devserver":           "kmsclient kmsclient/internal/jsonobject envelope/keymem",
}

// room is a package below cmd/internal: the floor on which it stands, and what it may know of the
// core. It sees lower floors only.
type room struct {
	floor int
	core  string
}

var rooms = map[string]room{
	// explains their errors
	"exit":  {1, "format envelope kmsclient kmsclient/keyring kmsclient/keystore"},
	"proc":  {1, ""},
	"reuse": {1, "envelope envelope/keymem kmsclient"},

	"ui": {2, ""},

	"file": {3, ""},

	"inplace": {4, "format"},
	"flags":   {4, "kmsclient/keystore"}, // where a keystore is by default

	"keys":  {5, "format envelope envelope/keymem kmsclient kmsclient/keyring kmsclient/awskms kmsclient/keystore"},
	"child": {5, ""},

	"awscli":   {6, "envelope/keymem kmsclient"},
	"batch":    {6, "format"},
	"transfer": {6, "format envelope"},

	"tree": {7, ""},

	// The commands. None sees another.
	"encrypt":  {8, "format envelope kmsclient/keyring"},
	"decrypt":  {8, "format envelope envelope/keymem kmsclient/keyring"},
	"rewrap":   {8, "format envelope kmsclient kmsclient/keyring"},
	"inspect":  {8, "format"},
	"keyfile":  {8, "format kmsclient kmsclient/keyring"},
	"kms":      {8, "format envelope/keymem kmsclient kmsclient/keystore"},
	"doctor":   {8, "format kmsclient kmsclient/keyring kmsclient/keystore"},
	"keystore": {8, "kmsclient kmsclient/keystore kmsclient/devserver"},
	"manual":   {8, ""},
}

// commands may see *cli.Context; so may flags, which reads command lines, and cmd.
const commands = "encrypt decrypt rewrap inspect keyfile kms doctor keystore manual"

// onlyIn says where a dependency may be used, by the beginning of its path. A word without a slash
// is a room, but for cmd, format, envelope and kmsclient.
var onlyIn = map[string]string{
	"github.com/aws/":                 "kmsclient/awskms",
	"github.com/urfave/cli":           "cmd flags " + commands,
	"github.com/schollz/progressbar":  "ui",
	"golang.org/x/term":               "ui",
	"github.com/jmespath/go-jmespath": "awscli",
	"go.yaml.in/yaml/v3":              "awscli kms", // documents that are printed, and that are read
	"filippo.io/age":                  "kmsclient/keystore",
	"github.com/decred/":              "kmsclient/keystore",
	"github.com/klauspost/compress":   "envelope/internal/zstdseek",
	"golang.org/x/crypto":             "kmsclient/keystore",
	"golang.org/x/sys": "proc ui file inplace child tree keystore envelope/internal/secret " +
		"envelope/internal/stream envelope/keymem/memscan kmsclient/keystore kmsclient/awskms",
	"github.com/rogpeppe/go-internal": "",
	"github.com/c2sp/wycheproof":      "",
}

// stdOnly are the packages that others may copy without a second thought: standard library only.
var stdOnly = []string{"format", "kmsclient", "kmsclient/internal/jsonobject",
	"cmd/e2e", "cmd/e2e/testhome"}

// testsOnly are packages that only tests import, and that may import what they like.
var testsOnly = []string{"cmd/e2e", "cmd/e2e/testhome", "cmd/internal/testkit", "kmsclient/kmstest"}

func TestImportLaw(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		seen[name] = true
		if !hasPlace(name) {
			t.Errorf("package %q has no place in the law of imports", name)
			continue
		}
		for _, imp := range p.Imports {
			if inner, ok := strings.CutPrefix(imp, module); ok {
				if inner = strings.TrimPrefix(inner, "/"); !mayImport(name, inner) {
					t.Errorf("%s must not import %s", name, inner)
				}
			} else if !mayUse(name, imp) {
				t.Errorf("%s must not import %s", name, imp)
			}
		}
	}
	for name := range core {
		if !seen[name] {
			t.Errorf("the law names %s, which is not there", name)
		}
	}
	for name := range rooms {
		if !seen["cmd/internal/"+name] {
			t.Errorf("the law names cmd/internal/%s, which is not there", name)
		}
	}
}

func hasPlace(name string) bool {
	_, isCore := core[name]
	_, isRoom := rooms[strings.TrimPrefix(name, "cmd/internal/")]
	return isCore || isRoom || name == "" || name == "cmd" || slices.Contains(testsOnly, name)
}

// mayImport tells whether the package name may import other, both of the module.
func mayImport(name, other string) bool {
	if slices.Contains(testsOnly, name) {
		return true
	}
	if allowed, ok := core[name]; ok {
		return hasWord(allowed, other)
	}
	switch name {
	case "":
		return other == "cmd"
	case "cmd":
		return !slices.Contains(testsOnly, other)
	}
	r := rooms[strings.TrimPrefix(name, "cmd/internal/")]
	if below, ok := strings.CutPrefix(other, "cmd/internal/"); ok {
		return rooms[below].floor > 0 && rooms[below].floor < r.floor
	}
	return hasWord(r.core, other)
}

// mayUse tells whether the package name may import a package of somebody else.
func mayUse(name, imp string) bool {
	if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
		return true // standard library
	}
	if slices.Contains(stdOnly, name) {
		return false
	}
	for prefix, places := range onlyIn {
		if strings.HasPrefix(imp, prefix) {
			short := strings.TrimPrefix(name, "cmd/internal/")
			return slices.Contains(testsOnly, name) || hasWord(places, short)
		}
	}
	return false
}

func hasWord(words, word string) bool { return slices.Contains(strings.Fields(words), word) }

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
