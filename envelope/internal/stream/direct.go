package stream

import (
	"context"
	"sync"
	"sync/atomic"
)

// Direct runs work on runs 0..runs-1; each worker takes the next one. It is for input and output at
// any offset, where nothing waits for its turn. newWorker is called on each worker's goroutine and
// returns what does one run.
//
// After an error the others stop at the end of their run. The error of the lowest run is returned.
// When Direct returns, every goroutine it started has ended.
func Direct(ctx context.Context, workers int, runs int64,
	newWorker func() (work func(run int64) error, err error)) error {
	d := &direct{ctx: ctx, runs: runs, failedAt: runs}
	var wg sync.WaitGroup
	for range int(min(int64(workers), runs)) {
		wg.Go(func() {
			work, err := newWorker()
			if err != nil {
				d.fail(-1, err)
				return
			}
			d.loop(work)
		})
	}
	wg.Wait()
	return d.err
}

type direct struct {
	ctx     context.Context
	runs    int64
	next    atomic.Int64
	stopped atomic.Bool

	mu       sync.Mutex // guards what follows
	err      error
	failedAt int64
}

func (d *direct) loop(work func(int64) error) {
	for !d.stopped.Load() {
		run := d.next.Add(1) - 1
		if run >= d.runs {
			return
		}
		err := work(run)
		if err == nil {
			err = context.Cause(d.ctx)
		}
		if err != nil {
			d.fail(run, err)
			return
		}
	}
}

func (d *direct) fail(run int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped.Store(true)
	if d.err == nil || run < d.failedAt {
		d.err, d.failedAt = err, run
	}
}
