package stream

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// interrupted is a job whose context is cancelled in its Fill. The Interrupt that follows takes its
// time.
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

// blocked is a job whose second Fill lasts until it is given up, of which its Drain tells.
type blocked struct {
	fills   int
	once    atomic.Bool
	givenUp chan struct{}
}

var errGivenUp = errors.New("given up")

// Interrupt leaves the other goroutines of the run the time to make something of it.
func (j *blocked) Interrupt() {
	if j.once.CompareAndSwap(false, true) {
		close(j.givenUp)
		time.Sleep(50 * time.Millisecond)
	}
}

func (j *blocked) Fill() bool {
	if j.fills++; j.fills > 1 {
		<-j.givenUp
	}
	return true
}

func (j *blocked) Work() {}

func (j *blocked) Drain() error {
	if j.fills == 1 {
		return nil
	}
	return errGivenUp
}

// If a run fails for want of a job, that is its error, and not what the Fill said that was given
// up.
func TestRunTellsWhyItGaveUp(t *testing.T) {
	j := &blocked{givenUp: make(chan struct{})}
	var made int
	err := Run(context.Background(), 2, func() (Job, error) {
		if made++; made == 2 {
			time.Sleep(20 * time.Millisecond) // until the first one blocks
			return nil, errHere
		}
		return j, nil
	})
	if err != errHere {
		t.Errorf("got %v", err)
	}
}
