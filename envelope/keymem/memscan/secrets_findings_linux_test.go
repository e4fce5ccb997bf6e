//go:build secrets

package memscan_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/envseal/envseal/envelope/keymem/memscan"
)

// The stages at which a victim is searched.
const (
	stageAnswered = "key there, no data yet"
	stageFlowing  = "in full flow"
	stageWaiting  = "waiting for data"
	stageFull     = "output pipe full"
	stageSync     = "at fsync"
	stageExit     = "at exit"
	stageFile     = "at work"
	stageSecond   = "while Encrypt is under way"
)

// working tells whether threads may be at work with a key in that stage: it is then in their
// registers.
func working(stage string) bool { return stage == stageFlowing || stage == stageFile }

// findings gathers what searches found. It may be used by several goroutines.
type findings struct {
	mu        sync.Mutex
	searches  map[string]int // by stage
	locked    map[string]int // searches that found the keys where they belong
	open      map[string]int // copies outside locked memory
	left      map[string]int // copies in locked memory
	registers map[string]int // searches that found pieces in registers
	expected  bool           // copies are expected: nothing is logged
	logged    int
}

func newFindings() *findings {
	return &findings{searches: map[string]int{}, locked: map[string]int{}, open: map[string]int{},
		left: map[string]int{}, registers: map[string]int{}}
}

// add notes one search, and shows the first copies.
func (f *findings) add(t *testing.T, stage string, hits []memscan.Hit, registers []string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	open := memscan.Unprotected(hits)
	f.searches[stage]++
	f.open[stage] += len(open)
	f.left[stage] += len(hits) - len(open)
	if len(hits) > len(open) {
		f.locked[stage]++
	}
	if len(registers) > 0 {
		f.registers[stage]++
	}
	held := !working(stage)
	if !f.expected && f.logged < 20 && (len(open) > 0 || held && len(registers) > 0) {
		f.logged++
		t.Logf("%s: %d unprotected copies, registers %v\n%s",
			stage, len(open), registers, memscan.Summary(open))
	}
}

// copies is how many were found outside locked memory, and in the registers of threads that did not
// work.
func (f *findings) copies() (n int) {
	for stage := range f.searches {
		n += f.open[stage]
		if !working(stage) {
			n += f.registers[stage]
		}
	}
	return n
}

func (f *findings) total() (n int) {
	for _, searches := range f.searches {
		n += searches
	}
	return n
}

// check fails where keys were found that should not be there, and where none were found that
// should: a search that sees nothing proves nothing.
func (f *findings) check(t *testing.T) {
	t.Helper()
	for stage, n := range f.searches {
		switch {
		case f.open[stage] > 0:
			t.Errorf("%s: %d unprotected copies in %d searches", stage, f.open[stage], n)
		case stage == stageExit && f.left[stage] > 0:
			t.Errorf("%s: %d copies in locked memory are not wiped", stage, f.left[stage])
		case stage == stageFile && f.locked[stage] == 0:
			// it may have come to the end of the data, where the keys are gone
			t.Errorf("%s: none of %d searches found the keys in locked memory", stage, n)
		case stage != stageFile && stage != stageExit && stage != stageSync && f.locked[stage] < n:
			t.Errorf("%s: only %d of %d searches found the keys in locked memory", stage, f.locked[stage], n)
		}
		if !working(stage) && f.registers[stage] > 0 {
			t.Errorf("%s: pieces of keys in registers in %d of %d searches", stage, f.registers[stage], n)
		}
	}
}

// remark says where was searched.
func (f *findings) remark() string {
	var parts []string
	for stage, n := range f.searches {
		parts = append(parts, fmt.Sprintf("%s %d", stage, n))
	}
	slices.Sort(parts)
	text := fmt.Sprintf("%d searches: %s", f.total(), strings.Join(parts, ", "))
	if n := f.registers[stageFlowing] + f.registers[stageFile]; n > 0 {
		text += fmt.Sprintf("; round keys in registers of a thread at work: %d", n)
	}
	return text
}
