package awskms

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"github.com/envseal/envseal/kmsclient"
)

const (
	defaultAttempts = 5
	// of a service that takes the request and never answers: each costs a whole ReadTimeout
	silentAttempts = 2
	firstBackoff   = 500 * time.Millisecond

	// A signature is good for 5 minutes either way (AWS General Reference, SigV4). The SDK corrects
	// the clock from 4 on.
	skewThatMatters = 4 * time.Minute
)

// again decides whether the failed attempt is worth another one, and after which wait. The SDK's
// retryer is not asked: it repeats certificate failures, spends a minute and a half on a black
// hole, and does not know that the second CreateKey makes a second key.
func (cl *call) again(ctx context.Context, x *exchange,
	failure *kmsclient.Error) (time.Duration, bool) {
	switch {
	case !x.begun || x.attempt >= cl.mostAttempts():
		return 0, false
	case !cl.attempts.skewed && skewRefused(x, failure):
		// the SDK's client has noted the difference and signs the next request with it
		cl.attempts.skewed = true
		return 0, true
	case !cl.attempts.renewed && isExpired(failure.Code):
		cl.attempts.renewed = true
		return 0, cl.s.creds != nil && cl.s.creds.renewed(ctx, x.signer)
	case errors.Is(failure, kmsclient.ErrThrottled):
		return cl.backoff(x.attempt), true
	case !errors.Is(failure, kmsclient.ErrUnavailable) || isFinal(x.failure):
		return 0, false
	case doubles[cl.op] && x.sent:
		return 0, false
	}
	if isSilent(x.failure) {
		if cl.attempts.silent++; cl.attempts.silent >= silentAttempts {
			return 0, false
		}
	}
	return cl.backoff(x.attempt), true
}

// doubles are the operations that do it twice when they are done twice, two keys or two rotations:
// an attempt that may have arrived is not repeated.
var doubles = map[string]bool{"CreateKey": true, "RotateKeyOnDemand": true}

func (cl *call) mostAttempts() int {
	return cmp.Or(max(cl.s.cfg.MaxAttempts, 0), max(cl.s.aws.RetryMaxAttempts, 0), defaultAttempts)
}

// backoff is exponential with full jitter: all of it random, so that many processes that were
// throttled together do not come back together.
func (cl *call) backoff(attempt int) time.Duration {
	return rand.N(min(cl.s.cfg.maxBackoff(), firstBackoff<<min(attempt-1, 10))) + time.Millisecond
}

// skewRefused tells whether the request was refused, by its looks, because this machine's clock is
// wrong.
func skewRefused(x *exchange, failure *kmsclient.Error) bool {
	return x.skew.Abs() >= skewThatMatters && slices.Contains(skewCodes, failure.Code)
}

var skewCodes = []string{"InvalidSignatureException", "SignatureDoesNotMatch",
	"RequestTimeTooSkewed", "RequestExpired", "AuthFailure"}

func isExpired(code string) bool {
	return code == "ExpiredTokenException" || code == "ExpiredToken"
}

// timeoutError is an exchange that took too long.
type timeoutError struct {
	doing  string // connecting to, TLS handshake with, ...
	silent bool   // nothing at all comes back, so that more attempts only cost time
}

func (e *timeoutError) Error() string { return "timeout while " + e.doing }
func (e *timeoutError) Timeout() bool { return true }

func isSilent(err error) bool {
	t, ok := errors.AsType[*timeoutError](err)
	return ok && t.silent
}

// is tells whether there is an error of the type E in the tree of err.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// isFinal tells whether the next attempt would fail just the same: certificates, and what is not
// TLS or not HTTP.
func isFinal(err error) bool {
	return is[tls.RecordHeaderError](err) || is[*tls.CertificateVerificationError](err) ||
		is[x509.UnknownAuthorityError](err) || is[x509.CertificateInvalidError](err) ||
		is[x509.HostnameError](err) || is[*permanentError](err) || isAlert(err)
}

// isAlert tells whether the other side ended TLS with an alert (RFC 8446, section 6.2): it wants
// another version, another name or a certificate of ours. Its own failure, internal_error, may
// pass. crypto/tls does not export the type of the alerts that it received.
func isAlert(err error) bool {
	const internalError = tls.AlertError(80)
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error" && op.Err.Error() != internalError.Error()
}

// permanentError is a failure of this machine's set-up, such as a proxy that refuses.
type permanentError struct{ reason string }

func (e *permanentError) Error() string { return e.reason }
