package awskms

import (
	"context"
	"crypto/fips140"
	"errors"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/envseal/envseal/kmsclient"
)

// How long the first search for credentials may take. If nothing is configured, only the instance
// metadata can be asked, and the SDK's defaults take 8 to 13 s to find out that this is no EC2
// instance. A configured source (a role, SSO, a program) waits for a network or a person.
const (
	metadataTimeout   = 250 * time.Millisecond
	nothingConfigured = 1500 * time.Millisecond
	somethingToAsk    = 10 * time.Second
)

// credentials is the SDK's provider with errors that say what to do. It is safe for concurrent use.
type credentials struct {
	cfg     Config
	inner   aws.CredentialsProvider
	sources []aws.CredentialSource
	profile string
	role    string // that the profile or Config names
	mfa     *mfa
}

func newCredentials(cfg Config, loaded *aws.Config, code *mfa) *credentials {
	env, shared := sources(*loaded)
	c := &credentials{cfg: cfg, inner: loaded.Credentials, profile: shared.Profile,
		role: shared.RoleARN, mfa: code}
	if c.profile == "" {
		c.profile = "default"
	}
	if cfg.RoleARN != "" {
		c.role = cfg.RoleARN
	}
	if s, ok := c.inner.(aws.CredentialProviderSource); ok {
		c.sources = s.ProviderSources()
	}
	if c.onlyMetadata() {
		c.inner = aws.NewCredentialsCache(ec2rolecreds.New(func(o *ec2rolecreds.Options) {
			o.Client = quickMetadata(*loaded)
			o.CredentialSources = c.sources
		}))
	}
	if !env.Credentials.HasKeys() {
		warnHalfKey(cfg)
	}
	return c
}

// warnHalfKey: the SDK ignores half a key pair in silence and goes on to other credentials, which
// may be somebody else's.
func warnHalfKey(cfg Config) {
	id := os.Getenv("AWS_ACCESS_KEY_ID") != "" || os.Getenv("AWS_ACCESS_KEY") != ""
	key := os.Getenv("AWS_SECRET_ACCESS_KEY") != "" || os.Getenv("AWS_SECRET_KEY") != ""
	switch {
	case id && !key:
		cfg.warn("AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY and is ignored")
	case key && !id:
		cfg.warn("AWS_SECRET_ACCESS_KEY is set without AWS_ACCESS_KEY_ID and is ignored")
	}
}

// quickMetadata is an EC2 metadata client that tries once. Metadata are never behind a proxy.
func quickMetadata(loaded aws.Config) *imds.Client {
	return imds.NewFromConfig(loaded, func(o *imds.Options) {
		o.Retryer = aws.NopRetryer{}
		o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(metadataTimeout).
			WithTransportOptions(func(t *http.Transport) { t.Proxy = nil })
	})
}

// onlyMetadata tells whether nothing is configured, so that only the instance metadata are left.
func (c *credentials) onlyMetadata() bool {
	return len(c.sources) == 1 && c.sources[0] == aws.CredentialSourceIMDS
}

func (c *credentials) from(any ...aws.CredentialSource) bool {
	return slices.ContainsFunc(c.sources,
		func(s aws.CredentialSource) bool { return slices.Contains(any, s) })
}

// Retrieve implements aws.CredentialsProvider. Its errors are those of kmsclient, of the kind
// ErrCredentials.
func (c *credentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	creds, err := c.inner.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, c.explain(ctx, err)
	}
	if fips140.Enforced() && len(creds.SecretAccessKey) < minStrictSecret {
		return aws.Credentials{}, &kmsclient.Error{Kind: kmsclient.ErrCredentials,
			Message: "the secret access key from " + c.origin() +
				" is too short to sign with under GODEBUG=fips140=only"}
	}
	if x := exchangeOf(ctx); x != nil {
		x.signer = creds
	}
	return creds, nil
}

// minStrictSecret is the least number of characters in a secret access key under
// GODEBUG=fips140=only. With "AWS4" before it, the secret is an HMAC key, and crypto/hmac panics on
// keys of less than 112 bits. AWS's have 40 characters; made-up ones for emulators may have any
// number.
const minStrictSecret = 10

// ProviderSources implements aws.CredentialProviderSource.
func (c *credentials) ProviderSources() []aws.CredentialSource { return c.sources }

// errSlow is the cause of a search that took too long.
var errSlow = errors.New("no answer in time")

// prove retrieves the credentials once, in bounded time. The time in which a person types an MFA
// code does not count.
func (c *credentials) prove(ctx context.Context) error {
	limit := somethingToAsk
	if c.onlyMetadata() {
		limit = nothingConfigured
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := c.mfa.bound(limit, func() { cancel(errSlow) })
	defer stop()
	_, err := c.Retrieve(ctx)
	return err
}

// renewed tells whether there are other credentials than the expired ones. If no other call has got
// them yet, it drops those in the cache and gets them again.
func (c *credentials) renewed(ctx context.Context, expired aws.Credentials) bool {
	cache, ok := c.inner.(*aws.CredentialsCache)
	if !ok {
		return false
	}
	fresh, err := cache.Retrieve(ctx)
	if err == nil && sameSession(fresh, expired) {
		cache.Invalidate()
		fresh, err = cache.Retrieve(ctx)
	}
	return err == nil && !sameSession(fresh, expired)
}

func sameSession(a, b aws.Credentials) bool {
	return a.AccessKeyID == b.AccessKeyID && a.SessionToken == b.SessionToken
}

// origin says in words where the credentials come from.
func (c *credentials) origin() string {
	switch {
	case c.from(aws.CredentialSourceSSO, aws.CredentialSourceSSOLegacy):
		return "the SSO session of the profile " + c.profile
	case c.from(aws.CredentialSourceLogin):
		return "the `aws login` session of the profile " + c.profile
	case c.from(aws.CredentialSourceProcess):
		return "the credential_process of the profile " + c.profile
	case c.from(aws.CredentialSourceEnvVarsSTSWebIDToken, aws.CredentialSourceProfileSTSWebIDToken):
		return "a web identity token"
	case c.from(aws.CredentialSourceEnvVars):
		return "the environment (AWS_ACCESS_KEY_ID)"
	case c.from(aws.CredentialSourceHTTP):
		return "the container's credential endpoint"
	case c.from(aws.CredentialSourceIMDS):
		return "the instance metadata"
	}
	return "the profile " + c.profile
}

// login says how to get new ones.
func (c *credentials) login() string {
	switch {
	case c.from(aws.CredentialSourceSSO, aws.CredentialSourceSSOLegacy):
		return "run `aws sso login --profile " + c.profile + "`"
	case c.from(aws.CredentialSourceLogin):
		return "run `aws login --profile " + c.profile + "`"
	case c.from(aws.CredentialSourceEnvVars):
		return "set new AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
	}
	return "log in again"
}
