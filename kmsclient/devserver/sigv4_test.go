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

// Exceptions of a signature that is not accepted.
const (
	wrong      = "InvalidSignatureException"
	incomplete = "IncompleteSignatureException"
	unknown    = "UnrecognizedClientException"
)

type signatureCase struct {
	name    string
	req     *http.Request
	code    string // empty: accepted
	message string
}

// signer makes requests that are wrong in one way each.
type signer struct{ *rig }

func (s signer) signed(how signing) *http.Request {
	return s.sign(s.request("ListKeys", listAll), how)
}

// altered is a request that was changed after it was signed.
func (s signer) altered(change func(*http.Request)) *http.Request {
	req := s.signed(signing{})
	change(req)
	return req
}

// edit changes the Authorization header.
func (s signer) edit(from, to string) func(*http.Request) {
	return func(q *http.Request) {
		old := q.Header.Get("Authorization")
		if !strings.Contains(old, from) {
			s.t.Fatalf("%q is not in %q", from, old)
		}
		q.Header.Set("Authorization", strings.Replace(old, from, to, 1))
	}
}

func set(name, value string) func(*http.Request) {
	return func(q *http.Request) { q.Header.Set(name, value) }
}

// signers are about who signed, and when.
func (s signer) signers() []signatureCase {
	return []signatureCase{
		{"right", s.signed(signing{}), "", ""},
		{"another Region", s.signed(signing{region: "us-east-1"}), "", ""},
		{"four minutes old", s.signed(signing{ago: 4 * time.Minute}), "", ""},
		{"unsigned header that decides nothing", s.altered(set("User-Agent", "other")), "", ""},
		{"not signed", s.request("ListKeys", listAll), "MissingAuthenticationTokenException", "Missing"},
		{"wrong secret", s.signed(signing{secret: "wrong"}), wrong, "does not match"},
		{"unknown key id", s.signed(signing{keyID: "AKIAIOSFODNN7EXAMPLE"}), unknown, "access key id"},
		{"foreign session token", s.signed(signing{token: "stale"}), unknown, "unset AWS_SESSION_TOKEN"},
		{"another service", s.signed(signing{service: "s3"}), wrong, "correct service: 'kms'"},
		{"six minutes old", s.signed(signing{ago: 6 * time.Minute}), wrong, "Signature expired"},
		{"six minutes ahead", s.signed(signing{ago: -6 * time.Minute}), wrong, "not yet current"},
		{"a year old", s.signed(signing{ago: 365 * 24 * time.Hour}), wrong, "Signature expired"},
	}
}

// requests are about what was signed.
func (s signer) requests() []signatureCase {
	return []signatureCase{
		{"altered body", s.altered(func(q *http.Request) {
			q.Body = io.NopCloser(strings.NewReader(`{"Limit":11}`))
		}), wrong, "does not match"},
		{"altered target", s.altered(set("X-Amz-Target", "TrentService.ListAliases")),
			wrong, "does not match"},
		{"altered content type", s.altered(set("Content-Type", "application/x-amz-json-1.1; charset=x")),
			wrong, "does not match"},
		{"altered host", s.altered(func(q *http.Request) { q.Host = "localhost:1" }),
			wrong, "does not match"},
		{"altered date", s.altered(set("X-Amz-Date",
			time.Now().UTC().Add(-time.Minute).Format("20060102T150405Z"))), wrong, ""},
		{"added x-amz header", s.altered(set("X-Amz-More", "1")), wrong, "must be a signed header"},
		{"second target", s.altered(func(q *http.Request) {
			q.Header.Add("X-Amz-Target", "TrentService.ListAliases")
		}), wrong, ""},
		{"removed header", s.altered(func(q *http.Request) { q.Header.Del("X-Amz-Target") }),
			wrong, "not in the request"},
		{"host not signed", s.altered(s.edit("host;", "")), wrong, "'Host'"},
	}
}

// headers are about the Authorization header and the date.
func (s signer) headers() []signatureCase {
	return []signatureCase{
		{"altered scope date",
			s.altered(s.edit("/"+time.Now().UTC().Format("20060102")+"/", "/20200101/")), wrong, "scope"},
		{"altered scope Region", s.altered(s.edit("/local/", "/us-east-1/")), wrong, "does not match"},
		{"cut signature", s.altered(s.edit("Signature=", "Signature=0")), wrong, ""},
		{"no signature", s.altered(s.edit(", Signature=", ", Sig=")), incomplete, "each once"},
		{"no terminator", s.altered(s.edit("aws4_request", "aws4")), incomplete, "aws4_request"},
		{"unsorted headers", s.altered(s.edit("SignedHeaders=", "SignedHeaders=z;")), incomplete,
			"sorted"},
		{"basic", s.altered(set("Authorization", "Basic QTpC")), incomplete, "AWS4-HMAC-SHA256"},
		{"two", s.altered(func(q *http.Request) { q.Header.Add("Authorization", "x") }),
			incomplete, "once"},
		{"no date", s.altered(func(q *http.Request) {
			s.edit(";x-amz-date", "")(q)
			q.Header.Del("X-Amz-Date")
		}), incomplete, "Date"},
		{"date is no date", s.altered(set("X-Amz-Date", "yesterday")), incomplete, "in the form"},
	}
}

// TestSignature sends requests that are wrong in one way each. The first is right, so that the
// others are refused for their own fault.
func TestSignature(t *testing.T) {
	s := signer{start(t, devserver.Options{})}
	for _, c := range slices.Concat(s.signers(), s.requests(), s.headers()) {
		t.Run(c.name, func(t *testing.T) {
			p, err := s.do(c.req)
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
