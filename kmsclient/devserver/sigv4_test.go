package devserver_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"

	"github.com/envseal/envseal/kmsclient/devserver"
)

const listAll = `{"Limit":10}`

// signedRequest is a request, and what the server says to its signature.
type signedRequest struct {
	name    string
	req     *http.Request
	code    string // empty: accepted
	message string
}

// signedRequests are right and wrong ways to sign, the right ones first.
func signedRequests(t *testing.T, r *rig) []signedRequest {
	return slices.Concat(rightlySigned(r), wronglySigned(r),
		alteredAfterSigning(t, r), incompletelySigned(t, r))
}

// signed is a signed request, which spoil, if there is one, then changes.
func (r *rig) signed(how signing, spoil func(*http.Request)) *http.Request {
	req := r.sign(r.request("ListKeys", listAll), how)
	if spoil != nil {
		spoil(req)
	}
	return req
}

// editAuth replaces a text that must be in the header Authorization.
func editAuth(t *testing.T, from, to string) func(*http.Request) {
	return func(q *http.Request) {
		old := q.Header.Get("Authorization")
		if !strings.Contains(old, from) {
			t.Fatalf("%q is not in %q", from, old)
		}
		q.Header.Set("Authorization", strings.Replace(old, from, to, 1))
	}
}

func setHeader(name, value string) func(*http.Request) {
	return func(q *http.Request) { q.Header.Set(name, value) }
}

func rightlySigned(r *rig) []signedRequest {
	return []signedRequest{
		{"right", r.signed(signing{}, nil), "", ""},
		{"another Region", r.signed(signing{region: "us-east-1"}, nil), "", ""},
		{"four minutes old", r.signed(signing{ago: 4 * time.Minute}, nil), "", ""},
		{"unsigned header that decides nothing",
			r.signed(signing{}, setHeader("User-Agent", "other")), "", ""},
	}
}

// wronglySigned are by another key, for another service or at another time.
func wronglySigned(r *rig) []signedRequest {
	return []signedRequest{
		{"not signed", r.request("ListKeys", listAll), "MissingAuthenticationTokenException", "Missing"},
		{"wrong secret", r.signed(signing{secret: "wrong"}, nil),
			"InvalidSignatureException", "does not match"},
		{"unknown key id", r.signed(signing{keyID: "AKIAIOSFODNN7EXAMPLE"}, nil),
			"UnrecognizedClientException", "access key id"},
		{"foreign session token", r.signed(signing{token: "stale"}, nil), "UnrecognizedClientException",
			"unset AWS_SESSION_TOKEN"},
		{"another service", r.signed(signing{service: "s3"}, nil), "InvalidSignatureException",
			"correct service: 'kms'"},
		{"six minutes old", r.signed(signing{ago: 6 * time.Minute}, nil),
			"InvalidSignatureException", "Signature expired"},
		{"six minutes ahead", r.signed(signing{ago: -6 * time.Minute}, nil),
			"InvalidSignatureException", "not yet current"},
		{"a year old", r.signed(signing{ago: 365 * 24 * time.Hour}, nil),
			"InvalidSignatureException", "Signature expired"},
	}
}

// alteredAfterSigning are not what was signed.
func alteredAfterSigning(t *testing.T, r *rig) []signedRequest {
	return []signedRequest{
		{"altered body", r.signed(signing{}, func(q *http.Request) {
			q.Body = io.NopCloser(strings.NewReader(`{"Limit":11}`))
		}), "InvalidSignatureException", "does not match"},
		{"altered target", r.signed(signing{}, setHeader("X-Amz-Target", "TrentService.ListAliases")),
			"InvalidSignatureException", "does not match"},
		{"altered content type",
			r.signed(signing{}, setHeader("Content-Type", "application/x-amz-json-1.1; charset=x")),
			"InvalidSignatureException", "does not match"},
		{"altered host", r.signed(signing{}, func(q *http.Request) { q.Host = "localhost:1" }),
			"InvalidSignatureException", "does not match"},
		{"altered date", r.signed(signing{},
			setHeader("X-Amz-Date", time.Now().UTC().Add(-time.Minute).Format("20060102T150405Z"))),
			"InvalidSignatureException", ""},
		{"added x-amz header", r.signed(signing{}, setHeader("X-Amz-More", "1")),
			"InvalidSignatureException", "must be a signed header"},
		{"second target", r.signed(signing{}, func(q *http.Request) {
			q.Header.Add("X-Amz-Target", "TrentService.ListAliases")
		}), "InvalidSignatureException", ""},
		{"removed header", r.signed(signing{}, func(q *http.Request) { q.Header.Del("X-Amz-Target") }),
			"InvalidSignatureException", "not in the request"},
		{"host not signed", r.signed(signing{}, editAuth(t, "host;", "")),
			"InvalidSignatureException", "'Host'"},
		{"altered scope date",
			r.signed(signing{}, editAuth(t, "/"+time.Now().UTC().Format("20060102")+"/", "/20200101/")),
			"InvalidSignatureException", "scope"},
		{"altered scope Region", r.signed(signing{}, editAuth(t, "/local/", "/us-east-1/")),
			"InvalidSignatureException", "does not match"},
		{"cut signature", r.signed(signing{}, editAuth(t, "Signature=", "Signature=0")),
			"InvalidSignatureException", ""},
	}
}

// incompletelySigned lack a part of the signature, or have it in no known form.
func incompletelySigned(t *testing.T, r *rig) []signedRequest {
	return []signedRequest{
		{"no signature", r.signed(signing{}, editAuth(t, ", Signature=", ", Sig=")),
			"IncompleteSignatureException", "each once"},
		{"no terminator", r.signed(signing{}, editAuth(t, "aws4_request", "aws4")),
			"IncompleteSignatureException", "aws4_request"},
		{"unsorted headers", r.signed(signing{}, editAuth(t, "SignedHeaders=", "SignedHeaders=z;")),
			"IncompleteSignatureException", "sorted"},
		{"basic", r.signed(signing{}, setHeader("Authorization", "Basic QTpC")),
			"IncompleteSignatureException", "AWS4-HMAC-SHA256"},
		{"two", r.signed(signing{}, func(q *http.Request) { q.Header.Add("Authorization", "x") }),
			"IncompleteSignatureException", "once"},
		{"no date", r.signed(signing{}, func(q *http.Request) {
			editAuth(t, ";x-amz-date", "")(q)
			q.Header.Del("X-Amz-Date")
		}), "IncompleteSignatureException", "Date"},
		{"date is no date", r.signed(signing{}, setHeader("X-Amz-Date", "yesterday")),
			"IncompleteSignatureException", "in the form"},
	}
}

// TestSignature sends requests that are wrong in one way each. The first is right, so that the
// others are refused for their own fault.
func TestSignature(t *testing.T) {
	r := start(t, devserver.Options{})
	for _, c := range signedRequests(t, r) {
		t.Run(c.name, func(t *testing.T) {
			p, err := r.do(c.req)
			must(t, err)
			message, _ := p.members["message"].(string)
			if p.code() != c.code || !strings.Contains(message, c.message) {
				t.Fatalf("%d %s, want %s with %q", p.status, p.body, c.code, c.message)
			}
			want := map[bool]int{true: 200, false: 400}[c.code == ""]
			if p.status != want || p.members == nil {
				t.Fatalf("status %d with %q, want %d", p.status, p.body, want)
			}
		})
	}
}

func TestPayloadHashHeader(t *testing.T) {
	r := start(t, devserver.Options{})
	for hash, want := range map[string]string{
		"UNSIGNED-PAYLOAD": "InvalidSignatureException",
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855": "InvalidSignatureException",
		sha256Hex(listAll): "",
	} {
		req := r.request("ListKeys", listAll)
		req.Header.Set("X-Amz-Content-Sha256", hash)
		if p, err := r.do(r.sign(req, signing{})); err != nil || p.code() != want {
			t.Errorf("%s: %s, %v, want %s", hash, p.body, err, want)
		}
	}
}

func TestPresignedIsRefused(t *testing.T) {
	r := start(t, devserver.Options{})
	id, secret := r.srv.Credentials()
	uri, head, err := v4.NewSigner().PresignHTTP(t.Context(),
		aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}, r.request("ListKeys", listAll),
		"UNSIGNED-PAYLOAD", "kms", "local", time.Now())
	must(t, err)
	req, err := http.NewRequest(http.MethodPost, uri, strings.NewReader(listAll))
	must(t, err)
	req.Header = head
	p, err := r.do(req)
	must(t, err)
	if p.code() != "IncompleteSignatureException" || !strings.Contains(string(p.body), "Presigned") {
		t.Fatalf("%d %s", p.status, p.body)
	}
}

func TestStrictRegion(t *testing.T) {
	r := start(t, devserver.Options{StrictRegion: true})
	if p := r.ask("ListKeys", listAll); p.status != 200 {
		t.Fatalf("own Region: %s", p.body)
	}
	p, err := r.do(r.sign(r.request("ListKeys", listAll), signing{region: "us-east-1"}))
	must(t, err)
	if p.code() != "InvalidSignatureException" ||
		!strings.Contains(string(p.body), "set AWS_REGION=local") {
		t.Fatalf("%s", p.body)
	}
}

func TestSessionToken(t *testing.T) {
	r := start(t, devserver.Options{AccessKeyID: "ASIALOCAL",
		SecretAccessKey: "very secret", SessionToken: "token"})
	for token, want := range map[string]string{"token": "", "": "UnrecognizedClientException",
		"other": "UnrecognizedClientException"} {
		p, err := r.do(r.sign(r.request("ListKeys", listAll), signing{token: token}))
		must(t, err)
		if p.code() != want {
			t.Errorf("token %q: %s", token, p.body)
		}
	}
}

func TestAllowUnsigned(t *testing.T) {
	r := start(t, devserver.Options{AllowUnsigned: true})
	p, err := r.do(r.request("ListKeys", listAll))
	must(t, err)
	if p.status != 200 {
		t.Fatalf("%s", p.body)
	}
}

// TestSDKWithWrongSecret sees the refusal as users of the SDK do.
func TestSDKWithWrongSecret(t *testing.T) {
	r := start(t, devserver.Options{})
	c := kms.New(r.client(1).Options(), func(o *kms.Options) {
		id, _ := r.srv.Credentials()
		o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: id, SecretAccessKey: "wrong"}, nil
		})
	})
	_, err := c.ListKeys(t.Context(), &kms.ListKeysInput{})
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "InvalidSignatureException" {
		t.Fatal(err)
	}
}

func sha256Hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
