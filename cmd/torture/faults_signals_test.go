//go:build torture

package torture

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// TestTortureSignals sends SIGINT, SIGTERM and SIGHUP before each call that the program makes on the user's files.
func TestTortureSignals(t *testing.T) {
	var all []work
	signals := map[string]syscall.Signal{"SIGINT": syscall.SIGINT, "SIGTERM": syscall.SIGTERM, "SIGHUP": syscall.SIGHUP}
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
		where, r, err := s.signalAt(w.nth, signals[w.kind])
		if err != nil {
			t.Error(err)
		} else if where != "" {
			tallies[w.kind].trial(fmt.Sprintf("%s: at call %d, %s", w.name, w.nth, where), s.judgeSignal(r, signals[w.kind])...)
		}
	})
}

// signalAt plays the scene and sends a signal before the nth call on the user's files.
func (s *stage) signalAt(nth int, sig syscall.Signal) (where string, r result, err error) {
	seen := 0
	r, err = s.play(func(c *call) verdict {
		path, ok := c.within(s.dir)
		if !ok {
			return verdict{}
		}
		if seen++; seen == nth {
			where = c.kind.name + " " + path
			return verdict{send: sig}
		}
		return verdict{}
	})
	return where, r, err
}

// judgeSignal is for a run that was asked to end. It may have had its output in place by then, or even have ended.
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
	if s.scene.stdout != nil && r.code != 0 && !bytes.Equal(r.stdout, nil) && s.partly != nil && s.args[0] == "decrypt" {
		if wrong := s.partly(r.stdout); wrong != "" {
			problems = append(problems, wrong)
		}
	}
	return problems
}
