// Package awskms is AWS KMS, or whatever speaks its protocol at an endpoint, as a
// [kmsclient.Service].
//
// It stands on aws-sdk-go-v2 for what the SDK is good at (configuration, credentials, signing,
// endpoints, the shapes of requests and answers) and does itself what the SDK leaves open:
//
//   - Keys leave no copies. The HTTP exchange (wire.go) and the (de)serialisation of plaintext keys
//     (protocol.go) run in locked memory, and every buffer of net, crypto/tls and bufio that held a
//     piece of an answer is zeroed when the connection is closed.
//   - Every answer is checked (check.go): the SDK takes an empty 200 for success.
//   - Time is bounded: connecting, an attempt, a whole call, and the search for credentials.
//   - Attempts are counted by what went wrong (retry.go): a service that says "slow down" gets
//     five, one that never answers two.
//   - The Region comes from the ARN of the key, with one SDK client per Region.
//
// Nothing is loaded before the first call: a program that links this package and never calls KMS
// reads no AWS file.
//
// Start reading at run (call.go), through which every operation goes.
package awskms

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"github.com/envseal/envseal/kmsclient"
)

// Config says how to reach KMS. The zero value takes everything from where the AWS CLI takes it:
// environment variables, the profile in the shared config files, and the defaults.
type Config struct {
	Profile string // empty: AWS_PROFILE, or "default"
	// empty: AWS_REGION, AWS_DEFAULT_REGION, or the profile's. A Region in a key ARN comes first
	Region      string
	EndpointURL string // empty: AWS_ENDPOINT_URL_KMS, AWS_ENDPOINT_URL, or the profile's
	CABundle    string // PEM file; empty: AWS_CA_BUNDLE, the profile's, or the system's roots
	RoleARN     string // a role to assume with the credentials found

	NoVerifySSL bool // do not check certificates, and allow http to any host. Warns
	// send no signature and look for no credentials; KMS itself refuses such requests
	NoSignRequest bool
	UseFIPS       bool // endpoints with FIPS 140 validated modules

	ConnectTimeout time.Duration // DNS and TCP; 0 = 3 s
	// everything after that, to the last byte of the answer; 0 = 12 s, so an attempt has 15 s
	ReadTimeout time.Duration
	// all attempts and the waiting between them; 0 = 60 s, or one attempt where that is longer
	CallTimeout time.Duration
	// 0 = AWS_MAX_ATTEMPTS, the profile's max_attempts, or 5. Never-answering services get at most 2
	MaxAttempts int
	MaxBackoff  time.Duration // the longest wait between two attempts; 0 = 8 s

	// MFAToken asks for an MFA code, for a profile with mfa_serial. nil: there is nobody to ask, and
	// such a profile fails.
	MFAToken func() (string, error)
	// Warn takes one line on something doubtful that does not stop the call. It may be called from
	// several goroutines.
	Warn func(line string)
	// Debug takes a line for each exchange: operation, attempt, host, status, request id, time. It
	// never gets a body, a header or a key. Lines are written whole.
	Debug io.Writer
}

func (c Config) connectTimeout() time.Duration { return orElse(c.ConnectTimeout, 3*time.Second) }
func (c Config) readTimeout() time.Duration    { return orElse(c.ReadTimeout, 12*time.Second) }
func (c Config) maxBackoff() time.Duration     { return orElse(c.MaxBackoff, 8*time.Second) }

// tlsTimeout bounds a handshake, which needs no work of the service.
func (c Config) tlsTimeout() time.Duration { return min(5*time.Second, c.readTimeout()) }

func (c Config) callTimeout() time.Duration {
	return orElse(c.CallTimeout, max(60*time.Second, c.connectTimeout()+c.readTimeout()))
}

func (c Config) warn(line string) {
	if c.Warn != nil {
		c.Warn(line)
	}
}

func orElse(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// Client is a [kmsclient.Service] on AWS KMS. It is safe for concurrent use and needs no closing:
// it keeps no connection open.
type Client struct {
	cfg    Config
	calls  atomic.Int64
	skew   atomic.Pointer[time.Duration] // of the last answer with a date
	loader loader
}

var _ kmsclient.Service = (*Client)(nil)

// New makes a Client. It reads nothing and connects to nothing; what is wrong with cfg shows at the
// first call.
func New(cfg Config) *Client {
	return &Client{cfg: cfg, loader: loader{cfg: cfg, turn: make(chan struct{}, 1)}}
}

// Calls is how many KMS operations were called so far. Attempts of one operation count once, pages
// of a list each.
func (c *Client) Calls() int { return int(c.calls.Load()) }

// Region is the Region of calls that name no key by ARN: from Config, the environment or the
// profile, empty where none says.
func (c *Client) Region(ctx context.Context) (string, error) {
	s, err := c.loader.configuration(ctx, "")
	if err != nil {
		return "", err
	}
	return s.region, nil
}

// Endpoint is the URL that calls in region go to.
func (c *Client) Endpoint(ctx context.Context, region string) (string, error) {
	s, err := c.loader.configuration(ctx, region)
	if err != nil {
		return "", err
	}
	endpoint, err := s.endpoint(ctx, region)
	if err != nil {
		return "", named(err, "endpoint", "")
	}
	return endpoint, nil
}
