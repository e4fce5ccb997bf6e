//go:build torture && linux && amd64

package torture

import (
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
)

// mostCalls is how many calls of one kind are failed in one scene; none makes more. The short form
// takes a call at either end for EIO, and one for everything else.
const mostCalls = 200

func callsToFail(f fault, calls int, outside bool) []int {
	switch {
	case full:
		return spread(calls, mostCalls)
	case f.name == eio.name && !outside:
		return spread(calls, 2)
	}
	return spread(calls, 1)
}

// spread picks at most n numbers from 1 to count: the first and the last among them, or the one in
// the middle.
func spread(count, n int) []int {
	if n == 1 {
		return []int{(count + 1) / 2}
	}
	var all []int
	for i := range min(count, n) {
		at := i + 1
		if count > n {
			at = 1 + i*(count-1)/(n-1)
		}
		all = append(all, at)
	}
	return slices.Compact(all)
}

// callWork is every fault of every call of all scenes.
func callWork(t *testing.T, list []*scene, outside, named bool) []work {
	var all []work
	for _, sc := range list {
		calls, err := newStage(t, sc).record(outside, named)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Sorted(maps.Keys(calls)) {
			faults := faultsOf(kindNamed(name))
			if outside {
				faults = faults[:1]
			}
			for _, f := range faults {
				for _, nth := range callsToFail(f, calls[name], outside) {
					all = append(all, work{sc, f, name, nth, outside, named})
				}
			}
		}
	}
	return all
}

// TestTortureCalls fails every call that the program makes on the user's files, one after the
// other, with every error that such a call can have.
func TestTortureCalls(t *testing.T) {
	tallies := callTallies(t)
	all := callWork(t, scenes(t), false, false)
	if full {
		all = append(all, callWork(t, scenes(t), false, true)...)
	}
	var missed atomic.Int64
	inParallel(t, all, func(s *stage, w work) {
		h, r, err := s.strike(w)
		if err != nil {
			t.Error(err)
			return
		}
		if h.times == 0 {
			missed.Add(1) // threads took another course, and there were fewer calls
			return
		}
		a := tallies[s.rowOf(h)+w.fault.name]
		a.trial(fmt.Sprintf("%s: %s %d on %s", w.name, w.kind, w.nth, h.path),
			s.judge(r, s.expect(w.fault, h))...)
	})
	if n := missed.Load(); n*10 > int64(len(all)) {
		t.Errorf("%d of %d faults struck no call", n, len(all))
	}
}

// callTallies has a tally for each fault on either side.
func callTallies(t *testing.T) map[string]*tally {
	all := map[string]*tally{}
	for _, f := range []fault{eio, enospc, edquot, efbig, short, eintr, dead, filled} {
		all["6"+f.name] = count(t, "6", f.name+" on any call on an output or its directory", ours)
	}
	for _, f := range []fault{eio, enospc, edquot, short, eintr} {
		all["7"+f.name] = count(t, "7", f.name+" on any call on an input", ours)
	}
	return all
}

// rowOf tells on which side a call was.
func (s *stage) rowOf(h hit) string {
	if h.kind.side == reads || h.kind.side == neither && s.isInput(h.path) {
		return "7"
	}
	return "6"
}

// TestTortureForeignCalls fails the calls on everything that is not the user's: the keystore,
// /proc, /sys. They may fail the run or not; nothing may be lost.
func TestTortureForeignCalls(t *testing.T) {
	all := callWork(t, scenes(t), true, false)
	a := count(t, "-", "EIO on a call on another file (keystore, /proc, /sys)", ours)
	inParallel(t, all, func(s *stage, w work) {
		h, r, err := s.strike(w)
		if err != nil {
			t.Error(err)
			return
		}
		if h.times > 0 {
			a.trial(fmt.Sprintf("%s: %s %d on %s", w.name, w.kind, w.nth, h.path),
				s.judge(r, expectation{})...)
		}
	})
}
