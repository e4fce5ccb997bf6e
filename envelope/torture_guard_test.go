//go:build torture

package envelope_test

import (
	"fmt"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	longestMutation = time.Minute // far more than any takes on a busy machine
	mostMemory      = 64 << 20
)

// guard watches mutations: none may hang, panic or take much memory. If the process ends, the
// output says at which numbers.
type guard struct {
	t       testing.TB
	mu      sync.Mutex
	watches []*watch
	greedy  []int // mutations that allocated much, perhaps because of what ran beside them
	most    int64 // bytes that one mutation allocated at the most
	alone   bool
	done    chan struct{}
}

// watch is that of one worker.
type watch struct {
	*guard
	number  atomic.Int64
	started atomic.Int64 // ns, 0 between two mutations
	sample  [1]metrics.Sample
	before  uint64
}

func newGuard(t testing.TB) *guard {
	debug.SetTraceback("all")
	g := &guard{t: t, done: make(chan struct{})}
	go g.run()
	return g
}

func (g *guard) watch() *watch {
	w := &watch{guard: g}
	w.sample[0].Name = "/gc/heap/allocs:bytes"
	g.mu.Lock()
	defer g.mu.Unlock()
	g.watches = append(g.watches, w)
	return w
}

// run ends the process, with the stacks of all goroutines, should a mutation take too long.
func (g *guard) run() {
	for {
		select {
		case <-g.done:
			return
		case <-time.After(time.Second):
		}
		g.mu.Lock()
		for _, w := range g.watches {
			if at := w.started.Load(); at > 0 && time.Since(time.Unix(0, at)) > longestMutation {
				panic(fmt.Sprintf("mutation %d hangs: TORTURE_MUTATION=%d makes it again",
					w.number.Load(), w.number.Load()))
			}
		}
		g.mu.Unlock()
	}
}

func (w *watch) begin(n int) {
	w.number.Store(int64(n))
	metrics.Read(w.sample[:])
	w.before = w.sample[0].Value.Uint64()
	w.started.Store(time.Now().UnixNano())
}

// end checks the memory. It tells a panic on this goroutine with the number of its mutation. One on
// another goroutine shows it in the stacks, as the argument of mutation.
func (w *watch) end(c *tally) {
	if p := recover(); p != nil {
		c.violation("mutation %d: panic: %v\n%s", w.number.Load(), p, debug.Stack())
	}
	w.started.Store(0)
	metrics.Read(w.sample[:])
	took := int64(w.sample[0].Value.Uint64() - w.before)
	if took <= mostMemory/4 && !w.alone {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.alone {
		w.greedy = append(w.greedy, int(w.number.Load()))
		return
	}
	if w.most = max(w.most, took); took > mostMemory {
		c.violation("mutation %d: took %d MiB of memory", w.number.Load(), took>>20)
	}
}

// weigh makes those mutations again, one by one, by themselves, that seemed to take much memory.
func (g *guard) weigh(again func(n int)) {
	close(g.done)
	g.alone = true
	for _, n := range g.greedy {
		again(n)
	}
}
