package awskms

import (
	"context"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/envseal/envseal/kmsclient"
)

// Caller is who the credentials belong to.
type Caller struct{ Account, ARN, UserID string }

// CallerIdentity asks STS, not KMS, who the caller is (sts:GetCallerIdentity, which needs no permission). Where KMS is an
// emulator on loopback, the question goes to the emulator too.
func (c *Client) CallerIdentity(ctx context.Context) (*Caller, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.callTimeout())
	defer cancel()
	const op = "GetCallerIdentity"
	s, err := c.loader.session(ctx, c.cfg, "")
	if err != nil {
		return nil, named(err, op, "")
	}
	if s.region == "" {
		return nil, named(errNoRegion(), op, "")
	}
	endpoint, err := s.endpoint(ctx, s.region)
	if err != nil {
		return nil, named(err, op, "")
	}
	out, err := sts.NewFromConfig(s.aws, func(o *sts.Options) {
		o.Retryer = aws.NopRetryer{}
		if u, err := url.Parse(endpoint); err == nil && o.BaseEndpoint == nil && isLoopback(u.Hostname()) {
			o.BaseEndpoint = &endpoint
		}
	}).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, named(translateSTS(err), op, "")
	}
	if aws.ToString(out.Arn) == "" || aws.ToString(out.Account) == "" {
		return nil, &kmsclient.Error{Op: op, Kind: kmsclient.ErrBadAnswer, Message: kmsclient.ErrBadAnswer.Error() + ": no ARN or no account in it"}
	}
	return &Caller{Account: *out.Account, ARN: *out.Arn, UserID: aws.ToString(out.UserId)}, nil
}
