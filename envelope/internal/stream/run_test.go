package stream

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"
)

// counting numbers its batches, and checks that what comes out is in order.
type counting struct {
	*counted
	mine int
	done int
}

type counted struct {
	next, last int
	drained    []int
	failAt     int
	live       bool
}

func (j *counting) Fill() bool {
	j.mine = j.next
	j.next++
	return j.mine < j.last
}

func (j *counting) Work() {
	if j.mine%3 == 0 {
		time.Sleep(time.Millisecond) // let the others overtake
	}
	j.done = j.mine
}

var errHere = errors.New("here")

func (j *counting) Drain() error {
	if j.done != j.mine {
		return fmt.Errorf("batch %d drained before it was worked on", j.mine)
	}
	if j.live {
		return errors.New("two drains at a time")
	}
	j.live = true
	defer func() { j.live = false }()
	j.drained = append(j.drained, j.mine)
	if j.failAt > 0 && j.mine == j.failAt {
		return errHere
	}
	return nil
}

func TestRunKeepsOrder(t *testing.T) {
	for workers := 1; workers <= 8; workers++ {
		for _, last := range []int{0, 1, 2, 7, 50} {
			c := &counted{last: last}
			made := 0
			err := Run(context.Background(), workers, func() (Job, error) {
				made++
				return &counting{counted: c}, nil
			})
			if err != nil || len(c.drained) != last+1 {
				t.Fatalf("%d workers, %d batches: %d drained, %v", workers, last+1, len(c.drained), err)
			}
			for i, n := range c.drained {
				if i != n {
					t.Fatalf("%d workers: batch %d came in place %d", workers, n, i)
				}
			}
			if made > workers || last == 0 && made != 1 {
				t.Errorf("%d jobs made for %d workers and %d batches", made, workers, last+1)
			}
		}
	}
}

func TestRunStopsAtTheFirstError(t *testing.T) {
	before := runtime.NumGoroutine()
	for workers := 1; workers <= 4; workers++ {
		c := &counted{last: 1000, failAt: 20}
		err := Run(context.Background(), workers, func() (Job, error) {
			return &counting{counted: c}, nil
		})
		if err != errHere || len(c.drained) != 21 {
			t.Errorf("%d workers: %v after %d batches", workers, err, len(c.drained))
		}
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errHere)
	c := &counted{last: 1 << 30}
	if err := Run(ctx, 2, func() (Job, error) { return &counting{counted: c}, nil }); err != errHere {
		t.Errorf("got %v", err)
	}
}

func TestRunWithoutJobs(t *testing.T) {
	if err := Run(context.Background(), 2, func() (Job, error) {
		return nil, errHere
	}); err != errHere {
		t.Errorf("got %v", err)
	}
	made := 0
	c := &counted{last: 1 << 30}
	err := Run(context.Background(), 4, func() (Job, error) {
		if made++; made == 3 {
			return nil, errHere
		}
		return &counting{counted: c}, nil
	})
	if err != errHere {
		t.Errorf("a job that cannot be made: got %v", err)
	}
}

func TestBufferIsZeroedAndFreedOnce(t *testing.T) {
	b, err := NewBuffer(10000)
	if err != nil {
		t.Fatal(err)
	}
	p := b.Bytes()
	if len(p) != 10000 {
		t.Fatalf("%d bytes", len(p))
	}
	for i := range p {
		if p[i] != 0 {
			t.Fatal("not zeroed")
		}
		p[i] = 1
	}
	b.Free(len(p))
	b.Free(len(p))
	if b.Bytes() != nil {
		t.Error("bytes outlive Free")
	}
}
