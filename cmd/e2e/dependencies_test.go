package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/envseal/envseal/cmd/e2e/testhome"
)

// row is one of docs/dependencies.md.
type row struct {
	version, licence string
	reasons          []string
}

// TestTableIsTrue compares docs/dependencies.md with go.mod: each module once, in the table where
// it belongs, with its version and a reason.
func TestTableIsTrue(t *testing.T) {
	direct, indirect, ok := strings.Cut(dependencies(t), "## Required by those")
	if !ok {
		t.Fatal("the second table is not there")
	}
	tables := map[bool]map[string]row{false: rows(t, direct), true: rows(t, indirect)}
	out, err := exec.Command("go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct {
			Path, Version string
			Indirect      bool
		}
	}
	if err := json.Unmarshal(out, &mod); err != nil || len(mod.Require) < 10 {
		t.Fatalf("go.mod: %d modules, %v", len(mod.Require), err)
	}
	for _, m := range mod.Require {
		r, ok := tables[m.Indirect][m.Path]
		if !ok || r.version != m.Version {
			t.Errorf("go.mod requires %s %s, its table has version %q", m.Path, m.Version, r.version)
		}
		for _, reason := range r.reasons {
			if len(reason) < 3 {
				t.Errorf("%s: a column is empty", m.Path)
			}
		}
	}
	if n := len(tables[false]) + len(tables[true]); n != len(mod.Require) {
		t.Errorf("the tables have %d modules, go.mod has %d", n, len(mod.Require))
	}
}

func dependencies(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testhome.Module(), "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// built is envseal built as for a release, and what the linker says of which function needs which.
// It is removed with the home of the tests.
var built = sync.OnceValues(func() (program, linked string) {
	program = filepath.Join(os.Getenv("HOME"), "bin", "envseal")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "urfave_cli_no_docs",
		"-ldflags", "-s -w -buildid= -dumpdep", "-o", program, ".")
	build.Dir, build.Env = testhome.Module(), append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		return "", fmt.Sprint(err, "\n", string(out))
	}
	return program, string(out)
})

func buildProgram(t *testing.T) (program, linked string) {
	t.Helper()
	testhome.Need(t)
	program, linked = built()
	if program == "" {
		t.Fatalf("%.5000s", linked)
	}
	return program, linked
}

// A function that looks methods up by a name that the linker cannot know, as text/template does,
// has it keep every method of every type in the program: those of the AWS SDK are a fifth of its
// size.
func TestLinkerDropsMethods(t *testing.T) {
	_, linked := buildProgram(t)
	if !strings.Contains(linked, "main.main") {
		t.Fatalf("the linker tells nothing: %.200s", linked)
	}
	for line := range strings.Lines(linked) {
		if strings.Contains(line, "<ReflectMethod>") {
			t.Errorf("methods are looked up by name: %s", line)
		}
	}
}

// TestProgramNamesItsModules asks a program built as for a release: what -trimpath and stripping
// leave in it names each module with its hash, and each stands in the tables, with a licence.
func TestProgramNamesItsModules(t *testing.T) {
	program, _ := buildProgram(t)
	out, err := exec.Command(program, "version", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var version struct {
		Modules []struct{ Path, Version, Sum string }
	}
	if err := json.Unmarshal(out, &version); err != nil || len(version.Modules) < 10 {
		t.Fatalf("%d modules, %v", len(version.Modules), err)
	}
	all := rows(t, dependencies(t))
	for _, m := range version.Modules {
		if r := all[m.Path]; r.version != m.Version || r.licence == "" {
			t.Errorf("%s %s is in the program, the table has %+v", m.Path, m.Version, r)
		}
		if !strings.HasPrefix(m.Sum, "h1:") {
			t.Errorf("%s: the hash %q is not that of go.sum", m.Path, m.Sum)
		}
	}
}

// rows reads a table.
func rows(t *testing.T, text string) map[string]row {
	t.Helper()
	all := map[string]row{}
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) < 5 || strings.HasPrefix(cells[1], "---") ||
			strings.TrimSpace(cells[1]) == "module" {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if _, twice := all[cells[1]]; twice {
			t.Errorf("%s is there twice", cells[1])
		}
		all[cells[1]] = row{cells[2], cells[3], cells[4 : len(cells)-1]}
	}
	return all
}

// licenceWords are what the texts of the licences say, white space aside.
var licenceWords = map[string]string{
	"Apache-2.0":   "Apache License,? Version 2.0",
	"BSD-2-Clause": "Redistribution and use in source and binary forms",
	"BSD-3-Clause": "Redistribution and use in source and binary forms.*(Neither the name|names of)",
	"ISC":          "Permission to use, copy, modify, and distribute this software for any purpose with or without fee is hereby granted",
	"MIT":          "Permission is hereby granted, free of charge, to any person obtaining a copy",
}

// TestLicences reads the licence files of the modules themselves: each licence of the table is
// there.
func TestLicences(t *testing.T) {
	all := rows(t, dependencies(t))
	for path, r := range all {
		texts := licenceTexts(t, path)
		for name := range strings.SplitSeq(r.licence, " AND ") {
			words, known := licenceWords[name]
			if !known {
				t.Errorf("%s: %q is not one of the licences that were agreed to", path, name)
				continue
			}
			if !regexp.MustCompile("(?i)" + words).MatchString(texts) {
				t.Errorf("%s: its licence files do not say %s", path, name)
			}
		}
	}
	if len(all) < 10 {
		t.Errorf("%d modules in the tables", len(all))
	}
}

// licenceTexts joins the licence files of a module, those in its directories too.
func licenceTexts(t *testing.T, path string) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", path).Output()
	if err != nil || len(strings.TrimSpace(string(dir))) == 0 {
		t.Fatalf("%s is not in the module cache: %v", path, err)
	}
	var b strings.Builder
	err = filepath.WalkDir(strings.TrimSpace(string(dir)),
		func(name string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasPrefix(strings.ToUpper(d.Name()), "LICENSE") {
				return err
			}
			text, err := os.ReadFile(name)
			b.Write(text)
			b.WriteByte(' ')
			return err
		})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
