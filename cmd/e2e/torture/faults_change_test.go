//go:build torture && linux && amd64

package torture

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// change is what somebody else does to a file that is being read. It gives the file's new contents.
type change struct {
	name string
	do   func(path string, old []byte) ([]byte, error)
}

var changes = []change{
	{"grows", func(path string, old []byte) ([]byte, error) {
		now := append(slices.Clone(old), bytes.Repeat([]byte{'+'}, 100_000)...)
		return now, patchFile(path, now[len(old):], int64(len(old)))
	}},
	{"is cut to a half", func(path string, old []byte) ([]byte, error) {
		return old[:len(old)/2], os.Truncate(path, int64(len(old)/2))
	}},
	{"is overwritten at its end", func(path string, old []byte) ([]byte, error) {
		return overwritten(path, old, len(old)-1)
	}},
	{"is overwritten at both ends", func(path string, old []byte) ([]byte, error) {
		now, err := overwritten(path, old, 0)
		if err != nil {
			return nil, err
		}
		return overwritten(path, now, len(old)-1)
	}},
	{"is replaced", func(path string, old []byte) ([]byte, error) {
		now := append([]byte("another file, "), old[:len(old)-14]...)
		if err := os.WriteFile(path+".new", now, 0o600); err != nil {
			return nil, err
		}
		return now, os.Rename(path+".new", path)
	}},
}

func patchFile(path string, b []byte, off int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt(b, off)
	return err
}

func overwritten(path string, old []byte, at int) ([]byte, error) {
	now := slices.Clone(old)
	now[at] ^= 0xff
	return now, patchFile(path, now[at:at+1], int64(at))
}

// readers are the scenes with one regular file as their input.
func readers(t *testing.T) []*scene {
	return slices.DeleteFunc(scenes(t), func(s *scene) bool {
		return len(s.inputs) != 1 || s.moves || s.stdout != nil || len(s.wants) != 1 ||
			strings.Contains(s.name, "6 bytes")
	})
}

// TestTortureChangingInput changes the input while it is read: before each read, in every way.
func TestTortureChangingInput(t *testing.T) {
	a := count(t, "8", "input changed between two reads", ours)
	var all []work
	for _, sc := range readers(t) {
		calls, err := newStage(t, sc).record(false, false)
		if err != nil {
			t.Fatal(err)
		}
		for i := range changes {
			for _, nth := range spread(calls["read"]+calls["pread64"], trials(20, 1)) {
				all = append(all, work{scene: sc, kind: changes[i].name, nth: nth})
			}
		}
	}
	inParallel(t, all, func(s *stage, w work) {
		i := slices.IndexFunc(changes, func(c change) bool { return c.name == w.kind })
		changed, r, err := s.changeAt(changes[i], w.nth)
		if err != nil {
			t.Error(err)
		} else if changed {
			a.trial(fmt.Sprintf("%s: %s before read %d", s.name, w.kind, w.nth), s.judgeChange(r)...)
		}
	})
}

// changeAt changes the input before its nth read.
func (s *stage) changeAt(how change, nth int) (changed bool, r result, err error) {
	seen := 0
	var failed error
	r, err = s.play(func(c *call) verdict {
		path, ok := c.within(s.files())
		if !ok || c.kind.side != reads || !s.isInput(path) {
			return verdict{}
		}
		if seen++; seen == nth && !changed {
			changed = true
			for _, old := range s.inputs {
				_, failed = how.do(path, old)
			}
		}
		return verdict{}
	})
	if err == nil {
		err = failed
	}
	return changed, r, err
}

// judgeChange wants the change to be noticed, and nothing written. A sealed file that was changed
// may turn out to be damaged instead.
func (s *stage) judgeChange(r result) (problems []string) {
	done, _, broken := s.state()
	if problems = broken; len(done) > 0 {
		problems = append(problems, fmt.Sprintf("%v written", done))
	}
	for _, name := range s.leftovers() {
		problems = append(problems, "left behind: "+name)
	}
	allowed := []int{1}
	if s.args[0] != "encrypt" {
		allowed = []int{1, 4, 7}
	}
	if !slices.Contains(allowed, r.code) ||
		r.code == 1 && !strings.Contains(r.stderr, "changed while it was read") {
		problems = append(problems, fmt.Sprintf("exit code %d: %s", r.code, r.stderr))
	}
	return problems
}

// TestTortureChangingRaces changes a file at any moment of the sealing: exit code 0 means that what
// was sealed is the file of one moment.
func TestTortureChangingRaces(t *testing.T) {
	plain := randomBytes(trials(24, 6) << 20)
	for _, d := range duels(t, len(plain)) {
		if d.what != "seal" {
			continue
		}
		a := count(t, "8", "input changed at a random time", d.name)
		dir := t.TempDir()
		if err := d.set(dir); err != nil {
			t.Fatal(err)
		}
		usual, refused := d.usual(dir), 0
		n := trials(100, 5)
		if d.name != ours {
			n = trials(25, 5)
		}
		for i := range n {
			if err := d.set(dir); err != nil {
				t.Fatal(err)
			}
			how := changes[i%len(changes)]
			code, now, err := d.race(dir, how, rand.N(usual))
			if err != nil {
				t.Fatal(err)
			}
			if code != 0 {
				refused++
			}
			a.trial(how.name, d.judgeRace(dir, code, now)...)
		}
		a.note("%d refused", refused)
	}
}

// usual is how long a run takes.
func (d *duel) usual(dir string) time.Duration {
	begin := time.Now()
	run(d.begin(dir))
	return time.Since(begin)
}

func (d *duel) race(dir string, how change, after time.Duration) (code int, now []byte, err error) {
	c := d.begin(dir)
	if err := c.Start(); err != nil {
		return 0, nil, err
	}
	time.Sleep(after)
	now, err = how.do(filepath.Join(dir, "in"), d.in)
	if c.Wait(); err != nil {
		return 0, nil, err
	}
	return c.ProcessState.ExitCode(), now, nil
}

// judgeRace wants, after exit code 0, the input as it was before or after, and otherwise the old
// output.
func (d *duel) judgeRace(dir string, code int, now []byte) []string {
	out, err := os.ReadFile(filepath.Join(dir, "out"))
	switch {
	case err != nil:
		return []string{"no output: " + err.Error()}
	case code != 0 && !bytes.Equal(out, d.old):
		return []string{fmt.Sprintf("exit code %d, and the old output is gone", code)}
	case code == 0 && d.is(out) != "" && d.opensTo(now)(out) != "":
		return []string{"exit code 0, and what was sealed was never in the file"}
	}
	return strangers(dir, "in", "out")
}

// TestTortureReadErrors fails each read of the input with EIO, for all programs. Whoever can do
// without that read may go on, if the output is whole.
func TestTortureReadErrors(t *testing.T) {
	all := duels(t, 1<<20)
	counts := tallies(t, "7", "EIO on a read of a file of 1 MiB", all)
	for _, d := range all {
		dir := t.TempDir()
		for i := range trials(20, 2) {
			struck, code, err := d.failRead(dir, 1+i*trials(1, 5))
			if err != nil {
				t.Fatal(err)
			}
			if !struck {
				break
			}
			counts[d.name].trial(fmt.Sprintf("%s: read %d", d.what, i+1), d.judge(dir, code)...)
		}
	}
}
