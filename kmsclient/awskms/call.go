package awskms

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

// call is one operation of KMS, with all its attempts.
type call struct {
	client *Client
	s      *session
	op     string
	asked  string // the key as the caller named it, for errors and for checks
	keyID  string // the key as KMS is asked for it: another ARN for a multi-Region key's replica
	region string

	secret    secretMember
	plaintext []byte // of Encrypt; the caller's
	dryRun    bool

	requestID string // of the last answer
	attempts  attempts
}

// secretMember is the member of an answer that holds plaintext key material, and how many bytes
// that may have. name is empty where the answer has none.
type secretMember struct {
	name        string
	least, most int
}

// attempts is what run remembers of the attempts before.
type attempts struct {
	silent  int  // in which nothing answered
	skewed  bool // tried again with a corrected clock
	renewed bool // tried again with new credentials
}

// begin finds the Region and loads what is needed. It is bounded by itself: see credentials.prove.
func (c *Client) begin(ctx context.Context, op, keyID string,
	contexts ...map[string]string) (*call, error) {
	cl := &call{client: c, op: op, asked: keyID, keyID: keyID}
	if len(keyID) > kmsclient.MaxKeyID {
		cl.asked = keyID[:64] + "..."
		return nil, cl.invalid("the key id is longer than %d bytes", kmsclient.MaxKeyID)
	}
	if !kmsclient.IsText(contexts...) {
		return nil, cl.invalid("the encryption context is not UTF-8 text")
	}
	arn, isARN, err := parseKeyID(keyID)
	if err != nil {
		return nil, cl.invalid("%v", err)
	}
	if isARN {
		there := arn.ReplicaIn(c.cfg.Region)
		if want := c.cfg.Region; want != "" && want != there.Region {
			return nil, cl.invalid(
				"the key lies in the Region %s, but %s is asked for (--region): drop the one or the other",
				arn.Region, want)
		}
		arn, cl.keyID = there, there.String()
	}
	// A missing Region is said before credentials are looked for, which can take seconds.
	loaded, err := c.loader.configuration(ctx, arn.Region)
	if err != nil {
		return nil, named(err, op, cl.asked)
	}
	if cl.region = cmp.Or(arn.Region, loaded.region); cl.region == "" {
		return nil, named(errNoRegion(), op, cl.asked)
	}
	if cl.s, err = c.loader.session(ctx, cl.region); err != nil {
		return nil, named(err, op, cl.asked)
	}
	return cl, nil
}

// beginWithKey is begin for operations that must name a key.
func (c *Client) beginWithKey(ctx context.Context, op, keyID string,
	contexts ...map[string]string) (*call, error) {
	if keyID == "" {
		return nil, (&call{op: op}).invalid("no key is named")
	}
	return c.begin(ctx, op, keyID, contexts...)
}

// method is an operation of the SDK's client, as a method expression.
type method[In, Out any] func(*kms.Client, context.Context, *In,
	...func(*kms.Options)) (*Out, error)

// run calls the operation until it succeeds or there is no point in another attempt. The second
// result is the plaintext key of the answer, of the length that cl.secret says, and nil where that
// has no name; the caller owes its Destroy.
func run[In, Out any](ctx context.Context, cl *call, do method[In, Out],
	in *In) (*Out, *keymem.Buffer, error) {
	limit := cl.s.cfg.callTimeout()
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	api, err := cl.s.client(cl.region)
	if err != nil {
		return nil, nil, named(err, cl.op, cl.asked)
	}
	cl.client.calls.Add(1)
	cl.attempts = attempts{} // a list calls run for each of its pages
	var last *kmsclient.Error
	for attempt := 1; ; attempt++ {
		x := &exchange{call: cl, attempt: attempt}
		out, err := do(api, withExchange(bounded, x), in)
		cl.requestID = x.requestID
		secret := x.release(err)
		if err == nil {
			if err := cmp.Or(cl.notDry(), cl.checkSecret(secret)); err != nil {
				destroy(secret)
				return nil, nil, err
			}
			return out, secret, nil
		}
		if ctx.Err() != nil {
			return nil, nil, named(ctx.Err(), cl.op, cl.asked)
		}
		failure := cl.translate(x, err)
		if bounded.Err() != nil {
			return nil, nil, x.late(limit, failure, last)
		}
		wait, again := cl.again(bounded, x, failure)
		if !again || !sleep(bounded, wait) {
			return nil, nil, failure
		}
		last = failure
	}
}

// late words the end of a call whose time is over. The attempt that it cut off knows nothing of the
// reason: the last one before it does.
func (x *exchange) late(limit time.Duration, failure, last *kmsclient.Error) *kmsclient.Error {
	if cut := !x.begun || x.failure != nil; cut && last != nil {
		failure = last
	}
	failure.Kind, failure.Message = kmsclient.ErrUnavailable,
		fmt.Sprintf("no success within %v; at last: %s", limit, failure.Message)
	return failure
}

// sleep waits, and tells whether it got to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// invalid is a request that is refused before it is sent.
func (cl *call) invalid(format string, args ...any) error {
	return &kmsclient.Error{Op: cl.op, KeyID: cl.asked, Kind: kmsclient.ErrInvalidRequest,
		Message: fmt.Sprintf(format, args...)}
}

// bad is an answer that cannot be used.
func (cl *call) bad(format string, args ...any) error {
	return &kmsclient.Error{Op: cl.op, KeyID: cl.asked,
		Kind: kmsclient.ErrBadAnswer, RequestID: cl.requestID,
		Message: kmsclient.ErrBadAnswer.Error() + ": " + fmt.Sprintf(format, args...)}
}

// exchange is one attempt: what the HTTP client and the protocol hook share. It travels in the
// context of the SDK's call, and is used by one goroutine only.
type exchange struct {
	call    *call
	attempt int

	body   *keymem.Buffer // the request, where it holds plaintext
	sum    string         // its SHA-256 in hex
	answer *keymem.Buffer // the body of a good answer that holds a key
	secret *keymem.Buffer // the key from it

	signer    aws.Credentials // that the request was signed with
	begun     bool            // the exchange was started: the SDK had no objection
	sent      bool            // bytes of the request went out
	status    int
	requestID string
	skew      time.Duration // the service's clock minus ours, from the Date header
	location  string        // of a redirect
	failure   error         // of the exchange, or of reading the answer
}

// release wipes all that is locked but the key of a good answer, which it returns.
func (x *exchange) release(err error) (secret *keymem.Buffer) {
	if err == nil {
		secret, x.secret = x.secret, nil
	}
	for _, b := range []*keymem.Buffer{x.body, x.answer, x.secret} {
		destroy(b)
	}
	x.body, x.answer, x.secret = nil, nil, nil
	return secret
}

func destroy(b *keymem.Buffer) {
	if b != nil {
		b.Destroy()
	}
}

type exchangeKey struct{}

func withExchange(ctx context.Context, x *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}
