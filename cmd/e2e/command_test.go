package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// When the output fails, a command that is the input is ended, and not waited for.
func TestSlowProducerIsEnded(t *testing.T) {
	r := newPipeRig(t)
	for _, tail := range []string{"sleep 1000", "exec >&-; sleep 1000"} {
		line := fmt.Sprintf("echo $$ > %s; cat %s; %s", r.path("pid"), r.path("f"), tail)
		c := limited("encrypt", "-o", r.path("x"), "--from-command", line)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if code := r.ends(c); code != 8 {
			t.Errorf("%s: exit code %d\n%s", tail, code, c.Stderr)
		}
		r.gone(r.waitFor("pid"))
		os.Remove(r.path("pid"))
	}
}

// gone fails if anything of the process group is alive.
func (r *rig) gone(pid string) {
	r.Helper()
	group, err := strconv.Atoi(pid)
	if err != nil {
		r.Fatal(err)
	}
	for until := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if len(groupMembers(r.T, group)) == 0 {
			return
		}
		if time.Now().After(until) {
			r.Errorf("still there: %v", groupMembers(r.T, group))
			_ = syscall.Kill(-group, syscall.SIGKILL)
			return
		}
	}
}

// groupMembers are the states of the processes of a group that have not ended.
func groupMembers(t *testing.T, group int) (states []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Fatal("no /proc", err)
	}
	for _, name := range stats {
		b, _ := os.ReadFile(name)
		_, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); len(f) > 2 && f[2] == strconv.Itoa(group) && f[0] != "Z" {
			states = append(states, string(b[:min(len(b), 60)]))
		}
	}
	return states
}

// A signal to envseal ends the commands too, and what they started; envseal leaves no zombie, since
// it has waited for its child.
func TestSignalEndsCommands(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks at /proc")
	}
	r := newPipeRig(t)
	stubborn := "trap '' TERM; "
	for _, c := range []struct {
		prefix, flag string
		sig          syscall.Signal
	}{
		{"", "--from-command", syscall.SIGINT}, {"", "--to-command", syscall.SIGTERM},
		{stubborn, "--from-command", syscall.SIGTERM}, {stubborn, "--to-command", syscall.SIGHUP},
	} {
		line := c.prefix + fmt.Sprintf("echo $$ > %s; sleep 1000 | cat; touch %s",
			r.path("pid"), r.path("ended"))
		args := []string{"decrypt", r.path("f.sealed"), c.flag, line}
		if c.flag == "--from-command" {
			args = []string{"encrypt", "-o", r.path("x"), c.flag, line}
		}
		p := exec.Command("envseal", args...)
		p.Stderr, p.WaitDelay = new(bytes.Buffer), 10*time.Second // what is left behind holds stderr
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		pid := r.waitFor("pid")
		_ = p.Process.Signal(c.sig)
		if code := r.ends(p); code != 128+int(c.sig) {
			t.Errorf("%v: exit code %d\n%s", args, code, p.Stderr)
		}
		if said := p.Stderr.(*bytes.Buffer).String(); strings.Contains(said, "command failed") {
			t.Errorf("%v: %s", args, said)
		}
		r.gone(pid)
		os.Remove(r.path("pid"))
	}
	for _, name := range []string{"x", "ended"} {
		if _, err := os.Stat(r.path(name)); err == nil {
			t.Errorf("there is %s", name)
		}
	}
}

// A second signal does not wait for a command that is slow to end, and leaves nothing of it behind.
func TestSecondSignalKillsCommands(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks at /proc")
	}
	r := newPipeRig(t)
	p := exec.Command("envseal", "encrypt", "-o", r.path("x"), "--from-command",
		"trap '' TERM; echo $$ > "+r.path("pid")+"; sleep 1000 | cat")
	p.Stderr, p.WaitDelay = new(bytes.Buffer), 10*time.Second
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	pid := r.waitFor("pid")
	_ = p.Process.Signal(syscall.SIGINT)
	time.Sleep(100 * time.Millisecond)
	_ = p.Process.Signal(syscall.SIGINT)
	if code := r.ends(p); code != 130 {
		t.Errorf("exit code %d\n%s", code, p.Stderr)
	}
	r.gone(pid)
}

// Nothing can be done at SIGKILL, so the kernel was told before: the command does not outlive
// envseal. Whether it gets to act on the end of its input is up to the scheduler.
func TestKillEndsConsumer(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a feature of Linux")
	}
	r := newPipeRig(t)
	c := r.feed(r.read("f.sealed")[:1_000_000], "decrypt", "--to-command",
		"echo $$ > "+r.path("pid")+"; cat > /dev/null; exec sleep 1000")
	pid := r.waitFor("pid")
	_ = c.Process.Kill()
	r.ends(c)
	r.gone(pid)
}
