package awskms

import (
	"cmp"
	"context"
	"crypto/fips140"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/envseal/envseal/kmsclient"
)

// How long the first search for credentials may take. Where nothing is configured only the instance
// metadata are left to ask, and the SDK's own defaults would take 8 to 13 s to find out that this
// is no EC2 instance. A configured source (a role, SSO, a program) has a network or a person to
// wait for.
const (
	metadataTimeout   = 250 * time.Millisecond
	nothingConfigured = 1500 * time.Millisecond
	somethingToAsk    = 10 * time.Second
)

// credentials is the SDK's provider with errors that say what to do. It is safe for concurrent use.
type credentials struct {
	inner   aws.CredentialsProvider
	sources []aws.CredentialSource
	profile string
	role    string // that the profile or Config names
	mfa     *mfa
}

func newCredentials(cfg Config, loaded *aws.Config, code *mfa) *credentials {
	env, shared := sources(*loaded)
	c := &credentials{inner: loaded.Credentials, profile: cmp.Or(shared.Profile, "default"),
		role: cmp.Or(cfg.RoleARN, shared.RoleARN), mfa: code}
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

// quickMetadata is an EC2 metadata client that tries once. The metadata never lie behind a proxy.
func quickMetadata(loaded aws.Config) *imds.Client {
	return imds.NewFromConfig(loaded, func(o *imds.Options) {
		o.Retryer = aws.NopRetryer{}
		o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(metadataTimeout).
			WithTransportOptions(func(t *http.Transport) { t.Proxy = nil })
	})
}

// onlyMetadata tells whether nothing is configured, so that the chain ends at the instance
// metadata.
func (c *credentials) onlyMetadata() bool {
	return len(c.sources) == 1 && c.sources[0] == aws.CredentialSourceIMDS
}

func (c *credentials) from(any ...aws.CredentialSource) bool {
	return slices.ContainsFunc(c.sources,
		func(s aws.CredentialSource) bool { return slices.Contains(any, s) })
}

// Retrieve implements aws.CredentialsProvider. Its errors are of kmsclient, of the kind
// ErrCredentials.
func (c *credentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	creds, err := c.inner.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, c.explain(ctx, err)
	}
	if fips140.Enforced() && len(creds.SecretAccessKey) < minStrictSecret {
		origin, _ := c.origin()
		return aws.Credentials{}, &kmsclient.Error{Kind: kmsclient.ErrCredentials,
			Message: "the secret access key from " + origin +
				" is too short to sign with under GODEBUG=fips140=only"}
	}
	if x := exchangeOf(ctx); x != nil {
		x.signer = creds
	}
	return creds, nil
}

// minStrictSecret is the least number of characters in a secret access key for
// GODEBUG=fips140=only: with "AWS4" before it, it makes an HMAC key, and crypto/hmac panics there
// on keys of less than 112 bits. AWS's own have 40 characters; made-up ones for emulators may have
// any number.
const minStrictSecret = 10

// ProviderSources implements aws.CredentialProviderSource.
func (c *credentials) ProviderSources() []aws.CredentialSource { return c.sources }

// errSlow is the cause of a search that took too long.
var errSlow = errors.New("no answer in time")

// prove retrieves the credentials once, in bounded time. Time in which a person types an MFA code
// does not count.
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

// renewed tells whether there are others than the credentials that have expired. If another call
// has not got them yet, it drops those in the cache and gets them again.
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

// origins say in words where credentials come from, and how to get new ones. %s is the profile.
var origins = []struct {
	sources     []aws.CredentialSource
	name, renew string
}{
	{[]aws.CredentialSource{aws.CredentialSourceSSO, aws.CredentialSourceSSOLegacy},
		"the SSO session of the profile %s", "run `aws sso login --profile %s`"},
	{[]aws.CredentialSource{aws.CredentialSourceLogin},
		"the `aws login` session of the profile %s", "run `aws login --profile %s`"},
	{[]aws.CredentialSource{aws.CredentialSourceProcess},
		"the credential_process of the profile %s", ""},
	{[]aws.CredentialSource{aws.CredentialSourceEnvVarsSTSWebIDToken,
		aws.CredentialSourceProfileSTSWebIDToken}, "a web identity token", ""},
	{[]aws.CredentialSource{aws.CredentialSourceEnvVars}, "the environment (AWS_ACCESS_KEY_ID)",
		"set new AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"},
	{[]aws.CredentialSource{aws.CredentialSourceHTTP}, "the container's credential endpoint", ""},
	{[]aws.CredentialSource{aws.CredentialSourceIMDS}, "the instance metadata", ""},
}

// origin says in words where the credentials come from, and how to get new ones.
func (c *credentials) origin() (name, renew string) {
	name = "the profile %s"
	for _, o := range origins {
		if c.from(o.sources...) {
			name, renew = o.name, o.renew
			break
		}
	}
	fill := strings.NewReplacer("%s", c.profile)
	return fill.Replace(name), fill.Replace(cmp.Or(renew, "log in again"))
}
