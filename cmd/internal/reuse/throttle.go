package reuse

import (
	"context"
	"sync"

	"github.com/envseal/envseal/kmsclient"
)

// Throttle stands between the files of a run and the key services: it counts the calls, slows down together where a service asks for it, and keeps unwrapped data keys where
// the user wants that.
type Throttle struct {
	patient bool         // for many files, which a busy service must not fail
	kept    *unwrapCache // nil: every file asks

	mu       sync.Mutex
	limiters map[kmsclient.Client]*limiter
}

// NewThrottle makes a gate for one file or for many. reuse is how many files an unwrapped data key is for; with less than 2 none is kept.
func NewThrottle(many bool, reuse int) *Throttle {
	g := &Throttle{patient: many, limiters: map[kmsclient.Client]*limiter{}}
	if many && reuse > 1 {
		g.kept = newUnwrapCache(reuse)
	}
	return g
}

// Close wipes the keys that were kept.
func (g *Throttle) Close() {
	if g.kept != nil {
		g.kept.close()
	}
}

// Client puts the gate before c, nil before nil. calls, unless nil, counts what the service is really
// asked.
func (g *Throttle) Client(c kmsclient.Client, calls *int) kmsclient.Client {
	if c == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.limiters[c] == nil {
		g.limiters[c] = newLimiter()
	}
	return gatedClient{Client: c, gate: g, limiter: g.limiters[c], calls: calls}
}

// ForARN puts the gate before what find finds.
func (g *Throttle) ForARN(find func(kmsclient.ARN) (kmsclient.Client, error), calls *int) func(kmsclient.ARN) (kmsclient.Client, error) {
	return func(arn kmsclient.ARN) (kmsclient.Client, error) {
		c, err := find(arn)
		if err != nil {
			return nil, err
		}
		return g.Client(c, calls), nil
	}
}

// gatedClient is a key service behind the gate, as far as sealing and opening ask it. Two of one
// service, for one file, are equal.
type gatedClient struct {
	kmsclient.Client
	gate    *Throttle
	limiter *limiter
	calls   *int
}

func (c gatedClient) GenerateDataKey(ctx context.Context, in kmsclient.GenerateDataKeyInput) (out *kmsclient.DataKey, err error) {
	err = c.call(ctx, func() (err error) { out, err = c.Client.GenerateDataKey(ctx, in); return err })
	return out, err
}

func (c gatedClient) Encrypt(ctx context.Context, in kmsclient.EncryptInput) (out *kmsclient.EncryptOutput, err error) {
	err = c.call(ctx, func() (err error) { out, err = c.Client.Encrypt(ctx, in); return err })
	return out, err
}

func (c gatedClient) Decrypt(ctx context.Context, in kmsclient.DecryptInput) (*kmsclient.DecryptOutput, error) {
	if c.gate.kept == nil {
		return c.decrypt(ctx, in)
	}
	return c.gate.kept.decrypt(ctx, c, in)
}

func (c gatedClient) decrypt(ctx context.Context, in kmsclient.DecryptInput) (out *kmsclient.DecryptOutput, err error) {
	err = c.call(ctx, func() (err error) { out, err = c.Client.Decrypt(ctx, in); return err })
	return out, err
}

func (c gatedClient) call(ctx context.Context, ask func() error) error {
	counted := func() error {
		if c.calls != nil {
			*c.calls++
		}
		return ask()
	}
	if !c.gate.patient {
		return counted()
	}
	return c.limiter.do(ctx, counted)
}
