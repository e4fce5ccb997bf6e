package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// newPipeRig has a keystore, a plaintext of 3 MB in f and its sealed file f.sealed.
func newPipeRig(t *testing.T) *rig {
	r := newRig(t)
	t.Setenv("ENVSEAL_KEY_ID", "local:backup")
	r.write("f", randomBytes(3_000_000))
	r.must("keystore", "init", "--no-passphrase")
	r.must("keystore", "create-key", "backup")
	r.must("encrypt", "f")
	return r
}

// waitFor waits for a file that a command writes, and gives its text.
func (r *rig) waitFor(name string) string {
	r.Helper()
	for until := time.Now().Add(20 * time.Second); time.Now().Before(
		until); time.Sleep(10 * time.Millisecond) {
		if b, err := os.ReadFile(r.path(name)); err == nil && bytes.HasSuffix(b, []byte("\n")) {
			return strings.TrimSpace(string(b))
		}
	}
	r.Fatalf("%s was not written", name)
	return ""
}

// ends waits for c and gives its exit code as a shell tells it, which must come soon: what it reads
// from is open and says nothing.
func (r *rig) ends(c *exec.Cmd) int {
	r.Helper()
	done := make(chan struct{})
	go func() { _ = c.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		_ = c.Process.Kill()
		<-done
		r.Errorf("%v: was waiting for its input\n%s", c.Args, c.Stderr)
	}
	if status, ok := c.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return c.ProcessState.ExitCode()
}

// limited is envseal where files end at 1 MiB, as on a disk that is full by then.
func limited(args ...string) *exec.Cmd {
	c := exec.Command("bash",
		append([]string{"-c", `ulimit -f 1024; exec envseal "$@"`, "bash"}, args...)...)
	c.Stderr, c.WaitDelay = new(bytes.Buffer), 10*time.Second
	return c
}

// feed starts envseal with a standard input that brings data and then stays open.
func (r *rig) feed(data []byte, args ...string) *exec.Cmd {
	r.Helper()
	c := limited(args...)
	in, out, err := os.Pipe()
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { out.Close() })
	c.Stdin = in
	if err := c.Start(); err != nil {
		r.Fatal(err)
	}
	in.Close()
	go out.Write(data)
	return c
}

// When the output fails, or the input turns out to be damaged, nobody waits for the rest of a slow
// input.
func TestSlowInputIsNotWaitedFor(t *testing.T) {
	r := newPipeRig(t)
	// a little more than the limit: then the readers block
	plain, sealed := r.read("f")[:1_100_000], r.read("f.sealed")[:1_120_000]
	damaged := bytes.Clone(sealed)
	damaged[1_000_000] ^= 1
	for _, c := range []struct {
		data []byte
		args []string
		code int
	}{
		{plain, []string{"encrypt", "-o", r.path("x")}, 8},
		{plain, []string{"encrypt", "-a", "-o", r.path("x")}, 8},
		{plain, []string{"encrypt", "-z", "-o", r.path("x")}, 8},
		{plain, []string{"encrypt", "-j", "1", "-z", "-o", r.path("x")}, 8},
		{sealed, []string{"decrypt", "-o", r.path("x")}, 8},
		{sealed, []string{"decrypt", "--to-command", "exit 3"}, 11},
		{sealed, []string{"decrypt", "--to-command", "head -c 100"}, 11},
		{sealed, []string{"decrypt", "--max-size", "100k", "-o", r.path("x")}, 9},
		{damaged, []string{"decrypt", "-o", r.path("x")}, 4},
		{damaged, []string{"decrypt", "--to-command",
			"cat >" + r.path("taken") + "; touch " + r.path("x")}, 4},
		{damaged, []string{"verify"}, 4},
		{[]byte("not at all"), []string{"decrypt", "-o", r.path("x")}, 7},
	} {
		began := time.Now()
		if code := r.ends(r.feed(c.data, c.args...)); code != c.code {
			t.Errorf("%v: exit code %d, want %d", c.args, code, c.code)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%v: took %v", c.args, took)
		}
	}
	if _, err := os.Stat(r.path("x")); err == nil {
		t.Error("there is an output")
	}
}

// What was authentic at the first reading is checked again at the second.
func TestVerifyFirstChecksAgain(t *testing.T) {
	r := newPipeRig(t)
	r.write("large", randomBytes(12<<20))
	r.must("encrypt", "large")
	line := fmt.Sprintf(
		"head -c 100000 > %s; echo > %s; while [ ! -e %s ]; do sleep 0.01; done; cat > %s; touch %s",
		r.path("some"), r.path("ready"), r.path("go"), r.path("rest"), r.path("ended"))
	c, _ := r.command("decrypt", "--verify-first", "large.sealed", "--to-command", line)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	r.waitFor("ready")
	f, err := os.OpenFile(r.path("large.sealed"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(make([]byte, 100), 11<<20)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	r.write("go", nil)
	if code := r.ends(c); code != 4 {
		t.Errorf("exit code %d\n%s", code, c.Stderr)
	}
	if _, err := os.Stat(r.path("ended")); err == nil {
		t.Error("the command took a part for the whole")
	}
}
