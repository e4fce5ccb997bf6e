package secret

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/envseal/envseal/cmd/e2e/testhome"
)

// Some tests need a process of their own: they run this test binary again, and TestMain calls the
// function that the variable names instead of the tests.
const childVariable = "ENVSEAL_SECRET_TEST_CHILD"

var children = map[string]func() error{
	"guard below": func() error { return touchGuard(-1) },
	"guard above": func() error { return touchGuard(os.Getpagesize()) },
	"guard slot":  touchSlotGuard,
	"flags":       childFlags,
	"no locks":    childWithoutLocks,
	"harden":      childHarden,
	"careful":     func() error { return holdKey(careful{}) },
	"careless":    func() error { return holdKey(&careless{}) },

	"stack":                 func() error { return useOnce(Do, spillKey) },
	"stack unprotected":     func() error { return useOnce(plainly, spillKey) },
	"registers":             func() error { return useOnce(Do, loadKey) },
	"registers unprotected": func() error { return useOnce(blockedOnly, loadKey) },
	"stream":                func() error { return streamUnderSignals(Quiet) },
	"stream unprotected":    func() error { return streamUnderSignals(plainly) },
}

func TestMain(m *testing.M) {
	name := os.Getenv(childVariable)
	if name == "" {
		os.Exit(testhome.Run(m.Run))
	}
	child, ok := children[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "no child %q\n", name)
		os.Exit(99)
	}
	if err := child(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(98)
	}
}

func childCommand(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), exe)
	c.Env = append(os.Environ(), childVariable+"="+name, "GORACE=atexit_sleep_ms=0")
	return c
}

// unprivileged makes the child run as nobody, from a copy of the binary that nobody can read:
// root has CAP_IPC_LOCK and is not held to limits. Any other user is held to them already.
func unprivileged(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	dir, err := os.MkdirTemp("", "secret-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	binary, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	c.Path = filepath.Join(dir, "child")
	if err := os.WriteFile(c.Path, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, c.Path} { // whatever the umask
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c.Dir = dir
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}

// A stage is a point at which a child says where it is and waits.
func stage(name string) error {
	fmt.Println(name)
	var one [1]byte
	_, err := os.Stdin.Read(one[:])
	return err
}

// held is a child that stops at its stages.
type held struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.Reader
	stderr bytes.Buffer
}

// startHeld starts a child and writes input to it.
func startHeld(t *testing.T, name string, input []byte) *held {
	t.Helper()
	h := &held{t: t, cmd: childCommand(t, name)}
	h.cmd.Stderr = &h.stderr
	var err error
	if h.in, err = h.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if h.out, err = h.cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.in.Write(input); err != nil {
		t.Fatal(err)
	}
	return h
}

// await waits until the child has come to the stage.
func (h *held) await(name string) {
	h.t.Helper()
	line := make([]byte, len(name)+1)
	if _, err := io.ReadFull(h.out, line); err != nil || strings.TrimSpace(string(line)) != name {
		h.t.Fatalf("stage %s: child said %q: %v: %s", name, line, err, h.stderr.String())
	}
}

func (h *held) goOn() {
	h.t.Helper()
	if _, err := h.in.Write([]byte{'\n'}); err != nil {
		h.t.Fatal(err)
	}
}

func (h *held) wait() {
	h.t.Helper()
	if err := h.cmd.Wait(); err != nil {
		h.t.Fatalf("child: %v: %s", err, h.stderr.String())
	}
}
