package reuse

import (
	"context"
	"sync"

	"github.com/envseal/envseal/kmsclient"
)

// Throttle stands between the files of a run and the key services: it counts the calls, has all
// wait together for a service that is busy, and keeps unwrapped data keys where the user wants
// that. It is safe for concurrent use.
type Throttle struct {
	waits bool         // for a busy service, which must not fail a run over many files
	kept  *unwrapCache // nil: every file asks

	mu       sync.Mutex
	limiters map[kmsclient.Client]*limiter
}

// NewThrottle makes one for a single file or for many. files is how many files an unwrapped data
// key is for; with less than 2 none is kept. The caller closes it.
func NewThrottle(many bool, files int) *Throttle {
	t := &Throttle{waits: many, limiters: map[kmsclient.Client]*limiter{}}
	if many && files > 1 {
		t.kept = newUnwrapCache(files)
	}
	return t
}

// Close wipes the keys that were kept.
func (t *Throttle) Close() {
	if t.kept != nil {
		t.kept.close()
	}
}

// Client is c with the throttle before it, nil for nil. calls, unless nil, counts what the service
// is really asked.
func (t *Throttle) Client(c kmsclient.Client, calls *int) kmsclient.Client {
	if c == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.limiters[c] == nil {
		t.limiters[c] = newLimiter()
	}
	return throttledClient{Client: c, throttle: t, limiter: t.limiters[c], calls: calls}
}

// ForARN is find with the throttle before what it finds.
func (t *Throttle) ForARN(find func(kmsclient.ARN) (kmsclient.Client, error),
	calls *int) func(kmsclient.ARN) (kmsclient.Client, error) {
	return func(arn kmsclient.ARN) (kmsclient.Client, error) {
		c, err := find(arn)
		if err != nil {
			return nil, err
		}
		return t.Client(c, calls), nil
	}
}

// throttledClient is a key service behind its throttle, as far as sealing and opening ask it. Two
// of one service, for one file, are equal.
type throttledClient struct {
	kmsclient.Client
	throttle *Throttle
	limiter  *limiter
	calls    *int
}

func (c throttledClient) GenerateDataKey(ctx context.Context,
	in kmsclient.GenerateDataKeyInput) (out *kmsclient.DataKey, err error) {
	err = c.call(ctx, func() (err error) { out, err = c.Client.GenerateDataKey(ctx, in); return err })
	return out, err
}

func (c throttledClient) Encrypt(ctx context.Context,
	in kmsclient.EncryptInput) (out *kmsclient.EncryptOutput, err error) {
	err = c.call(ctx, func() (err error) { out, err = c.Client.Encrypt(ctx, in); return err })
	return out, err
}

func (c throttledClient) Decrypt(ctx context.Context,
	in kmsclient.DecryptInput) (*kmsclient.DecryptOutput, error) {
	if c.throttle.kept == nil {
		return c.decrypt(ctx, in)
	}
	return c.throttle.kept.decrypt(ctx, c, in)
}

func (c throttledClient) decrypt(ctx context.Context,
	in kmsclient.DecryptInput) (out *kmsclient.DecryptOutput, err error) {
	err = c.call(ctx, func() (err error) { out, err = c.Client.Decrypt(ctx, in); return err })
	return out, err
}

func (c throttledClient) call(ctx context.Context, ask func() error) error {
	counted := func() error {
		if c.calls != nil {
			*c.calls++
		}
		return ask()
	}
	if !c.throttle.waits {
		return counted()
	}
	return c.limiter.do(ctx, counted)
}
