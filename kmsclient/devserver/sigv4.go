package devserver

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Signature Version 4, header form (AWS General Reference, "Create a signed AWS API request"). Only
// what this server can be sent is canonicalised: the path is always / and there is no query.
const (
	sigAlgorithm = "AWS4-HMAC-SHA256"
	sigTime      = "20060102T150405Z"
	maxSkew      = 5 * time.Minute
)

// signature is a parsed Authorization header.
type signature struct {
	accessKeyID, date, region, service string
	headers                            []string // signed headers, lower case, sorted
	value                              string   // hex
}

// authenticate checks that a request was signed for service with the server's credentials, at about
// now. The signature covers the body, the Host and every X-Amz header, or it is refused.
func (s *Server) authenticate(r *http.Request, body []byte, service string,
	now time.Time) *refusal {
	if s.opts.AllowUnsigned {
		return nil
	}
	sig, no := parseAuthorization(r)
	if no != nil {
		return no
	}
	if subtle.ConstantTimeCompare([]byte(sig.accessKeyID), []byte(s.opts.AccessKeyID)) != 1 {
		return refuse("UnrecognizedClientException",
			"The security token included in the request is invalid: this server knows another access key id")
	}
	if no := s.checkToken(r); no != nil {
		return no
	}
	if no := s.checkScope(sig, service); no != nil {
		return no
	}
	if no := checkCovered(r, sig); no != nil {
		return no
	}
	when, no := signingTime(r, sig, now)
	if no != nil {
		return no
	}
	want := hex.EncodeToString(s.sign(sig, when, canonicalRequest(r, sig, body)))
	if subtle.ConstantTimeCompare([]byte(want), []byte(sig.value)) != 1 {
		return badSignature(
			"The request signature we calculated does not match the signature you provided. " +
				"Check your AWS Secret Access Key and signing method.")
	}
	return checkPayloadHeader(r, body)
}

// badSignature refuses a signature that is not what it has to be.
func badSignature(format string, args ...any) *refusal {
	return refuse("InvalidSignatureException", format, args...)
}

// parseAuthorization reads "AWS4-HMAC-SHA256 Credential=ID/DATE/REGION/SERVICE/aws4_request,
// SignedHeaders=a;b, Signature=hex".
func parseAuthorization(r *http.Request) (*signature, *refusal) {
	incomplete := func(why string) *refusal {
		return refuse("IncompleteSignatureException", "Authorization header: %s", why)
	}
	all := r.Header.Values("Authorization")
	if len(all) == 0 {
		return nil, refuse("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	rest, ok := strings.CutPrefix(all[0], sigAlgorithm+" ")
	if !ok || len(all) > 1 {
		return nil, incomplete("it must come once and start with " + sigAlgorithm)
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := fields[k]; twice || v == "" {
			return nil, incomplete("it needs Credential, SignedHeaders and Signature, each once")
		}
		fields[k] = v
	}
	if fields["Credential"] == "" || fields["SignedHeaders"] == "" ||
		fields["Signature"] == "" || len(fields) != 3 {
		return nil, incomplete("it needs Credential, SignedHeaders and Signature, each once")
	}
	scope := strings.Split(fields["Credential"], "/")
	if len(scope) != 5 || scope[4] != "aws4_request" || slices.Contains(scope, "") {
		return nil, incomplete("Credential must be KEY-ID/DATE/REGION/SERVICE/aws4_request")
	}
	headers := strings.Split(fields["SignedHeaders"], ";")
	if once := slices.Compact(slices.Sorted(slices.Values(headers))); !slices.Equal(once, headers) ||
		strings.ToLower(fields["SignedHeaders"]) != fields["SignedHeaders"] {
		return nil, incomplete("SignedHeaders must be lower case, sorted, and each once")
	}
	return &signature{scope[0], scope[1], scope[2], scope[3], headers, fields["Signature"]}, nil
}

func (s *Server) checkToken(r *http.Request) *refusal {
	token := r.Header.Get("X-Amz-Security-Token")
	if subtle.ConstantTimeCompare([]byte(token), []byte(s.opts.SessionToken)) == 1 {
		return nil
	}
	hint := "the session token is missing or differs"
	if s.opts.SessionToken == "" {
		hint = "this server gave out no session token; unset AWS_SESSION_TOKEN"
	}
	return refuse("UnrecognizedClientException",
		"The security token included in the request is invalid: %s", hint)
}

func (s *Server) checkScope(sig *signature, service string) *refusal {
	if sig.service != service {
		return badSignature("Credential should be scoped to correct service: '%s'.", service)
	}
	if s.opts.StrictRegion && sig.region != s.opts.Region {
		return badSignature("Credential should be scoped to a valid region, not '%s'. "+
			"This server is Region '%s': set AWS_REGION=%[2]s.", sig.region, s.opts.Region)
	}
	return nil
}

// checkCovered sees to it that nothing that decides the answer is left out of the signature. The
// content type is not asked for: curl leaves it out, and only one is accepted anyhow.
func checkCovered(r *http.Request, sig *signature) *refusal {
	for _, h := range sig.headers {
		if h != "host" && h != "content-length" && len(r.Header.Values(h)) == 0 {
			return badSignature("Header '%s' is signed but not in the request", h)
		}
	}
	if !slices.Contains(sig.headers, "host") {
		return badSignature("'Host' must be a signed header")
	}
	for h := range r.Header {
		if l := strings.ToLower(h); strings.HasPrefix(l, "x-amz-") && !slices.Contains(sig.headers, l) {
			return badSignature("'%s' must be a signed header", h)
		}
	}
	return nil
}

// signingTime is the time a request says it was signed at, X-Amz-Date before Date. It must be near
// now and on the day of the scope.
func signingTime(r *http.Request, sig *signature, now time.Time) (time.Time, *refusal) {
	name, layouts := "X-Amz-Date", []string{sigTime}
	if r.Header.Get(name) == "" {
		name, layouts = "Date", []string{sigTime, http.TimeFormat, time.RFC1123Z}
		if !slices.Contains(sig.headers, "date") {
			return time.Time{}, refuse("IncompleteSignatureException",
				"The request needs a signed 'X-Amz-Date' or 'Date' header")
		}
	}
	values := r.Header.Values(name)
	var when time.Time
	var err error
	for _, layout := range layouts {
		if when, err = time.Parse(layout, values[0]); err == nil {
			break
		}
	}
	if err != nil || len(values) != 1 {
		return when, refuse("IncompleteSignatureException", "'%s' must come once, in the form %s",
			name, sigTime)
	}
	when, now = when.UTC(), now.UTC()
	if when.Format("20060102") != sig.date {
		return when, badSignature("Date in Credential scope does not match '%s'", name)
	}
	stamp, clock := when.Format(sigTime), now.Format(sigTime)
	if edge := now.Add(-maxSkew); when.Before(edge) {
		return when, badSignature("Signature expired: %s is now earlier than %s (%s - 5 min.)",
			stamp, edge.Format(sigTime), clock)
	}
	if edge := now.Add(maxSkew); when.After(edge) {
		return when, badSignature("Signature not yet current: %s is still later than %s (%s + 5 min.)",
			stamp, edge.Format(sigTime), clock)
	}
	return when, nil
}

// canonicalRequest is the text whose hash is signed: method, path, query, signed headers, their
// names, hash of the body.
func canonicalRequest(r *http.Request, sig *signature, body []byte) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n/\n\n")
	for _, h := range sig.headers {
		b.WriteString(h + ":")
		for i, v := range headerValues(r, h) {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString(oneSpaced(v))
		}
		b.WriteString("\n")
	}
	sum := sha256.Sum256(body)
	b.WriteString("\n" + strings.Join(sig.headers, ";") + "\n" + hex.EncodeToString(sum[:]))
	return b.String()
}

// headerValues are the values of a signed header. Host, and where net/http took it out the length,
// are not in the header map.
func headerValues(r *http.Request, lower string) []string {
	switch v := r.Header.Values(lower); {
	case lower == "host":
		return []string{r.Host}
	case lower == "content-length" && len(v) == 0:
		return []string{strconv.FormatInt(r.ContentLength, 10)}
	default:
		return v
	}
}

// oneSpaced trims a header value and makes one space of several.
func oneSpaced(s string) string {
	s = strings.Trim(s, " ")
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	return s
}

// sign is the signature of a canonical request with the server's secret.
func (s *Server) sign(sig *signature, when time.Time, canonical string) []byte {
	key := []byte("AWS4" + s.opts.SecretAccessKey)
	for _, part := range []string{sig.date, sig.region, sig.service, "aws4_request"} {
		key = mac(key, part)
	}
	sum := sha256.Sum256([]byte(canonical))
	scope := strings.Join([]string{sig.date, sig.region, sig.service, "aws4_request"}, "/")
	return mac(key, strings.Join(
		[]string{sigAlgorithm, when.Format(sigTime), scope, hex.EncodeToString(sum[:])}, "\n"))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// checkPayloadHeader compares X-Amz-Content-Sha256, where there is one, with the body. The
// signature itself always covers the body's hash.
func checkPayloadHeader(r *http.Request, body []byte) *refusal {
	sum := sha256.Sum256(body)
	for _, v := range r.Header.Values("X-Amz-Content-Sha256") {
		if v != hex.EncodeToString(sum[:]) {
			return badSignature(
				"The value passed in as x-amz-content-sha256 does not match the payload of the request")
		}
	}
	return nil
}
