//go:build torture && linux && amd64

package torture

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// failRead runs the program and fails the nth read of its input.
func (d *duel) failRead(dir string, nth int) (struck bool, code int, err error) {
	if err := d.set(dir); err != nil {
		return false, 0, err
	}
	in, err := filepath.EvalSymlinks(filepath.Join(dir, "in"))
	if err != nil {
		return false, 0, err
	}
	seen := 0
	status, err := trace(d.begin(dir), func(c *call) verdict {
		if c.kind.side == reads {
			if _, ok := c.within(in); ok {
				if seen++; seen == nth {
					struck = true
					return verdict{errno: syscall.EIO}
				}
			}
		}
		return verdict{}
	})
	return struck, codeOf(syscall.WaitStatus(status)), err
}

// TestTortureKillPeers kills all programs at a random time while they replace a file.
func TestTortureKillPeers(t *testing.T) {
	size := trials(8, 4)
	all := duels(t, size<<20)
	counts := tallies(t, "12",
		fmt.Sprintf("SIGKILL at a random time while replacing a file of %d MiB", size), all)
	for _, d := range all {
		dir := t.TempDir()
		if err := d.set(dir); err != nil {
			t.Fatal(err)
		}
		usual := d.usual(dir)
		for runs, killed := 0, 0; killed < trials(50, 3) && runs < 500; runs++ { // some have ended before
			if err := d.set(dir); err != nil {
				t.Fatal(err)
			}
			after := rand.N(usual)
			c := d.begin(dir)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(after)
			_ = c.Process.Kill()
			_ = c.Wait()
			if status := c.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() {
				killed++
				counts[d.name].trial(fmt.Sprintf("%s after %v", d.what, after), d.judgeKilled(dir)...)
			}
		}
	}
}

// judgeKilled looks at what a kill left, and at what the next run leaves of it.
func (d *duel) judgeKilled(dir string) []string {
	problems := slices.DeleteFunc(d.judge(dir, -1), func(p string) bool {
		return strings.HasPrefix(p, "left behind: .envseal-")
	})
	if r := run(d.begin(dir)); r.code != 0 {
		problems = append(problems, fmt.Sprintf("the next run: exit code %d: %s", r.code, r.stderr))
	}
	return append(problems, strangers(dir, "in", "out")...)
}

// TestTortureTwoWriters has two runs make one output at the same time.
func TestTortureTwoWriters(t *testing.T) {
	size := 4 << 20
	a, b := randomBytes(size), bytes.Repeat([]byte("the other input "), size/32)
	for _, p := range allPrograms(t) {
		counts := count(t, "18", "two runs replace one output", p.name)
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a"), a, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "b"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		n := trials(200, 8)
		if p.name != ours {
			n = trials(50, 4)
		}
		for range n {
			first, second := p.command(dir, p.seal("a", "out")), p.command(dir, p.seal("b", "out"))
			together(t, first, second)
			counts.trial("two runs", p.judgeTwo(dir, a, b, codesOf(first, second))...)
		}
	}
}

// together runs two commands at once.
func together(t *testing.T, first, second *exec.Cmd) {
	t.Helper()
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(rand.N(5 * time.Millisecond))
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = first.Wait(), second.Wait()
}

func codesOf(all ...*exec.Cmd) (codes []int) {
	for _, c := range all {
		codes = append(codes, c.ProcessState.ExitCode())
	}
	return codes
}

// judgeTwo wants one of both, whole, and if both say that they are done, no more than that.
func (p *program) judgeTwo(dir string, a, b []byte, codes []int) (problems []string) {
	out, err := os.ReadFile(filepath.Join(dir, "out"))
	if err != nil {
		return []string{err.Error()}
	}
	isA, isB := p.opensTo(a)(out) == "", p.opensTo(b)(out) == ""
	if !isA && !isB {
		problems = append(problems, fmt.Sprintf("exit codes %v, and the output is neither's", codes))
	}
	if codes[0] != 0 && isA || codes[1] != 0 && isB {
		problems = append(problems,
			fmt.Sprintf("exit codes %v, and the output is that of a run that failed", codes))
	}
	return append(problems, strangers(dir, "a", "b", "out")...)
}

// TestTortureTwoNewOutputs has two runs make one output that must not be replaced: one of them is
// told so.
func TestTortureTwoNewOutputs(t *testing.T) {
	counts := count(t, "18", "two runs make one new output", ours)
	dir := t.TempDir()
	a, b := randomBytes(200_000), proseBytes(200_000)
	for name, data := range map[string][]byte{"a": a, "b": b} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := allPrograms(t)[0]
	for range trials(200, 8) {
		first, second := command(dir, "encrypt", "-q", "-k", "local:a", "-o", "out", "a"),
			command(dir, "encrypt", "-q", "-k", "local:a", "-o", "out", "b")
		together(t, first, second)
		codes := codesOf(first, second)
		problems := p.judgeTwo(dir, a, b, codes)
		if codes[0]+codes[1] != 8 {
			problems = append(problems, fmt.Sprintf("exit codes %v, not one 0 and one 8", codes))
		}
		counts.trial("two runs", problems...)
		if err := os.Remove(filepath.Join(dir, "out")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTortureTwoRewraps has two runs change the header of one file, while a third reads it.
func TestTortureTwoRewraps(t *testing.T) {
	counts := count(t, "18", "two runs re-wrap one file, and a third opens it", ours)
	dir := t.TempDir()
	plain := randomBytes(100_000)
	if err := os.WriteFile(filepath.Join(dir, "f"), seal(t, plain), 0o600); err != nil {
		t.Fatal(err)
	}
	for range trials(200, 8) {
		first, second := command(dir, "rewrap", "-q", "--to", "local:b", "f"),
			command(dir, "rewrap", "-q", "--to", "local:a", "f")
		reading := make(chan result)
		go func() { reading <- envseal(dir, nil, "decrypt", "-q", "-o", "-", "f") }()
		together(t, first, second)
		var problems []string
		r := <-reading // it may find that the header is not the one that it began with
		if r.code != 1 && (r.code != 0 || !bytes.Equal(r.stdout, plain)) ||
			r.code == 1 && !strings.Contains(r.stderr, "changed while it was read") {
			problems = append(problems, fmt.Sprintf("the reader: %d %s", r.code, r.stderr))
		}
		r = envseal(dir, nil, "decrypt", "-q", "-o", "-", "f")
		if r.code != 0 || !bytes.Equal(r.stdout, plain) {
			problems = append(problems, fmt.Sprintf("afterwards: %d %s", r.code, r.stderr))
		}
		for _, code := range codesOf(first, second) {
			if code != 0 && code != 6 {
				problems = append(problems, fmt.Sprintf("exit code %d", code))
			}
		}
		counts.trial("two rewraps", append(problems, strangers(dir, "f")...)...)
	}
}
