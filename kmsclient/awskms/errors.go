package awskms

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/envseal/envseal/kmsclient"
)

// kinds are further exceptions than those of kmsclient's table: rarer ones of KMS, those of the
// signature check before it, and of STS. KMS sends most of them as codes without a type of their
// own, so that the code is what to go by (KMS API Reference, Common Errors and the operations).
var kinds = map[string]error{
	"ConflictException": kmsclient.ErrInvalidState,

	"AccessDenied":  kmsclient.ErrAccessDenied,
	"NotAuthorized": kmsclient.ErrAccessDenied,
	"OptInRequired": kmsclient.ErrAccessDenied,

	"ExpiredTokenException":               kmsclient.ErrCredentials,
	"ExpiredToken":                        kmsclient.ErrCredentials,
	"InvalidClientTokenId":                kmsclient.ErrCredentials,
	"InvalidAccessKeyId":                  kmsclient.ErrCredentials,
	"AuthFailure":                         kmsclient.ErrCredentials,
	"InvalidSignatureException":           kmsclient.ErrCredentials,
	"SignatureDoesNotMatch":               kmsclient.ErrCredentials,
	"IncompleteSignature":                 kmsclient.ErrCredentials,
	"IncompleteSignatureException":        kmsclient.ErrCredentials,
	"MissingAuthenticationToken":          kmsclient.ErrCredentials,
	"MissingAuthenticationTokenException": kmsclient.ErrCredentials,
	"RequestExpired":                      kmsclient.ErrCredentials,
	"RequestTimeTooSkewed":                kmsclient.ErrCredentials,

	"Throttling":               kmsclient.ErrThrottled,
	"ThrottledException":       kmsclient.ErrThrottled,
	"RequestThrottled":         kmsclient.ErrThrottled,
	"TooManyRequestsException": kmsclient.ErrThrottled,
	"RequestLimitExceeded":     kmsclient.ErrThrottled,
	"SlowDown":                 kmsclient.ErrThrottled,

	"KMSInternalException":    kmsclient.ErrUnavailable,
	"KeyUnavailableException": kmsclient.ErrUnavailable,
	"ServiceUnavailable":      kmsclient.ErrUnavailable,
	"InternalFailure":         kmsclient.ErrUnavailable,
	"InternalError":           kmsclient.ErrUnavailable,
	"RequestTimeout":          kmsclient.ErrUnavailable,
	"RequestTimeoutException": kmsclient.ErrUnavailable,
}

// kindOf tells the kind of an answer by its code, and where that says nothing by its status.
func kindOf(code string, status int) error {
	kind := cmp.Or(kinds[code], kmsclient.KindOf(code))
	switch {
	case kind != nil:
		return kind
	case status == http.StatusTooManyRequests:
		return kmsclient.ErrThrottled
	case status >= 500:
		return kmsclient.ErrUnavailable
	}
	return kmsclient.ErrInvalidRequest
}

// translate says what went wrong in an attempt.
func (cl *call) translate(x *exchange, err error) *kmsclient.Error {
	e := &kmsclient.Error{Op: cl.op, KeyID: cl.asked, RequestID: x.requestID, Err: hidden{err}}
	var (
		own *kmsclient.Error
		api smithy.APIError
		bad *badAnswer
	)
	switch {
	case errors.As(err, &own):
		e.Kind, e.Code, e.Message = own.Kind, own.Code, own.Message
	case x.failure != nil && errors.As(x.failure, &bad), errors.As(err, &bad):
		e.Kind, e.Message = kmsclient.ErrBadAnswer, kmsclient.ErrBadAnswer.Error()+": "+bad.reason
	case x.failure != nil:
		e.Kind, e.Message = kmsclient.ErrUnavailable, oneLine(x.failure.Error())
	case x.location != "" || x.status/100 == 3:
		e.Kind = kmsclient.ErrBadAnswer
		e.Message = fmt.Sprintf("%v: HTTP %d, a redirect to %q, which is not followed",
			kmsclient.ErrBadAnswer, x.status, oneLine(x.location))
	case errors.As(err, &api) && x.status/100 != 2:
		cl.translateAPI(e, x, api)
	case x.begun:
		cl.translateStatus(e, x)
	default:
		e.Kind, e.Message = kmsclient.ErrInvalidRequest, "the request cannot be made: "+cause(err)
	}
	return e
}

// translateAPI takes over an exception of the service.
func (cl *call) translateAPI(e *kmsclient.Error, x *exchange, api smithy.APIError) {
	e.Code, e.Message = oneLine(api.ErrorCode()), oneLine(api.ErrorMessage())
	if e.Code == unknownCode {
		cl.translateStatus(e, x)
		return
	}
	e.Kind = kindOf(e.Code, x.status)
	if e.Message == "" || e.Message == e.Code || e.Message == unknownCode {
		e.Message = e.Kind.Error()
	}
	switch {
	case isExpired(e.Code) && cl.s.creds != nil:
		origin, login := cl.s.creds.origin()
		e.Message += fmt.Sprintf(": the credentials from %s have expired: %s", origin, login)
	case skewRefused(x, e):
		e.Message += fmt.Sprintf(": %s: set the clock", inWords(x.skew))
	}
}

// unknownCode is what the SDK makes of a refusal without a code.
const unknownCode = "UnknownError"

// translateStatus is for answers that are none of KMS's: a proxy's page, say.
func (cl *call) translateStatus(e *kmsclient.Error, x *exchange) {
	e.Code = ""
	switch {
	case x.status/100 == 2:
		e.Kind, e.Message = kmsclient.ErrBadAnswer,
			kmsclient.ErrBadAnswer.Error()+": it is not the JSON of KMS"
	case x.status >= 500 || x.status == http.StatusTooManyRequests ||
		x.status == http.StatusRequestTimeout:
		e.Kind = kmsclient.ErrUnavailable
		if x.status == http.StatusTooManyRequests {
			e.Kind = kmsclient.ErrThrottled
		}
		e.Message = fmt.Sprintf("%v: HTTP %d %s", e.Kind, x.status, http.StatusText(x.status))
	default:
		e.Kind = kmsclient.ErrBadAnswer
		e.Message = fmt.Sprintf("%v: HTTP %d %s without an exception of KMS: is this the right endpoint?",
			kmsclient.ErrBadAnswer, x.status, http.StatusText(x.status))
	}
}

// inWords says which clock is late.
func inWords(skew time.Duration) string {
	by := skew.Abs().Round(time.Second)
	if skew > 0 {
		return fmt.Sprintf("this machine's clock is %v behind the service's", by)
	}
	return fmt.Sprintf("this machine's clock is %v ahead of the service's", by)
}

// translateSTS is translate for the one operation that is not KMS's.
func translateSTS(err error) error {
	if own, ok := errors.AsType[*kmsclient.Error](err); ok {
		return own
	}
	e := &kmsclient.Error{Kind: kmsclient.ErrUnavailable,
		Message: "cannot ask STS: " + cause(err), Err: hidden{err}}
	status := 0
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		status, e.RequestID = answer.HTTPStatusCode(), oneLine(answer.ServiceRequestID())
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		e.Code, e.Message = oneLine(api.ErrorCode()), oneLine(api.ErrorMessage())
		e.Kind = kindOf(e.Code, status)
	}
	return e
}
