// Package testkit is what tests of several packages share: files, child processes, terminals and a
// keystore with a key. Only tests import it.
package testkit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/proc"
)

// ChildVariable has a test program be one of Children instead of running its tests. StartChild sets
// it.
const ChildVariable = "ENVSEAL_TEST_CHILD"

// Children are what a test process can be, by the name that is in ChildVariable. Tests add theirs.
var Children = map[string]func(args []string) error{}

// BeChild is all of a package's TestChildProcess, by which StartChild finds it. In an ordinary run
// of the tests it does nothing. catch has the process heed signals as the program does.
func BeChild(catch func()) {
	name := os.Getenv(ChildVariable)
	if name == "" {
		return
	}
	catch()
	err := Children[name](strings.Split(os.Args[len(os.Args)-1], "\x1f"))
	proc.Leave()
	if err == nil {
		os.Exit(0)
	}
	fmt.Fprintln(os.Stderr, "child:", err)
	os.Exit(max(exit.Code(err), 1))
}

// StartChild prepares a child, which gets args; its standard input is a pipe that says nothing. The
// caller starts it. It is killed if it is still there when the test ends.
func StartChild(t *testing.T, name string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestChildProcess$", "--", strings.Join(args, "\x1f"))
	// the race detector would wait a second
	child.Env = append(os.Environ(), ChildVariable+"="+name, "GORACE=atexit_sleep_ms=0")
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
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		t.Fatal(err)
	}
	if status := ended.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal())
	}
	return ended.ExitCode()
}

// StartAt starts child and waits until it prints the phase.
func StartAt(t *testing.T, child *exec.Cmd, phase string) {
	t.Helper()
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if lines.Text() == phase {
			return
		}
	}
	t.Fatalf("%q never came", phase)
}
