package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// rig is a directory in which envseal runs, with a keystore to come.
type rig struct {
	*testing.T
	dir string
}

func newRig(t *testing.T) *rig {
	r := &rig{t, t.TempDir()}
	t.Setenv("ENVSEAL_KEYSTORE", r.path("keystore"))
	return r
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) read(name string) []byte {
	r.Helper()
	b, err := os.ReadFile(r.path(name))
	if err != nil {
		r.Fatal(err)
	}
	return b
}

func (r *rig) write(name string, b []byte) {
	r.Helper()
	write(r.T, r.path(name), b)
}

// command prepares a run of envseal, whose messages are kept.
func (r *rig) command(args ...string) (c *exec.Cmd, stderr *bytes.Buffer) {
	c = exec.Command("envseal", args...)
	stderr = new(bytes.Buffer)
	c.Dir, c.Stderr = r.dir, stderr
	return c, stderr
}

// run gives the exit code of envseal, and its messages.
func (r *rig) run(args ...string) (code int, said string) {
	r.Helper()
	c, stderr := r.command(args...)
	if err := c.Run(); err != nil && c.ProcessState == nil {
		r.Fatal(err)
	}
	return c.ProcessState.ExitCode(), stderr.String()
}

// must fails the test unless envseal succeeds, and gives its messages.
func (r *rig) must(args ...string) (said string) {
	r.Helper()
	code, said := r.run(args...)
	if code != 0 {
		r.Fatalf("envseal %v: exit code %d\n%s", args, code, said)
	}
	return said
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
