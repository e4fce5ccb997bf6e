package devserver

import (
	"net/url"

	"github.com/envseal/envseal/kmsclient"
)

// The one operation of STS that is here (AWS STS API Reference, GetCallerIdentity), in the Query
// protocol: a form in, XML out.
const (
	callerIdentity = "GetCallerIdentity"
	stsNamespace   = "https://sts.amazonaws.com/doc/2011-06-15/"
	callerARN      = "arn:aws:iam::" + kmsclient.LocalAccount + ":user/local"
	callerUserID   = "AIDALOCALUSER0000000"
)

// queryAction is the Action of a form, empty where there is none.
func queryAction(body []byte) string {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return ""
	}
	return form.Get("Action")
}

func (x *exchange) callerIdentity() []byte {
	return []byte(`<GetCallerIdentityResponse xmlns="` + stsNamespace + `"><GetCallerIdentityResult>` +
		`<Arn>` + callerARN + `</Arn><UserId>` + callerUserID + `</UserId><Account>` +
		kmsclient.LocalAccount + `</Account>` +
		`</GetCallerIdentityResult><ResponseMetadata><RequestId>` + x.call.RequestID +
		`</RequestId></ResponseMetadata></GetCallerIdentityResponse>`)
}
