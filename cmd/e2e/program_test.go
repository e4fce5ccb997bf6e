package e2e

import (
	"bytes"
	"os/exec"
	"testing"
)

// program runs envseal in dir: run gives its exit code and messages, must fails the test unless it succeeds.
func program(t *testing.T, dir string) (run func(args ...string) (code int, stderr string), must func(args ...string)) {
	run = func(args ...string) (code int, stderr string) {
		t.Helper()
		c := exec.Command("envseal", args...)
		c.Dir = dir
		var b bytes.Buffer
		c.Stderr = &b
		if err := c.Run(); err != nil && c.ProcessState == nil {
			t.Fatal(err)
		}
		return c.ProcessState.ExitCode(), b.String()
	}
	must = func(args ...string) {
		t.Helper()
		if code, stderr := run(args...); code != 0 {
			t.Fatalf("envseal %v: exit code %d\n%s", args, code, stderr)
		}
	}
	return run, must
}
