//go:build torture && linux && amd64

package torture

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// tally counts the trials of one fault on one program, and prints them when the test ends. It is
// safe for concurrent use.
type tally struct {
	t                     *testing.T
	row                   string // of the list of faults, "-" for none
	fault, program        string
	mu                    sync.Mutex
	trials, wrong, voiced int
	silent                int // violations with exit code 0
	remark                string
}

const ours = "envseal"

// count begins a tally.
func count(t *testing.T, row, fault, program string) *tally {
	a := &tally{t: t, row: row, fault: fault, program: program}
	talliesOf.Lock()
	defer talliesOf.Unlock()
	if talliesOf.all[t] == nil {
		t.Cleanup(func() { printAll(t) })
	}
	talliesOf.all[t] = append(talliesOf.all[t], a)
	return a
}

// talliesOf are the tallies of a test, in the order in which they were begun.
var talliesOf = struct {
	sync.Mutex
	all map[*testing.T][]*tally
}{all: map[*testing.T][]*tally{}}

func printAll(t *testing.T) {
	talliesOf.Lock()
	defer talliesOf.Unlock()
	for _, a := range talliesOf.all[t] {
		a.print()
	}
	delete(talliesOf.all, t)
}

// trial notes a trial and what was wrong with it, if anything. Our own program's violations fail
// the test.
func (a *tally) trial(what string, problems ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trials++
	progress(a.row, a.fault)
	if len(problems) == 0 {
		return
	}
	a.wrong++
	if slices.ContainsFunc(problems,
		func(p string) bool { return strings.HasPrefix(p, "exit code 0") }) {
		a.silent++
	}
	a.voiced++
	switch {
	case a.program == ours && a.voiced <= 20:
		a.t.Errorf("%s: %s: %q", a.fault, what, problems)
	case a.voiced <= 1:
		a.t.Logf("%s: %s: %s: %.200q", a.program, a.fault, what, problems)
	}
}

// note says something beside the figures.
func (a *tally) note(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.remark = fmt.Sprintf(format, args...)
}

func (a *tally) print() {
	if a.remark == "" && a.silent > 0 {
		a.remark = fmt.Sprintf("%d of them with exit code 0", a.silent)
	}
	fmt.Printf("reliability: %s|%s|%s|%d|%d|%s\n",
		a.row, a.fault, a.program, a.trials, a.wrong, a.remark)
	if a.trials == 0 {
		a.t.Errorf("%s: %s: no trial", a.program, a.fault)
	}
}

// shown is when somebody last heard of us.
var shown struct {
	sync.Mutex
	at    time.Time
	count int
}

// progress prints a line now and then.
func progress(row, fault string) {
	shown.Lock()
	defer shown.Unlock()
	shown.count++
	if now := time.Now(); now.Sub(shown.at) > 20*time.Second {
		fmt.Printf("torture: %d trials so far, at row %s: %s\n", shown.count, row, fault)
		shown.at = now
	}
}
