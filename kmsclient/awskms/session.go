package awskms

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"github.com/envseal/envseal/kmsclient"
)

// session is the loaded configuration and the SDK clients made from it.
type session struct {
	cfg    Config
	aws    aws.Config
	region string // of calls that name no ARN; may be empty
	wire   *wire
	creds  *credentials // nil where requests are not signed

	mu      sync.Mutex
	clients map[string]*kms.Client // by Region
}

// loader loads a session once. turn holds one token: a caller that waits for another's load can
// still be cancelled.
type loader struct {
	cfg    Config
	turn   chan struct{}
	loaded *session
	proved bool
	failed error
	// failed holds until then: a tree of files must not wait for missing credentials at each file
	until time.Time
}

const failureHolds = 5 * time.Second

// configuration loads the session without looking for credentials. Region is where role credentials
// are asked for if nothing else says a Region.
func (l *loader) configuration(ctx context.Context, region string) (*session, error) {
	return l.alone(ctx, func() (*session, error) { return l.load(ctx, region) })
}

// session gives the session with its credentials retrieved once.
func (l *loader) session(ctx context.Context, region string) (*session, error) {
	return l.alone(ctx, func() (*session, error) {
		if l.failed != nil && time.Now().Before(l.until) {
			return nil, l.failed
		}
		s, err := l.load(ctx, region)
		if err == nil && s.creds != nil && !l.proved {
			err = s.creds.prove(ctx)
		}
		if err != nil {
			if ctx.Err() == nil {
				l.failed, l.until = err, time.Now().Add(failureHolds)
			}
			return nil, err
		}
		l.failed, l.proved = nil, true
		return s, nil
	})
}

// alone lets one caller after the other load.
func (l *loader) alone(ctx context.Context, load func() (*session, error)) (*session, error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
		return load()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// load loads the session, and once more if it was loaded without a Region to lend to STS and now
// there is one.
func (l *loader) load(ctx context.Context, region string) (*session, error) {
	cfg := l.cfg
	if l.loaded != nil {
		if l.loaded.aws.Region != "" || !canLend(region) {
			return l.loaded, nil
		}
		cfg.Warn = nil // it was warned the first time
	}
	s, err := newSession(ctx, cfg, region)
	if err != nil {
		return nil, err
	}
	l.loaded, l.proved = s, false
	return s, nil
}

// canLend tells whether STS can be asked in the Region of a key.
func canLend(region string) bool { return region != "" && region != kmsclient.LocalRegion }

func newSession(ctx context.Context, cfg Config, region string) (*session, error) {
	code := &mfa{ask: cfg.MFAToken}
	opts, err := loadOptions(cfg, region, code)
	if err != nil {
		return nil, err
	}
	loaded, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, explainLoad(ctx, err)
	}
	s := &session{cfg: cfg, aws: loaded, clients: map[string]*kms.Client{}}
	s.region = chosenRegion(cfg, loaded)
	s.wire = newWire(cfg, loaded)
	if cfg.NoVerifySSL {
		cfg.warn("certificates are not verified (--no-verify-ssl): anyone on the way can read and change what is sent, data keys included")
	}
	if cfg.NoSignRequest {
		s.aws.Credentials = nil
		return s, nil
	}
	if cfg.RoleARN != "" {
		s.aws.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(
			sts.NewFromConfig(loaded), cfg.RoleARN, func(o *stscreds.AssumeRoleOptions) {
				o.RoleSessionName = "envseal"
			}))
	}
	s.creds = newCredentials(cfg, &s.aws, code)
	s.aws.Credentials = s.creds
	return s, nil
}

func loadOptions(cfg Config, region string, code *mfa) ([]func(*config.LoadOptions) error, error) {
	// What the SDK has to say is in the errors; its own lines would come unasked, and to stderr.
	opts := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{})}
	if cfg.Profile != "" {
		opts = append(opts, config.WithSharedConfigProfile(cfg.Profile))
	}
	if cfg.Region != "" {
		opts = append(opts, config.WithRegion(cfg.Region))
	}
	if canLend(region) {
		opts = append(opts, config.WithDefaultRegion(region))
	}
	if cfg.UseFIPS {
		opts = append(opts, config.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled))
	}
	if cfg.CABundle != "" {
		pem, err := os.ReadFile(cfg.CABundle)
		if err != nil {
			return nil, &kmsclient.Error{Op: "configuration", Kind: kmsclient.ErrInvalidRequest,
				Message: "CA bundle: " + err.Error(), Err: err}
		}
		opts = append(opts, config.WithCustomCABundle(bytes.NewReader(pem)))
	}
	if cfg.NoVerifySSL {
		// A BuildableClient and not any other: with one of those LoadDefaultConfig cannot apply
		// AWS_CA_BUNDLE, and fails.
		opts = append(opts,
			config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
				if t.TLSClientConfig == nil {
					t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
				}
				t.TLSClientConfig.InsecureSkipVerify = true
			})))
	}
	opts = append(opts, config.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
		o.TokenProvider = code.token
	}))
	return opts, nil
}

// chosenRegion leaves out the Region that was only lent to STS.
func chosenRegion(cfg Config, loaded aws.Config) string {
	env, shared := sources(loaded)
	return cmp.Or(cfg.Region, env.Region, shared.Region)
}

// sources finds what the environment and the profile said.
func sources(loaded aws.Config) (env config.EnvConfig, shared config.SharedConfig) {
	for _, source := range loaded.ConfigSources {
		switch v := source.(type) {
		case config.EnvConfig:
			env = v
		case config.SharedConfig:
			shared = v
		}
	}
	return env, shared
}

// client gives the SDK client of a Region.
func (s *session) client(region string) (*kms.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if client := s.clients[region]; client != nil {
		return client, nil
	}
	client := kms.NewFromConfig(s.aws, func(o *kms.Options) {
		o.Region = region
		if s.cfg.EndpointURL != "" {
			o.BaseEndpoint = aws.String(s.cfg.EndpointURL)
		}
		o.HTTPClient = s.wire
		o.Protocol = protocol{o.Protocol}
		// The attempts are run's business, see retry.go.
		o.Retryer, o.RetryMaxAttempts = aws.NopRetryer{}, 0
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Build.Add(payloadHash{}, middleware.After)
		})
	})
	if err := s.checkEndpoint(client.Options(), region); err != nil {
		return nil, err
	}
	s.clients[region] = client
	return client, nil
}

func (s *session) checkEndpoint(o kms.Options, region string) error {
	refuse := func(format string, args ...any) error {
		return &kmsclient.Error{Kind: kmsclient.ErrInvalidRequest, Message: fmt.Sprintf(format, args...)}
	}
	if o.BaseEndpoint == nil {
		if region == kmsclient.LocalRegion {
			return refuse("the Region %q is that of an embedded keystore, and no endpoint is set: set ENVSEAL_KEYSTORE to the keystore that holds the key, or AWS_ENDPOINT_URL_KMS (--endpoint-url) to where it is served", region)
		}
		return nil
	}
	u, err := url.Parse(*o.BaseEndpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return refuse("endpoint %q is not a URL of the form https://HOST[:PORT]", redact(*o.BaseEndpoint))
	}
	if o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled {
		return refuse("a FIPS endpoint and the endpoint %s cannot be had together: drop one of the two",
			u.Redacted())
	}
	return s.wire.allow(u)
}

// redact takes away what may be a password in something that is no URL.
func redact(s string) string {
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		return "..." + s[at:]
	}
	return s
}

func (s *session) endpoint(ctx context.Context, region string) (string, error) {
	client, err := s.client(region)
	if err != nil {
		return "", err
	}
	o := client.Options()
	if o.BaseEndpoint != nil {
		return *o.BaseEndpoint, nil
	}
	if region == "" {
		return "", errNoRegion()
	}
	fips := o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled
	dual := o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled
	resolved, err := o.EndpointResolverV2.ResolveEndpoint(ctx,
		kms.EndpointParameters{Region: &region, UseFIPS: &fips, UseDualStack: &dual})
	if err != nil {
		return "", &kmsclient.Error{Kind: kmsclient.ErrInvalidRequest,
			Message: "no endpoint for the Region " + region, Err: err}
	}
	return resolved.URI.String(), nil
}

func errNoRegion() error {
	return &kmsclient.Error{Kind: kmsclient.ErrInvalidRequest,
		Message: "no Region: name the key by its ARN, or set --region, AWS_REGION, or region in the profile"}
}

// named puts the operation and the key into an error of this package, and makes one of any other.
func named(err error, op, keyID string) error {
	whole := kmsclient.Error{Err: err}
	if e, ok := errors.AsType[*kmsclient.Error](err); ok {
		whole = *e
	} else if errors.Is(err, context.DeadlineExceeded) {
		whole.Kind = kmsclient.ErrUnavailable
	}
	whole.Op, whole.KeyID = op, keyID
	return &whole
}
