package cmd

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/envelope/keyring"
	"github.com/envseal/envseal/kmsclient"
)

// gate stands between the files of a run and the key services: it counts the calls, slows down together where a service asks for it, and keeps unwrapped data keys where
// the user wants that.
type gate struct {
	patient bool         // for many files, which a busy service must not fail
	kept    *unwrapCache // nil: every file asks

	mu      sync.Mutex
	clients map[kmsclient.Client]*gatedClient
}

// newGate makes a gate for one file or for many. reuse is how many files an unwrapped data key is for; with less than 2 none is kept.
func newGate(many bool, reuse int) *gate {
	g := &gate{patient: many, clients: map[kmsclient.Client]*gatedClient{}}
	if many && reuse > 1 {
		g.kept = newUnwrapCache(reuse)
	}
	return g
}

// close wipes the keys that were kept.
func (g *gate) close() {
	if g.kept != nil {
		g.kept.close()
	}
}

// client puts the gate before c.
func (g *gate) client(c kmsclient.Client) kmsclient.Client {
	if c == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.clients[c] == nil {
		g.clients[c] = &gatedClient{Client: c, gate: g, limiter: newLimiter()}
	}
	return g.clients[c]
}

// forARN puts the gate before what find finds.
func (g *gate) forARN(find func(kmsclient.ARN) (kmsclient.Client, error)) func(kmsclient.ARN) (kmsclient.Client, error) {
	return func(arn kmsclient.ARN) (kmsclient.Client, error) {
		c, err := find(arn)
		if err != nil {
			return nil, err
		}
		return g.client(c), nil
	}
}

// recipients puts the gate before the services of KMS keys.
func (g *gate) recipients(all []envelope.Recipient) {
	for _, r := range all {
		if k, ok := r.(*keyring.KMSKey); ok {
			k.Client = g.client(k.Client)
		}
	}
}

// allowed puts the gate before the services that resolve aliases.
func (g *gate) allowed(all []keyring.AllowedKey) {
	for i := range all {
		all[i].Client = g.client(all[i].Client)
	}
}

// gatedClient is a key service behind the gate, as far as sealing and opening ask it.
type gatedClient struct {
	kmsclient.Client
	gate    *gate
	limiter *limiter
}

func (c *gatedClient) GenerateDataKey(ctx context.Context, in kmsclient.GenerateDataKeyInput) (out *kmsclient.DataKey, err error) {
	err = c.call(ctx, func() (err error) { out, err = c.Client.GenerateDataKey(ctx, in); return err })
	return out, err
}

func (c *gatedClient) Encrypt(ctx context.Context, in kmsclient.EncryptInput) (out *kmsclient.EncryptOutput, err error) {
	err = c.call(ctx, func() (err error) { out, err = c.Client.Encrypt(ctx, in); return err })
	return out, err
}

func (c *gatedClient) Decrypt(ctx context.Context, in kmsclient.DecryptInput) (*kmsclient.DecryptOutput, error) {
	if c.gate.kept == nil {
		return c.decrypt(ctx, in)
	}
	return c.gate.kept.decrypt(ctx, c, in)
}

func (c *gatedClient) decrypt(ctx context.Context, in kmsclient.DecryptInput) (out *kmsclient.DecryptOutput, err error) {
	err = c.call(ctx, func() (err error) { out, err = c.Client.Decrypt(ctx, in); return err })
	return out, err
}

func (c *gatedClient) call(ctx context.Context, ask func() error) error {
	counted := func() error {
		if r := recordOf(ctx); r != nil {
			r.calls++
		}
		return ask()
	}
	if !c.gate.patient {
		return counted()
	}
	return c.limiter.do(ctx, counted)
}

// limiter has the callers of one service wait together. Clients repeat a call a few times by themselves; this is what comes after, for runs that are worth waiting for.
//
// While a service is in trouble one caller at a time asks it, after a wait that grows from call to call and is half random. When it has not answered
// for longer than its patience lasts, calls fail without asking for a while, so that a tree ends in bounded time.
type limiter struct {
	first, longest time.Duration // of the waits
	throttled      time.Duration // patience with a service that says "slow down"
	unreachable    time.Duration // patience with one that was there and is gone; one that never was there is not waited for
	shut           time.Duration // how long calls fail unasked

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

// do calls ask until it succeeds, fails for good, or patience ends.
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
	patience := l.throttled
	if !errors.Is(err, kmsclient.ErrThrottled) {
		if patience = l.unreachable; !l.reached {
			patience = 0
		}
	}
	l.trouble = min(l.trouble+1, 16)
	if now.Sub(l.answered) >= patience {
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
