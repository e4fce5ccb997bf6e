//go:build torture

package kmstorture

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// tally counts trials and violations by fault and program, in the order of their first trial.
type tally struct {
	mu    sync.Mutex
	names []string
	lines map[string]*line
}

type line struct {
	fault, program     string
	trials, violations int
	took               time.Duration // the longest
	rss                int64         // the most
	says               string
}

// newTally prints its lines when the test ends.
func newTally(t *testing.T) *tally {
	c := &tally{lines: map[string]*line{}}
	t.Cleanup(c.print)
	return c
}

// count adds a trial. says is for the remark and replaces what an earlier trial said, unless empty.
func (c *tally) count(program, fault string, o outcome, violated bool, says string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.line(program, fault)
	l.trials++
	if violated {
		l.violations++
	}
	l.took, l.rss = max(l.took, o.took), max(l.rss, o.rss)
	if says != "" {
		l.says = says
	}
}

// add counts many trials at once.
func (c *tally) add(program, fault string, trials, violations int, says string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.line(program, fault)
	l.trials += trials
	l.violations += violations
	l.says = says
}

func (c *tally) line(program, fault string) *line {
	key := fault + "|" + program
	if c.lines[key] == nil {
		c.lines[key] = &line{fault: fault, program: program}
		c.names = append(c.names, key)
	}
	return c.lines[key]
}

func (c *tally) print() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range c.names {
		l := c.lines[key]
		remark := l.says
		if l.took > 0 {
			remark = join(remark, fmt.Sprintf("at most %.1f s", l.took.Seconds()))
		}
		if l.rss > 0 {
			remark = join(remark, fmt.Sprintf("%d MiB", l.rss>>20))
		}
		fmt.Printf("reliability: KMS|%s|%s|%d|%d|%s\n",
			l.fault, l.program, l.trials, l.violations, remark)
	}
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + ", " + b
}
