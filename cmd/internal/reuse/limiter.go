package reuse

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/envseal/envseal/kmsclient"
)

// limiter has the callers of one service wait together. Clients repeat a call a few times by
// themselves; this is what comes after, for runs that are worth waiting for.
//
// While a service is in trouble one caller at a time asks it, after a wait that grows from call to
// call and is half random. When it has not answered for longer than its time is, calls fail without
// asking for a while, so that a tree ends in bounded time.
type limiter struct {
	first, longest time.Duration // of the waits
	throttled      time.Duration // how long a service is waited for that says "slow down"
	// how long one that is gone; one that never was there is not waited for
	unreachable time.Duration
	shut        time.Duration // how long calls fail unasked

	probe chan struct{} // held by the one who asks while there is trouble

	mu       sync.Mutex
	trouble  int       // failed calls in a row, less what succeeded since
	resume   time.Time // nobody asks before
	answered time.Time // the last success, or the first call
	reached  bool      // there was a success
	shutErr  error     // why calls fail unasked, until resume
}

func newLimiter() *limiter {
	return &limiter{
		first:       200 * time.Millisecond,
		longest:     10 * time.Second,
		throttled:   5 * time.Minute,
		unreachable: time.Minute,
		shut:        30 * time.Second,
		probe:       make(chan struct{}, 1),
	}
}

// busy tells whether a later call may fare better.
func busy(err error) bool {
	return errors.Is(err, kmsclient.ErrThrottled) || errors.Is(err, kmsclient.ErrUnavailable)
}

// do calls ask until it succeeds, fails for good, or has been waited for long enough.
func (l *limiter) do(ctx context.Context, ask func() error) error {
	for {
		leave, err := l.enter(ctx)
		if err != nil {
			return err
		}
		err = ask()
		again := false
		switch {
		case ctx.Err() != nil:
		case busy(err):
			again = l.failed(err)
		default:
			l.answeredWith()
		}
		leave()
		if !again {
			return err
		}
	}
}

// enter waits until the service may be asked.
func (l *limiter) enter(ctx context.Context) (leave func(), err error) {
	l.mu.Lock()
	if l.answered.IsZero() {
		l.answered = time.Now()
	}
	calm := l.trouble == 0
	l.mu.Unlock()
	if calm {
		return func() {}, nil
	}
	select {
	case l.probe <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	leave = func() { <-l.probe }
	l.mu.Lock()
	wait := time.Until(l.resume)
	if wait > 0 && l.shutErr != nil {
		err, wait = l.shutErr, 0
	}
	l.mu.Unlock()
	if wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	if err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// answeredWith is for every answer, also for a refusal: the service is there.
func (l *limiter) answeredWith() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered, l.reached, l.shutErr = time.Now(), true, nil
	l.trouble = max(l.trouble-1, 0)
}

// failed sets the next wait, and tells whether to ask again.
func (l *limiter) failed(err error) (again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	limit := l.throttled
	if !errors.Is(err, kmsclient.ErrThrottled) {
		if limit = l.unreachable; !l.reached {
			limit = 0
		}
	}
	l.trouble = min(l.trouble+1, 16)
	if now.Sub(l.answered) >= limit {
		l.shutErr, l.resume = err, now.Add(l.shut)
		return false
	}
	if l.shutErr = nil; now.Before(l.resume) {
		return true // others who asked at the same time have set the wait
	}
	wait := min(l.first<<(l.trouble-1), l.longest)
	l.resume = now.Add(wait/2 + rand.N(wait/2+1))
	return true
}
