//go:build torture && linux && amd64

package torture

import (
	"fmt"
	"slices"
	"strings"
)

// expectation is how a run must end.
type expectation struct {
	succeeds  bool  // whatever was done to it
	fails     bool  // even if the result looks whole
	codes     []int // exit codes that a failure may have
	one       bool  // of several files, only one may be missing
	late      bool  // what was written may be whole already
	keepsTemp bool  // a temp file could not be removed
}

// judge looks at what a run has left, and tells what is wrong with it.
func (s *stage) judge(r result, e expectation) (problems []string) {
	done, kept, broken := s.state()
	problems = append(broken, s.changedInputs(done)...)
	problems = append(problems, s.judgeEnd(r, e)...)
	problems = append(problems, s.judgeOutputs(r, e, done, kept)...)
	return append(problems, s.judgeLeftovers(r, e)...)
}

// judgeEnd is about the exit code and the message.
func (s *stage) judgeEnd(r result, e expectation) (problems []string) {
	for _, word := range []string{"panic", "goroutine ", "runtime error",
		"fatal error", "unexpected fault"} {
		if strings.Contains(r.stderr, word) {
			problems = append(problems, "stderr: "+r.stderr)
		}
	}
	switch {
	case r.code == 0 && e.fails:
		problems = append(problems, "exit code 0")
	case r.code == 0:
	case e.succeeds:
		problems = append(problems, fmt.Sprintf("exit code %d: %s", r.code, r.stderr))
	case e.codes != nil && !slices.Contains(e.codes, r.code):
		problems = append(problems,
			fmt.Sprintf("exit code %d, not one of %v: %s", r.code, e.codes, r.stderr))
	}
	if r.code != 0 && e.codes != nil &&
		(!strings.Contains(r.stderr, "envseal: error: ") || !s.names(r.stderr)) {
		problems = append(problems, "no message that names the file: "+r.stderr)
	}
	return problems
}

// names tells whether a message names one of the files, or its directory.
func (s *stage) names(message string) bool {
	if s.stdin != nil && strings.Contains(message, "stdin") ||
		s.scene.stdout != nil && strings.Contains(message, "stdout") {
		return true
	}
	for name := range s.inputs {
		if strings.Contains(message, name+":") {
			return true
		}
	}
	return s.many && (strings.Contains(message, "out") ||
		strings.Contains(message, "in:") || strings.Contains(message, "in/")) ||
		slices.ContainsFunc(s.wants, func(w want) bool { return strings.Contains(message, w.name+":") })
}

// judgeOutputs compares what is there with what the exit code says.
func (s *stage) judgeOutputs(r result, e expectation, done, kept []string) (problems []string) {
	if s.scene.stdout != nil {
		wanted, what := s.scene.stdout, "stdout"
		if r.code != 0 && e.late {
			wanted = nil
		} else if r.code != 0 {
			wanted, what = s.partly, "stdout of a failure"
		}
		if wanted != nil {
			if wrong := wanted(r.stdout); wrong != "" {
				problems = append(problems, fmt.Sprintf("%s (%d bytes): %s", what, len(r.stdout), wrong))
			}
		}
	}
	switch {
	case r.code == 0 && len(kept) > 0:
		problems = append(problems, fmt.Sprintf("exit code 0, but %v not done", kept))
	case r.code != 0 && e.one && len(kept) > 1:
		problems = append(problems, fmt.Sprintf("%v not done, for one fault: %s", kept, r.stderr))
	case r.code != 0 && !s.many && len(done) > 0 && !tellsOfNew(r.stderr):
		problems = append(problems, fmt.Sprintf("%v replaced, and nobody says so: %s", done, r.stderr))
	}
	return problems
}

// tellsOfNew tells whether a message says that the new file is there all the same.
func tellsOfNew(message string) bool {
	for _, words := range []string{"was replaced, but may be", "output is written, but",
		"has its new slots, but", "the file opens by way of"} {
		if strings.Contains(message, words) {
			return true
		}
	}
	return false
}

// judgeLeftovers is about files that nobody asked for.
func (s *stage) judgeLeftovers(r result, e expectation) (problems []string) {
	for _, name := range s.leftovers() {
		switch {
		case isJournal(name) && r.code != 0 && strings.Contains(r.stderr, name):
		case e.keepsTemp && strings.Contains(name, ".envseal-"):
		default:
			problems = append(problems, "left behind: "+name)
		}
	}
	return problems
}
