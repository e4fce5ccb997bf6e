// Package testkit is what tests of several packages share: files, child processes, terminals and a
// keystore with a key.
package testkit

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// The tests of this file need a process of their own: they run this test binary again, with ChildVariable naming one of children.
// Files for one system add theirs.
const ChildVariable = "ENVSEAL_TEST_CHILD"

// Children are what a test process can be, by the name that is in ChildVariable. Tests add theirs.
var Children = map[string]func(args []string) error{}

// StartChild prepares a child; its standard input is a pipe that says nothing.
func StartChild(t *testing.T, name string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestChildProcess$", "--", strings.Join(args, "\x1f"))
	child.Env = append(os.Environ(), ChildVariable+"="+name, "GORACE=atexit_sleep_ms=0") // the race detector would wait a second
	if _, err := child.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stderr := new(bytes.Buffer)
	child.Stderr = stderr
	t.Cleanup(func() {
		if child.Process != nil && child.ProcessState == nil {
			child.Process.Kill()
			child.Wait()
		}
	})
	return child, stderr
}

// ExitStatus is the exit code as a shell tells it.
func ExitStatus(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

// StartAt starts child and waits until it has come to the phase.
func StartAt(t *testing.T, child *exec.Cmd, phase string) {
	t.Helper()
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, stdout, phase)
}

func waitFor(t *testing.T, r io.Reader, line string) {
	t.Helper()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if lines.Text() == line {
			return
		}
	}
	t.Fatalf("%q never came", line)
}
