//go:build torture && linux && amd64

// Package torture makes everything around the program fail that can: each system call on its files,
// the disk, the machine, other processes, the user. It drives the real binary, as a user would, and
// holds it to what is promised: a target is what it was before or the new file whole, never
// anything between; nothing is left behind; the exit code and the message tell what happened.
//
// Where it can, it does the same to age, gpg and openssl, whose violations are only counted.
//
// `make torture` runs it, and TORTURE=short is the form for every change. It needs root, loop
// devices and Linux on amd64, where the faults of system calls are made.
package torture

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/e2e/testhome"
)

// full is the whole of the trials; the short form is for every change.
var full = os.Getenv("TORTURE") != "short"

// trials is how many there are in either form.
func trials(inFull, inShort int) int {
	if full {
		return inFull
	}
	return inShort
}

// workers is how many programs are tortured at once.
var workers = runtime.NumCPU() + 1

var (
	binary  string   // the program, as `make build` makes it
	homeDir string   // keystore and identities
	baseEnv []string // for every program
)

func TestMain(m *testing.M) {
	startTracers(workers)
	os.Exit(testhome.Run(func() int { return prepareAndRun(m) }))
}

func prepareAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "envseal-torture-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = prepare(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		return 1
	}
	defer func() {
		for _, do := range atEnd {
			do()
		}
	}()
	return m.Run()
}

// atEnd is what to do when all tests are done.
var atEnd []func()

// prepare builds the program and makes a keystore with the keys a to e.
func prepare(dir string) error {
	binary, homeDir = filepath.Join(dir, "envseal"), dir
	out, err := exec.Command("make", "-s", "-C", testhome.Module(), "build",
		"BIN="+binary).CombinedOutput()
	if err != nil {
		return fmt.Errorf("make build: %w\n%s", err, out)
	}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "AWS_") && !strings.HasPrefix(name, "ENVSEAL_") && name != "HOME" {
			baseEnv = append(baseEnv, v)
		}
	}
	baseEnv = append(baseEnv, "HOME="+dir, "ENVSEAL_KEYSTORE="+filepath.Join(dir, "keystore"),
		"AWS_EC2_METADATA_DISABLED=true")
	setup := [][]string{{"keystore", "init", "--plaintext-insecure"}}
	for _, key := range []string{"a", "b", "c", "d", "e"} {
		setup = append(setup, []string{"keystore", "create-key", key})
	}
	for _, args := range setup {
		if r := envseal(dir, nil, args...); r.code != 0 {
			return fmt.Errorf("envseal %v: %d\n%s", args, r.code, r.stderr)
		}
	}
	return nil
}

// result is how a program ended.
type result struct {
	code   int // exit code; 128 and the signal if one ended it, as a shell says
	stdout []byte
	stderr string
}

// command is the program, about to run in dir.
func command(dir string, args ...string) *exec.Cmd {
	c := exec.Command(binary, args...)
	c.Dir, c.Env = dir, baseEnv
	return c
}

// envseal runs the program with the given standard input.
func envseal(dir string, stdin []byte, args ...string) result {
	c := command(dir, args...)
	c.Stdin = bytes.NewReader(stdin)
	return run(c)
}

// runLimit is how long a program may take that nobody lets wait.
const runLimit = 2 * time.Minute

// run runs c, whose standard output and error are kept where nobody else takes them.
func run(c *exec.Cmd) result {
	var stdout, stderr bytes.Buffer
	if c.Stdout == nil {
		c.Stdout = &stdout
	}
	if c.Stderr == nil {
		c.Stderr = &stderr
	}
	if err := c.Start(); err != nil {
		return result{code: -1, stderr: err.Error()}
	}
	limit := time.AfterFunc(runLimit, func() { _ = c.Process.Kill() })
	_ = c.Wait()
	limit.Stop()
	return result{codeOf(c.ProcessState.Sys().(syscall.WaitStatus)), stdout.Bytes(), stderr.String()}
}

func codeOf(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
