//go:build torture && linux && amd64

package torture

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTortureSignals sends SIGINT, SIGTERM and SIGHUP before each call that the program makes on
// the user's files.
func TestTortureSignals(t *testing.T) {
	var all []work
	signals := map[string]syscall.Signal{"SIGINT": syscall.SIGINT, "SIGTERM": syscall.SIGTERM,
		"SIGHUP": syscall.SIGHUP}
	for _, sc := range scenes(t) {
		n, err := newStage(t, sc).callCount(false)
		if err != nil {
			t.Fatal(err)
		}
		for i, nth := range spread(n, trials(400, 4)) {
			all = append(all, work{scene: sc, nth: nth, kind: []string{"SIGINT", "SIGTERM", "SIGHUP"}[i%3]})
		}
	}
	tallies := map[string]*tally{}
	for _, name := range []string{"SIGINT", "SIGTERM", "SIGHUP"} {
		tallies[name] = count(t, "11", name+" before each system call", ours)
	}
	inParallel(t, all, func(s *stage, w work) {
		where, r, err := s.strikeAt(w.nth, verdict{send: signals[w.kind]}, false)
		if err != nil {
			t.Error(err)
		} else if where != "" {
			tallies[w.kind].trial(fmt.Sprintf("%s: at call %d, %s", w.name, w.nth, where),
				s.judgeSignal(r, signals[w.kind])...)
		}
	})
}

// judgeSignal is for a run that was asked to end. It may have had its output in place by then, or
// even have ended.
func (s *stage) judgeSignal(r result, sig syscall.Signal) (problems []string) {
	done, kept, broken := s.state()
	problems = append(broken, s.changedInputs(done)...)
	for _, name := range s.leftovers() {
		problems = append(problems, "left behind: "+name)
	}
	switch {
	case r.code != 0 && r.code != 128+int(sig):
		problems = append(problems, fmt.Sprintf("exit code %d: %s", r.code, r.stderr))
	case r.code == 0 && len(kept) > 0:
		problems = append(problems, fmt.Sprintf("exit code 0, but %v not done", kept))
	}
	for _, name := range done {
		if strings.Contains(r.stderr, name+" was not written") {
			problems = append(problems, name+" is there: "+r.stderr)
		}
	}
	if s.scene.stdout != nil && r.code != 0 && !bytes.Equal(r.stdout, nil) &&
		s.partly != nil && s.args[0] == "decrypt" {
		if wrong := s.partly(r.stdout); wrong != "" {
			problems = append(problems, wrong)
		}
	}
	return problems
}

// waiting are the places where a run may wait for somebody else for as long as it takes.
var waiting = []struct {
	where string
	args  []string
	stdin bool // a pipe that brings something and stays open
}{
	{"for more input", []string{"encrypt", "-q", "-f", "-k", "local:a", "-o", "out"}, true},
	{"for more input, to decrypt", []string{"decrypt", "-q", "-f", "-o", "out"}, true},
	{"for the writer of a named pipe",
		[]string{"encrypt", "-q", "-f", "-k", "local:a", "-o", "out", "pipe"}, false},
	{"for the reader of a named pipe",
		[]string{"encrypt", "-q", "-k", "local:a", "-o", "pipe", "in"}, false},
	{"for the reader of stdout", []string{"encrypt", "-q", "-k", "local:a", "-o", "-", "in"}, false},
	{"for a command", []string{"encrypt", "-q", "-f", "-k", "local:a", "-o", "out", "--from-command",
		"cat in; sleep 100"}, false},
}

// TestTortureSignalsWhileWaiting interrupts runs that wait.
func TestTortureSignalsWhileWaiting(t *testing.T) {
	a := count(t, "11", "SIGINT, SIGTERM, SIGHUP while a run waits", ours)
	plain := randomBytes(3 << 20)
	sealed := seal(t, plain)
	for _, w := range waiting {
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM,
			syscall.SIGHUP}[:trials(3, 1)] {
			dir := t.TempDir()
			for name, data := range map[string][]byte{"in": plain, "out": []byte("old")} {
				if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
				t.Fatal(err)
			}
			var fed []byte
			if w.stdin {
				fed = sealed[:2<<20]
			}
			a.trial(w.where+", "+sig.String(), interruptWaiting(t, command(dir, w.args...), fed, sig)...)
		}
	}
}

// interruptWaiting runs c until it has had time enough to wait, and sends it the signal.
func interruptWaiting(t *testing.T, c *exec.Cmd, fed []byte,
	sig syscall.Signal) (problems []string) {
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.StdoutPipe() // nobody reads
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if fed != nil {
		in, err := c.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		go in.Write(fed)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	_ = c.Process.Signal(sig)
	limit := time.AfterFunc(10*time.Second, func() { _ = c.Process.Kill() })
	defer limit.Stop()
	_ = c.Wait()
	if code := codeOf(c.ProcessState.Sys().(syscall.WaitStatus)); code != 128+int(sig) {
		problems = append(problems, fmt.Sprintf("exit code %d: %s", code, &stderr))
	}
	if old, err := os.ReadFile(filepath.Join(c.Dir, "out")); err != nil || string(old) != "old" {
		problems = append(problems, "the old output is gone")
	}
	return append(problems, strangers(c.Dir, "in", "out", "pipe")...)
}
