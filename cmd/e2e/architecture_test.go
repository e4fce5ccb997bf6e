package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/envseal/envseal/cmd/e2e/testhome"
)

// source is the text of the module's Go files: those of each directory, and all tests.
type source struct {
	dirs  map[string]string // by the last part of the path
	tests string
}

func readSource(t *testing.T) source {
	t.Helper()
	s := source{dirs: map[string]string{}}
	var tests strings.Builder
	err := filepath.WalkDir(testhome.Module(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.HasSuffix(path, "_test.go") {
			tests.Write(text)
		} else {
			s.dirs[filepath.Base(filepath.Dir(path))] += string(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.tests = tests.String()
	return s
}

// declares tells whether the package has the name, be it that of a method.
func (s source) declares(pkg, name string) bool {
	return regexp.MustCompile(`(?m)^(func|type) (\([^)]*\) )?` + name + `\b`).MatchString(s.dirs[pkg])
}

// What docs/architecture.md names is there: packages, files, functions and tests. It has every room
// of the program, and each promise a test.
func TestArchitectureIsTrue(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(testhome.Module(), "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	text, s := string(b), readSource(t)
	for _, quoted := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(text, -1) {
		if what := s.missing(quoted[1]); what != "" {
			t.Errorf("docs/architecture.md names `%s`: no such %s", quoted[1], what)
		}
	}
	for room := range rooms {
		if !regexp.MustCompile(`\b` + room + `\b`).MatchString(text) {
			t.Errorf("docs/architecture.md does not name cmd/internal/%s", room)
		}
	}
	promises := 0
	for line := range strings.Lines(text) {
		if cells := strings.Split(line, "|"); len(cells) == 5 && strings.Contains(cells[2], "`") {
			promises++
			if !regexp.MustCompile("`(Test\\w+|\\w+\\.txtar)`").MatchString(cells[3]) {
				t.Errorf("no test shows it: %s", cells[1])
			}
		}
	}
	if promises < 30 {
		t.Errorf("%d promises, there are more", promises)
	}
}

// missing is what kind of thing is named and not there, "" for what is there and for other words.
func (s source) missing(name string) string {
	is := func(pattern string) bool { return regexp.MustCompile(pattern).MatchString(name) }
	exists := func(path ...string) bool {
		_, err := os.Stat(filepath.Join(testhome.Module(), filepath.Join(path...)))
		return err == nil
	}
	switch {
	case is(`^Test\w+$`):
		if !strings.Contains(s.tests, "\nfunc "+name+"(") {
			return "test"
		}
	case is(`^\w+\.txtar$`):
		if !exists("testdata", "script", name) {
			return "script"
		}
	case is(`^[a-z0-9_]+(/[a-z0-9_]+)*(\.go)?$`):
		if !exists(name) {
			return "package or file"
		}
	case is(`^[a-z]+(\.[A-Z]\w*)+$`):
		words := strings.Split(name, ".")
		for _, word := range words[1:] {
			if !s.declares(words[0], word) {
				return "name"
			}
		}
	}
	return ""
}
