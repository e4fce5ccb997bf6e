package devserver

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/envseal/envseal/kmsclient"
)

// refusal is an answer that says no: an exception name of KMS, its words, an HTTP status.
type refusal struct {
	code    string
	message string
	status  int
}

func (r *refusal) Error() string { return r.code + ": " + r.message }

// refuse makes a refusal with the status that AWS gives to code.
func refuse(code, format string, args ...any) *refusal {
	return &refusal{code: code, message: fmt.Sprintf(format, args...), status: statusOf(code)}
}

// statusOf is 400 but for failures of the service itself (KMS API Reference, errors of each
// operation).
func statusOf(code string) int {
	switch code {
	case "KMSInternalException", "KeyUnavailableException", "InternalFailure":
		return http.StatusInternalServerError
	case "DependencyTimeoutException", "ServiceUnavailableException":
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}

// asRefusal translates an error of the Service: its Code where it has one, the name of its kind
// otherwise, KMSInternalException for the rest.
func asRefusal(err error) *refusal {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	code, message := "", err.Error()
	if e, ok := errors.AsType[*kmsclient.Error](err); ok {
		code, message = e.Code, e.Reason()
	}
	return refuse(cmp.Or(code, kmsclient.Exception(err), "KMSInternalException"), "%s", message)
}

// json is the body of an error in JSON 1.1.
func (r *refusal) json() []byte {
	b, err := json.Marshal(struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}{r.code, r.message})
	if err != nil { // two strings always marshal
		return []byte(`{"__type":"KMSInternalException"}`)
	}
	return b
}

// xml is the body of an error in the Query protocol, where STS has other names for the same things.
func (r *refusal) xml(requestID string) []byte {
	code := strings.TrimSuffix(r.code, "Exception")
	switch code {
	case "InvalidSignature":
		code = "SignatureDoesNotMatch"
	case "UnrecognizedClient":
		code = "InvalidClientTokenId"
	case "AccessDenied", "MissingAuthenticationToken", "IncompleteSignature", "Throttling":
	default:
		code = r.code
	}
	var b strings.Builder
	b.WriteString(`<ErrorResponse xmlns="` + stsNamespace + `"><Error><Type>Sender</Type><Code>` +
		code + `</Code><Message>`)
	xml.EscapeText(&b, []byte(r.message)) // a strings.Builder never fails
	b.WriteString(`</Message></Error><RequestId>` + requestID + `</RequestId></ErrorResponse>`)
	return []byte(b.String())
}
