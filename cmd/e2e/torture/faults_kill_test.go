//go:build torture && linux && amd64

package torture

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// strikeAt plays the scene, with what strikes it at the nth call on the user's files, of whatever
// kind. named tells how temp files are made.
func (s *stage) strikeAt(nth int, strike verdict, named bool) (where string, r result, err error) {
	seen := 0
	r, err = s.play(func(c *call) verdict {
		path, ok := c.within(s.dir)
		if !ok {
			return verdict{}
		}
		if seen++; seen == nth {
			where = c.kind.name + " " + path
			return strike
		}
		if named && noUnnamed(c) {
			return verdict{errno: syscall.EOPNOTSUPP}
		}
		return verdict{}
	})
	return where, r, err
}

// callCount is how many calls on the user's files the scene takes.
func (s *stage) callCount(named bool) (int, error) {
	calls, err := s.record(false, named)
	n := 0
	for _, k := range calls {
		n += k
	}
	return n, err
}

// judgeKilled looks at what SIGKILL has left, and what the next run makes of it.
func (s *stage) judgeKilled(named bool) (problems []string, temps int) {
	done, _, broken := s.state()
	problems = append(broken, s.changedInputs(done)...)
	for _, name := range s.leftovers() {
		switch {
		case isJournal(name) && s.inside != nil:
		case strings.HasPrefix(filepath.Base(name), ".envseal-") && strings.HasSuffix(name, ".tmp"):
			temps++
		default:
			problems = append(problems, "left behind: "+name)
		}
	}
	if limit := 1; temps > limit && !(named && s.many) { // a tree has several in work
		problems = append(problems, fmt.Sprintf("%d temp files left behind", temps))
	}
	for name, data := range s.inputs {
		if path := filepath.Join(s.files(), name); s.moves {
			_ = os.WriteFile(path, data, 0o600)
		}
	}
	r, err := s.run(s.again(), killedAfter(time.Minute))
	if err != nil {
		return append(problems, err.Error()), temps
	}
	for _, p := range s.judge(r, expectation{succeeds: true}) {
		problems = append(problems, "the next run: "+p)
	}
	return problems, temps
}

// again is the command line for the run after one that was killed, which may have made its output.
func (s *stage) again() []string {
	if s.inside != nil || s.scene.wants == nil || slices.Contains(s.args, "-f") {
		return s.args
	}
	return append([]string{s.args[0], "-f"}, s.args[1:]...)
}

// TestTortureKillAtCalls kills the program before each call that it makes on the user's files.
func TestTortureKillAtCalls(t *testing.T) {
	var all []work
	for _, sc := range scenes(t) {
		for _, named := range []bool{false, true} {
			n, err := newStage(t, sc).callCount(named)
			if err != nil {
				t.Fatal(err)
			}
			for _, nth := range spread(n, trials(400, 3)) {
				all = append(all, work{scene: sc, nth: nth, named: named})
			}
		}
	}
	tallies := map[bool]*tally{
		false: count(t, "12", "SIGKILL before each system call", ours),
		true:  count(t, "12", "SIGKILL before each system call, where a temp file has a name", ours),
	}
	var left atomic.Int64
	inParallel(t, all, func(s *stage, w work) {
		where, r, err := s.strikeAt(w.nth, verdict{kill: true}, w.named)
		if err != nil {
			t.Error(err)
			return
		}
		if where == "" || r.code != 128+int(syscall.SIGKILL) {
			return
		}
		problems, temps := s.judgeKilled(w.named)
		left.Add(int64(temps))
		tallies[w.named].trial(fmt.Sprintf("%s: at call %d, %s", w.name, w.nth, where), problems...)
	})
	tallies[true].note("%d temp files left in both, all removed by the next run", left.Load())
}

// usual is how long a run takes that nobody disturbs.
func (s *stage) usual(t *testing.T) (took time.Duration) {
	t.Helper()
	for range 2 { // the first time, files come into memory
		if err := s.set(); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if r, err := s.run(s.args, killedAfter(time.Minute)); err != nil || r.code != 0 {
			t.Fatal(r, err)
		}
		took = time.Since(begin)
	}
	return took
}

// TestTortureKillAtRandom kills the program after a random time.
func TestTortureKillAtRandom(t *testing.T) {
	list := slices.DeleteFunc(scenes(t), func(s *scene) bool { return s.wants == nil })
	usual := map[*scene]time.Duration{}
	for _, sc := range list {
		usual[sc] = newStage(t, sc).usual(t)
	}
	var all []work
	for i := range trials(2800, 100) {
		all = append(all, work{scene: list[i%len(list)], nth: i})
	}
	a := count(t, "12", "SIGKILL at a random time", ours)
	var ended, left atomic.Int64
	inParallel(t, all, func(s *stage, w work) {
		if err := s.set(); err != nil {
			t.Error(err)
			return
		}
		after := rand.N(usual[w.scene] * 5 / 4)
		r, err := s.run(s.args, killedAfter(after))
		if err != nil {
			t.Error(err)
			return
		}
		if r.code != 128+int(syscall.SIGKILL) {
			ended.Add(1)
			return
		}
		problems, temps := s.judgeKilled(false)
		left.Add(int64(temps))
		a.trial(fmt.Sprintf("%s: after %v", w.name, after), problems...)
	})
	a.note("%d more had ended before; %d temp files left, all removed by the next run",
		ended.Load(), left.Load())
}
