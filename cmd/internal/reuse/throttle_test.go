package reuse

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/envseal/envseal/kmsclient"
)

// quick is a limiter whose times are a thousandth of the usual ones.
func quick() *limiter {
	l := newLimiter()
	l.first, l.longest = l.first/1000, l.longest/1000
	l.throttled, l.unreachable, l.shut = l.throttled/1000, l.unreachable/1000, l.shut/1000
	return l
}

// Some calls are throttled: nobody fails.
func TestLimiterWaitsForAThrottledService(t *testing.T) {
	l := quick()
	l.throttled = time.Minute // however slow the machine
	var asked atomic.Int32
	ask := func() error {
		if asked.Add(1) <= 20 {
			return kmsclient.ErrThrottled
		}
		return nil
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				if err := l.do(t.Context(), ask); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if asked.Load() != 100 {
		t.Errorf("%d calls for 80 answers", asked.Load())
	}
}

func TestLimiterGivesUp(t *testing.T) {
	for _, c := range []struct {
		kind    error
		reached bool
		least   time.Duration
		most    time.Duration
		again   bool
	}{
		{kmsclient.ErrThrottled, false, 300 * time.Millisecond, 5 * time.Second, true},
		{kmsclient.ErrUnavailable, true, 60 * time.Millisecond, 5 * time.Second, true},
		{kmsclient.ErrUnavailable, false, 0, 5 * time.Second, false},
		{kmsclient.ErrAccessDenied, true, 0, 5 * time.Second, false},
	} {
		l := quick()
		if c.reached {
			_ = l.do(t.Context(), func() error { return nil })
		}
		began, asked := time.Now(), 0
		err := l.do(t.Context(), func() error { asked++; return c.kind })
		took := time.Since(began)
		if !errors.Is(err, c.kind) || took < c.least || took > c.most || c.again != (asked > 1) {
			t.Errorf("%v: %v after %v and %d calls", c.kind, err, took, asked)
		}
		if !busy(c.kind) {
			continue
		}
		// for a while nobody even asks; then one tries again
		called := false
		ask := func() error { called = true; return nil }
		if err := l.do(t.Context(), ask); !errors.Is(err, c.kind) || called {
			t.Errorf("%v: asked again at once: %v", c.kind, err)
		}
		time.Sleep(l.shut)
		if err := l.do(t.Context(), ask); err != nil || !called {
			t.Errorf("%v: after a while: %v", c.kind, err)
		}
	}
}

func TestLimiterEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := newLimiter()
	begun := make(chan struct{})
	go func() { <-begun; cancel() }()
	err := l.do(ctx, func() error {
		select {
		case <-begun:
		default:
			close(begun)
		}
		return kmsclient.ErrThrottled
	})
	if err == nil {
		t.Error("no error")
	}
}

// For a single file the client's own attempts are enough.
func TestGateForOneFile(t *testing.T) {
	store, arn := newCountedStore(t)
	throttle := NewThrottle(false, 1000)
	defer throttle.Close()
	throttled := error(kmsclient.ErrThrottled)
	store.refuse.Store(&throttled)
	calls := 0
	_, err := throttle.Client(store, &calls).Decrypt(t.Context(), store.blob(t, arn, "a"))
	if !errors.Is(err, kmsclient.ErrThrottled) || store.calls.Load() != 1 ||
		calls != 1 || throttle.kept != nil {
		t.Errorf("%v after %d calls, %d recorded", err, store.calls.Load(), calls)
	}
}
