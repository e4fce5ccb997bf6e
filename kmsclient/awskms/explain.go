package awskms

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/envseal/envseal/kmsclient"
)

// explain says why there are no credentials, and what to do. The SDK's own words name files of its
// cache and try numbers; and those of a credential_process may quote what the program printed,
// secret key included, so that no word of them is passed on.
func (c *credentials) explain(ctx context.Context, err error) error {
	if own, ok := errors.AsType[*kmsclient.Error](err); ok {
		return own
	}
	slow := errors.Is(context.Cause(ctx), errSlow)
	if ctx.Err() != nil && !slow {
		return ctx.Err()
	}
	return &kmsclient.Error{Kind: kmsclient.ErrCredentials,
		Message: c.why(err, slow), Err: hidden{err}}
}

func (c *credentials) why(err error, slow bool) string {
	_, process := errors.AsType[*processcreds.ProviderError](err)
	origin, login := c.origin()
	switch {
	case errors.Is(err, errNoTerminal):
		return fmt.Sprintf("profile %s: %v", c.profile, errNoTerminal)
	case c.onlyMetadata():
		return c.lookedFor()
	case process || c.from(aws.CredentialSourceProcess) && !fromService(err, "STS"):
		return fmt.Sprintf("the credential_process of the profile %s failed: run it by hand to see why",
			c.profile)
	case slow:
		return fmt.Sprintf("%s gave no credentials within %v", origin, somethingToAsk)
	case fromService(err, "STS") && c.role != "":
		return fmt.Sprintf("cannot assume the role %s: %s", c.role, cause(err))
	case c.from(aws.CredentialSourceSSO, aws.CredentialSourceSSOLegacy):
		return fmt.Sprintf("the SSO session of the profile %s is missing or has expired: %s",
			c.profile, login)
	case c.from(aws.CredentialSourceLogin):
		return fmt.Sprintf("the login session of the profile %s is missing or has expired: %s",
			c.profile, login)
	}
	return fmt.Sprintf("no credentials from %s: %s", origin, cause(err))
}

// lookedFor lists what was tried where nothing is configured.
func (c *credentials) lookedFor() string {
	metadata := fmt.Sprintf("the instance metadata (no answer within %v)", metadataTimeout)
	if strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true") {
		metadata = "the instance metadata (AWS_EC2_METADATA_DISABLED is set)"
	}
	return "no AWS credentials: looked for AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment; for keys, SSO, a role, " +
		"a web identity or a credential_process in the profile " + c.profile + " of " +
		strings.Join(sharedFiles(), " and ") +
		"; for AWS_WEB_IDENTITY_TOKEN_FILE; for a container's AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI; and for " + metadata +
		". Run `aws configure` or `aws sso login`, set AWS_PROFILE, or set the two variables"
}

// sharedFiles are the shared config files, as the SDK finds them.
func sharedFiles() []string {
	return []string{
		cmp.Or(os.Getenv("AWS_CONFIG_FILE"), config.DefaultSharedConfigFilename()),
		cmp.Or(os.Getenv("AWS_SHARED_CREDENTIALS_FILE"), config.DefaultSharedCredentialsFilename()),
	}
}

// explainLoad says why the configuration cannot be loaded.
func explainLoad(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e := &kmsclient.Error{Op: "configuration", Kind: kmsclient.ErrCredentials, Err: hidden{err},
		Message: "AWS configuration: " + oneLine(err.Error())}
	missing, noProfile := errors.AsType[config.SharedConfigProfileNotExistError](err)
	switch {
	case noProfile:
		e.Message = fmt.Sprintf(
			"profile %q is neither in %s: `aws configure list-profiles` shows those that are",
			missing.Profile, strings.Join(sharedFiles(), " nor in "))
	case strings.Contains(err.Error(), "CA bundle"):
		e.Kind = kmsclient.ErrInvalidRequest
		e.Message =
			"the CA bundle (--ca-bundle, AWS_CA_BUNDLE or ca_bundle in the profile) holds no PEM certificate"
	}
	return e
}

// fromService tells whether a call to this AWS service failed.
func fromService(err error, service string) bool {
	op, ok := errors.AsType[*smithy.OperationError](err)
	return ok && op.ServiceID == service
}

// cause is the innermost thing worth reading in an error of the SDK.
func cause(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return oneLine(api.ErrorCode() + ": " + api.ErrorMessage())
	}
	if send, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
		err = send.Err
	} else if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		err = op.Err
	}
	return oneLine(err.Error())
}

// hidden keeps an error of the SDK in reach of errors.As and prints none of it: what it would print
// is not ours to vouch for.
type hidden struct{ err error }

func (h hidden) Error() string                { return "refused by the AWS SDK or the service" }
func (h hidden) Unwrap() error                { return h.err }
func (h hidden) Format(s fmt.State, _ rune)   { _, _ = s.Write([]byte(h.Error())) }
func (h hidden) MarshalText() ([]byte, error) { return []byte(h.Error()), nil }

// longest is the most of a foreign message that is passed on.
const longest = 1024

// oneLine makes the words of others safe for a terminal and a log: one line, no control characters,
// not endless.
func oneLine(s string) string {
	if len(s) > longest {
		s = s[:longest] + "..."
	}
	s = strings.ToValidUTF8(s, "?")
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u2028' || r == '\u2029'
	}), " ")
}
