package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/envseal/envseal/internal/testhome"
)

func TestMain(m *testing.M) { os.Exit(testhome.Run(m.Run)) }

const dependencies = "../../docs/dependencies.md"

// built is a program built as for a release: what the document is made from has to survive -trimpath and the stripping.
func built(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "envseal")
	c := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "urfave_cli_no_docs", "-ldflags", "-s -w -buildid=", "-o", out, "../..")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return out
}

// TestDocument checks what CycloneDX 1.6 requires, and that the document says what is in the program and nothing else.
func TestDocument(t *testing.T) {
	program := built(t)
	var out, again bytes.Buffer
	if err := run(&out, program, dependencies, "v1.2.3"); err != nil {
		t.Fatal(err)
	}
	if err := run(&again, program, dependencies, "v1.2.3"); err != nil || !bytes.Equal(out.Bytes(), again.Bytes()) {
		t.Errorf("not the same twice: %v", err)
	}
	var doc bom
	dec := json.NewDecoder(&out)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if doc.BOMFormat != "CycloneDX" || doc.SpecVersion != "1.6" || doc.Version < 1 {
		t.Errorf("head: %+v", doc)
	}
	if !regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(doc.SerialNumber) {
		t.Errorf("serial number %s", doc.SerialNumber)
	}
	if own := doc.Metadata.Component; own.Type != "application" || own.Name != "envseal" || own.Version != "v1.2.3" || own.PURL != "pkg:golang/github.com/envseal/envseal@v1.2.3" {
		t.Errorf("the program: %+v", own)
	}
	checkComponents(t, &doc)
	checkModules(t, &doc, program)
}

// checkComponents looks for the fields that are required, and for references that lead nowhere.
func checkComponents(t *testing.T, doc *bom) {
	t.Helper()
	refs := map[string]bool{}
	for _, c := range append(doc.Components, doc.Metadata.Component) {
		if c.Type == "" || c.Name == "" || c.Version == "" || len(c.Licenses) != 1 || c.Licenses[0].Expression == "" || !strings.HasPrefix(c.PURL, "pkg:golang/") {
			t.Errorf("something is missing: %+v", c)
		}
		for _, h := range c.Hashes {
			if h.Algorithm != "SHA-256" || !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(h.Content) {
				t.Errorf("%s: hash %+v", c.Name, h)
			}
		}
		if refs[c.BOMRef] || c.BOMRef == "" {
			t.Errorf("bom-ref %q is empty or comes twice", c.BOMRef)
		}
		refs[c.BOMRef] = true
	}
	for _, d := range doc.Dependencies {
		for _, ref := range append(d.DependsOn, d.Ref) {
			if !refs[ref] {
				t.Errorf("reference to %q, which is not there", ref)
			}
		}
	}
	if n := len(doc.Dependencies); n != len(refs) || len(doc.Dependencies[0].DependsOn) != len(refs)-1 {
		t.Errorf("%d dependencies for %d components", n, len(refs))
	}
}

// checkModules compares with what the program itself says.
func checkModules(t *testing.T, doc *bom, program string) {
	t.Helper()
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, c := range doc.Components {
		listed[c.Name+" "+c.Version] = true
	}
	if !listed["std "+info.GoVersion] || len(info.Deps) < 10 || len(listed) != len(info.Deps)+1 {
		t.Errorf("%d components, %d modules in the program", len(listed), len(info.Deps))
	}
	for _, m := range info.Deps {
		if !listed[m.Path+" "+m.Version] {
			t.Errorf("%s %s is in the program and not in the document", m.Path, m.Version)
		}
	}
}

// TestRefusals: what is not known is not made up.
func TestRefusals(t *testing.T) {
	program := built(t)
	none := filepath.Join(t.TempDir(), "none.md")
	if err := os.WriteFile(none, []byte("no table\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(&out, program, none, ""); err == nil || !strings.Contains(err.Error(), "no licence is known") {
		t.Errorf("no licences: %v", err)
	}
	if err := run(&out, dependencies, dependencies, ""); err == nil || !strings.Contains(err.Error(), "dependencies.md: ") {
		t.Errorf("no program: %v", err)
	}
	if out.Len() > 0 {
		t.Errorf("written in spite of that: %s", out.String())
	}
}
