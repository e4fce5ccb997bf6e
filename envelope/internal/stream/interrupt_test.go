package stream

import (
	"context"
	"sync/atomic"
	"testing"
	"time"
)

// interrupted is a job whose context is cancelled in its Fill; the Interrupt that comes of it takes its time.
type interrupted struct {
	cancel func()
	first  atomic.Bool
	begun  chan struct{}
	ended  atomic.Bool
}

func (j *interrupted) Interrupt() {
	if !j.first.CompareAndSwap(false, true) {
		return // that of the failed run itself
	}
	close(j.begun)
	time.Sleep(50 * time.Millisecond)
	j.ended.Store(true)
}

func (j *interrupted) Fill() bool {
	j.cancel()
	<-j.begun
	return false
}

func (j *interrupted) Work()        {}
func (j *interrupted) Drain() error { return nil }

// Whoever gets its input back from Run may close it: nothing that Run started still uses it.
func TestRunWaitsForInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	j := &interrupted{cancel: cancel, begun: make(chan struct{})}
	if err := Run(ctx, 1, func() (Job, error) { return j, nil }); err != context.Canceled {
		t.Error(err)
	}
	if !j.ended.Load() {
		t.Error("Interrupt is still running")
	}
}
