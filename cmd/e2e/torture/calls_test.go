//go:build torture && linux && amd64

package torture

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// fault is what is done to one call, or to it and all that follow.
type fault struct {
	name    string
	verdict verdict
	ever    bool
}

func errno(name string, e syscall.Errno) fault {
	return fault{name: name, verdict: verdict{errno: e}}
}

var (
	eio    = errno("EIO", syscall.EIO)
	eintr  = errno("EINTR", syscall.EINTR)
	enospc = errno("ENOSPC", syscall.ENOSPC)
	edquot = errno("EDQUOT", syscall.EDQUOT)
	efbig  = errno("EFBIG", syscall.EFBIG)
	short  = fault{name: "short", verdict: verdict{short: true}}
	dead   = fault{name: "EIO for good", verdict: verdict{errno: syscall.EIO}, ever: true}
	filled = fault{name: "ENOSPC for good", verdict: verdict{errno: syscall.ENOSPC}, ever: true}
)

// faultsOf are the faults that a call can have.
func faultsOf(k kind) []fault {
	switch {
	case k.name == "openat":
		return []fault{eio, enospc, edquot, eintr}
	case k.name == "lseek" || k.name == "fstat" || k.name == "newfstatat":
		return []fault{eio}
	case k.side == reads && k.count >= 0:
		return []fault{eio, short, eintr}
	case k.side == writes && k.count >= 0:
		return []fault{eio, enospc, edquot, efbig, short, eintr, dead, filled}
	case k.name == "fallocate" || k.name == "ftruncate":
		return []fault{eio, enospc, edquot, efbig, eintr}
	case k.side == syncs:
		return []fault{eio, enospc, edquot, eintr, dead}
	case k.side == writes:
		return []fault{eio, enospc, edquot, eintr}
	}
	return []fault{eio, eintr}
}

// hit is the call that a fault struck first.
type hit struct {
	kind  kind
	path  string
	times int
}

// strike plays the scene and does its fault to the nth call of its kind.
func (s *stage) strike(w work) (hit, result, error) {
	var h hit
	seen := 0
	r, err := s.play(func(c *call) verdict {
		path, ok := s.concerns(c, w.outside)
		switch {
		case w.named && noUnnamed(c):
			return verdict{errno: syscall.EOPNOTSUPP}
		case !ok || c.kind.name != w.kind && !(h.times > 0 && w.fault.ever && sameKindOfHarm(w.fault, c)):
			return verdict{}
		case c.kind.name == w.kind:
			seen++
		}
		if seen < w.nth || seen > w.nth && !w.fault.ever {
			return verdict{}
		}
		if h.times++; h.times == 1 {
			h.kind, h.path = c.kind, path
		}
		return w.fault.verdict
	})
	return h, r, err
}

// noUnnamed tells a call that makes a file without a name. If they all fail, temp files have names,
// as on file systems that have no others.
func noUnnamed(c *call) bool {
	return c.kind.name == "openat" && c.args[2]&unix.O_TMPFILE == unix.O_TMPFILE
}

// sameKindOfHarm tells whether a disk that is full or broken for good would fail that call too.
func sameKindOfHarm(f fault, c *call) bool {
	if f.verdict.errno == syscall.ENOSPC {
		return c.kind.side == writes && c.kind.name != "unlinkat" && c.kind.name != "fchmod" &&
			c.kind.name != "utimensat"
	}
	return c.kind.side == syncs || c.kind.side == writes && c.kind.fd >= 0
}

// concerns gives the file that a call is about, if it is one of the user's, or with outside, if it
// is none.
func (s *stage) concerns(c *call, outside bool) (string, bool) {
	if path, ok := c.within(s.dir); ok || !outside || c.kind.name == "" {
		return path, ok && !outside
	}
	paths := strings.Join(c.paths(), " ")
	return paths, paths != "" && !strings.HasPrefix(paths, "/dev/") &&
		!strings.Contains(paths, "pipe:[")
}

// record plays the scene without a fault and counts its calls.
func (s *stage) record(outside, named bool) (map[string]int, error) {
	calls := map[string]int{}
	r, err := s.play(func(c *call) verdict {
		if named && noUnnamed(c) {
			return verdict{errno: syscall.EOPNOTSUPP}
		}
		if _, ok := s.concerns(c, outside); ok {
			calls[c.kind.name]++
		}
		return verdict{}
	})
	if err != nil {
		return nil, err
	}
	if problems := s.judge(r, expectation{succeeds: true}); len(problems) > 0 {
		return nil, fmt.Errorf("%s: without a fault: %q %s", s.name, problems, r.stderr)
	}
	return calls, nil
}

// isInput tells whether path is what the scene reads, and not what it writes.
func (s *stage) isInput(path string) bool {
	if path == filepath.Join(s.dir, "stdin") {
		return true
	}
	rel, err := filepath.Rel(s.files(), path)
	_, ok := s.inputs[rel]
	return err == nil && ok || rel == "in" ||
		strings.HasPrefix(rel, "in/") && !strings.Contains(rel, "#") &&
			!slices.ContainsFunc(s.wants, func(w want) bool { return w.name == rel })
}

// isOneFile tells whether path is an input, a target or a file without a name, and not a directory.
func (s *stage) isOneFile(path string) bool {
	rel, _ := filepath.Rel(s.files(), path)
	_, input := s.inputs[rel]
	return input || strings.Contains(rel, "#") ||
		slices.ContainsFunc(s.wants, func(w want) bool { return w.name == rel })
}

// expect is what must follow a fault.
func (s *stage) expect(f fault, h hit) expectation {
	var e expectation
	switch {
	case f.name == "EINTR" && h.kind.name != "close":
		// a close that was interrupted has closed, but nobody knows what it would have told
		e.succeeds = true
	case s.many:
		e.codes = []int{1, 3, 8} // 3, or what stopped the whole run
		e.one = h.kind.side != syncs && !f.ever && f.verdict.errno != syscall.ENOSPC &&
			f.verdict.errno != syscall.EDQUOT && s.isOneFile(h.path)
	case s.inside != nil && h.kind.side == reads:
		e.codes = []int{1}
	case s.inside != nil && h.kind.side == neither:
		e.codes = []int{1, 8}
	case s.isInput(h.path):
		e.codes = []int{1}
	case h.kind.name == "openat" && h.path == s.files():
		e.codes = []int{1, 8} // an input is opened by its directory, as an output is
	default:
		e.codes = []int{8}
	}
	e.late = h.kind.side == neither
	e.fails = h.kind.side == syncs && !e.succeeds
	e.keepsTemp = h.kind.name == "unlinkat"
	return e
}

// work is one fault to be tried.
type work struct {
	*scene
	fault   fault
	kind    string
	nth     int  // which call of the kind, counted from 1
	outside bool // calls on files that are not the user's
	named   bool // temp files have names
}

// inParallel has each of the stages that a worker needs made by it.
func inParallel(t *testing.T, all []work, do func(*stage, work)) {
	t.Helper()
	next := make(chan work)
	var wg sync.WaitGroup
	for range workers {
		stages := map[*scene]*stage{}
		wg.Go(func() {
			for w := range next {
				if stages[w.scene] == nil {
					stages[w.scene] = newStage(t, w.scene)
				}
				do(stages[w.scene], w)
			}
		})
	}
	for _, w := range all {
		next <- w
	}
	close(next)
	wg.Wait()
}

// kindNamed finds a kind of call.
func kindNamed(name string) kind {
	for _, k := range kinds {
		if k.name == name {
			return k
		}
	}
	return kind{}
}
