//go:build torture && linux && amd64

package torture

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// duel is one program at one work, with an old output in its way: what all programs are compared
// by.
type duel struct {
	*program
	what    string // seal or open
	in, old []byte
	is      whole // of the output
	args    []string
}

// duels are both works of all programs on size random bytes.
func duels(t *testing.T, size int) []*duel {
	t.Helper()
	var all []*duel
	plain, old := randomBytes(size), bytes.Repeat([]byte("old data "), 8000)
	for _, p := range allPrograms(t) {
		sealed, err := p.sealed(plain)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &duel{program: p, what: "seal", in: plain, old: old,
			is: p.opensTo(plain), args: p.seal("in", "out")},
			&duel{program: p, what: "open", in: sealed, old: old, is: is(plain), args: p.open("in", "out")})
	}
	return all
}

// tallies has one for each program of the duels.
func tallies(t *testing.T, row, fault string, all []*duel) map[string]*tally {
	m := map[string]*tally{}
	for _, d := range all {
		if m[d.name] == nil {
			m[d.name] = count(t, row, fault, d.name)
		}
	}
	return m
}

// set puts both files into dir, and nothing else.
func (d *duel) set(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "in"), d.in, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "out"), d.old, 0o600)
}

// begin is the command that works in dir.
func (d *duel) begin(dir string) *exec.Cmd {
	c := d.command(dir, d.args)
	c.Stderr, c.Stdout = nil, nil
	return c
}

// judge looks at what there is in dir after a run.
func (d *duel) judge(dir string, code int) (problems []string) {
	now, err := os.ReadFile(filepath.Join(dir, "out"))
	switch kept := err == nil && bytes.Equal(now, d.old); {
	case code == 0 && kept:
		problems = append(problems, "exit code 0, but the old output is there")
	case kept:
	case err != nil:
		problems = append(problems, "neither the old output nor the new one is there")
	default:
		if wrong := d.is(now); wrong != "" {
			problems = append(problems,
				fmt.Sprintf("exit code %d, and the output (%d bytes) is neither the old nor the new one: %s",
					code, len(now), wrong))
		}
	}
	if in, err := os.ReadFile(filepath.Join(dir, "in")); err != nil || !bytes.Equal(in, d.in) {
		problems = append(problems, "the input is not what it was")
	}
	return append(problems, strangers(dir, "in", "out")...)
}

// strangers are the files in dir that have other names.
func strangers(dir string, known ...string) (problems []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if !slices.Contains(known, e.Name()) {
			problems = append(problems, "left behind: "+e.Name())
		}
	}
	return problems
}
