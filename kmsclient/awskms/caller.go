package awskms

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/envseal/envseal/kmsclient"
)

// Caller is who the credentials belong to.
type Caller struct{ Account, ARN, UserID string }

// CallerIdentity asks STS, not KMS, who the caller is (sts:GetCallerIdentity, which needs no
// permission). Where KMS is an emulator on loopback, the question goes to the emulator too. Region
// is where it is asked if neither Config, the environment nor the profile names a Region; it may be
// empty. It is one attempt, of 15 s by default.
func (c *Client) CallerIdentity(ctx context.Context, region string) (*Caller, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.connectTimeout()+c.cfg.readTimeout())
	defer cancel()
	const op = "GetCallerIdentity"
	s, err := c.loader.session(ctx, region)
	if err != nil {
		return nil, named(err, op, "")
	}
	if region = cmp.Or(s.region, region); region == "" {
		return nil, named(errNoRegion(), op, "")
	}
	endpoint, err := s.endpoint(ctx, region)
	if err != nil {
		return nil, named(err, op, "")
	}
	out, err := sts.NewFromConfig(s.aws, func(o *sts.Options) {
		o.Region, o.Retryer = region, aws.NopRetryer{}
		u, err := url.Parse(endpoint)
		if err == nil && o.BaseEndpoint == nil && isLoopback(u.Hostname()) {
			o.BaseEndpoint = &endpoint
		}
	}).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		c.noteDateOf(err)
		return nil, named(translateSTS(err), op, "")
	}
	if ahead, ok := awsmiddleware.GetAttemptSkew(out.ResultMetadata); ok {
		c.skew.Store(&ahead)
	}
	if aws.ToString(out.Arn) == "" || aws.ToString(out.Account) == "" {
		return nil, &kmsclient.Error{Op: op, Kind: kmsclient.ErrBadAnswer,
			Message: kmsclient.ErrBadAnswer.Error() + ": no ARN or no account in it"}
	}
	return &Caller{Account: *out.Account, ARN: *out.Arn, UserID: aws.ToString(out.UserId)}, nil
}

// ClockSkew is how far the clock of KMS or STS was ahead of this machine's in their last answer, to
// about a second; negative where it was behind. known is false as long as none has answered.
// Requests are refused where it is five minutes or more.
func (c *Client) ClockSkew() (ahead time.Duration, known bool) {
	if d := c.skew.Load(); d != nil {
		return *d, true
	}
	return 0, false
}

// noteDate keeps the difference to the Date header of an answer, if it has one.
func (c *Client) noteDate(date string) (ahead time.Duration) {
	t, err := http.ParseTime(date)
	if err != nil {
		return 0
	}
	ahead = time.Until(t)
	c.skew.Store(&ahead)
	return ahead
}

// noteDateOf is noteDate for a refusal of STS.
func (c *Client) noteDateOf(err error) {
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok && answer.HTTPResponse() != nil {
		c.noteDate(answer.HTTPResponse().Header.Get("Date"))
	}
}
