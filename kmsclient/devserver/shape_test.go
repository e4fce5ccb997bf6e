package devserver_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/envseal/envseal/kmsclient/devserver"
)

const describe = `{"KeyId":"alias/app"}`

// shapes are DescribeKey requests, spoilt in one way each.
var shapes = []struct {
	name, body string
	spoil      func(*http.Request)
	status     int
	code       string
}{
	{"right", describe, nil, 200, ""},
	{"loopback name", describe, func(q *http.Request) { q.Host = "localhost:80" }, 200, ""},
	{"loopback address", describe, func(q *http.Request) { q.Host = "[::1]" }, 200, ""},
	{"foreign name", describe, func(q *http.Request) { q.Host = "rebind.example.com:80" }, 403,
		"AccessDeniedException"},
	{"foreign address", describe, func(q *http.Request) { q.Host = "192.0.2.1" }, 403,
		"AccessDeniedException"},
	{"name that starts well", describe, func(q *http.Request) { q.Host = "127.0.0.1.example.com" },
		403, "AccessDeniedException"},
	{"GET", describe, func(q *http.Request) { q.Method = "GET" }, 405, "UnknownOperationException"},
	{"OPTIONS", describe, func(q *http.Request) { q.Method = "OPTIONS" }, 405,
		"UnknownOperationException"},
	{"path", describe, func(q *http.Request) { q.URL.Path = "/kms" }, 404,
		"UnknownOperationException"},
	{"query", describe, func(q *http.Request) { q.URL.RawQuery = "a=b" }, 404,
		"UnknownOperationException"},
	{"no content type", describe, func(q *http.Request) { q.Header.Del("Content-Type") }, 415,
		"UnknownOperationException"},
	{"plain JSON", describe, func(q *http.Request) {
		q.Header.Set("Content-Type", "application/json")
	}, 415, "UnknownOperationException"},
	{"text", describe, func(q *http.Request) { q.Header.Set("Content-Type", "text/plain") }, 415,
		"UnknownOperationException"},
	{"no target", describe, func(q *http.Request) { q.Header.Del("X-Amz-Target") }, 400,
		"UnknownOperationException"},
	{"unknown operation", describe, func(q *http.Request) {
		q.Header.Set("X-Amz-Target", "TrentService.Explode")
	}, 400, "UnknownOperationException"},
	{"another service", describe, func(q *http.Request) {
		q.Header.Set("X-Amz-Target", "DynamoDB.DescribeKey")
	}, 400, "UnknownOperationException"},
	{"STS in JSON", describe, func(q *http.Request) {
		q.Header.Set("X-Amz-Target", "TrentService.GetCallerIdentity")
	}, 400, "UnknownOperationException"},
	{"largest body", `{"KeyId":"alias/app"` + strings.Repeat(" ", 64<<10-len(describe)) + "}",
		nil, 200, ""},
	{"large body", `{"KeyId":"alias/app"` + strings.Repeat(" ", 64<<10) + "}", nil, 413,
		"RequestEntityTooLargeException"},
	{"large chunked body", strings.Repeat(" ", 1<<20), func(q *http.Request) { q.ContentLength = -1 },
		413, "RequestEntityTooLargeException"},
	{"chunked body", describe, func(q *http.Request) { q.ContentLength = -1 }, 200, ""},
	{"empty body", "", nil, 400, "ValidationException"},
	{"array", "[]", nil, 400, "SerializationException"},
	{"half", `{"KeyId":"alias`, nil, 400, "SerializationException"},
	{"two documents", describe + describe, nil, 400, "SerializationException"},
	{"not UTF-8", "{\"KeyId\":\"\xff\"}", nil, 400, "SerializationException"},
	{"twice", `{"KeyId":"alias/app","KeyId":"alias/app"}`, nil, 400, "SerializationException"},
	{"wrong type", `{"KeyId":7}`, nil, 400, "SerializationException"},
	{"null", `{"KeyId":null}`, nil, 400, "ValidationException"},
	{"empty id", `{"KeyId":""}`, nil, 400, "ValidationException"},
	{"long id", `{"KeyId":"` + strings.Repeat("a", 2049) + `"}`, nil, 400, "ValidationException"},
	{"other case", `{"keyid":"alias/app"}`, nil, 400, "ValidationException"},
	{"unknown member", `{"Extra":{"a":[1,"}",{}]},"KeyId":"alias/app","Z":[[]]}`, nil, 200, ""},
	{"spaced and escaped", " {\t\"KeyId\" : \"alias\\/\\u0061pp\" \n, \"B\":1 } ", nil, 200, ""},
	{"grant tokens of numbers", `{"KeyId":"alias/app","GrantTokens":[1]}`, nil, 400,
		"SerializationException"},
	{"grant token null", `{"KeyId":"alias/app","GrantTokens":[null]}`, nil, 400,
		"SerializationException"},
}

// TestShapeOfRequests sends what is no request to KMS, or a broken one.
func TestShapeOfRequests(t *testing.T) {
	r := start(t, devserver.Options{AllowUnsigned: true})
	for _, c := range shapes {
		t.Run(c.name, func(t *testing.T) {
			req := r.request("DescribeKey", c.body)
			if c.spoil != nil {
				c.spoil(req)
			}
			p, err := r.do(req)
			must(t, err)
			if p.status != c.status || p.code() != c.code || p.members == nil {
				t.Fatalf("%d %s, want %d %s", p.status, p.body, c.status, c.code)
			}
			if len(p.header.Get("x-amzn-RequestId")) != 36 ||
				p.header.Get("Content-Type") != "application/x-amz-json-1.1" {
				t.Fatalf("header %v", p.header)
			}
		})
	}
}

const key = `{"KeyId":"alias/app",`

var members = []struct{ op, body, code string }{
	{"Encrypt", key + `"Plaintext":"aGVsbG8="}`, ""},
	{"Encrypt", key + `"Plaintext":"\u0061GVsbG8="}`, ""},
	{"Encrypt", key + `"Plaintext":"aGVsbG8"}`, "SerializationException"},
	{"Encrypt", key + `"Plaintext":"!!!!"}`, "SerializationException"},
	{"Encrypt", key + `"Plaintext":[104,105]}`, "SerializationException"},
	{"Encrypt", key + `"Plaintext":""}`, "ValidationException"},
	{"Encrypt", key + `"Plaintext":"` + strings.Repeat("AAAA", 1366) + `"}`, "ValidationException"},
	{"Encrypt", `{"KeyId":"alias/app"}`, "ValidationException"},
	{"Encrypt", key + `"Plaintext":"aGk=","EncryptionContext":{"a":1}}`, "SerializationException"},
	{"Encrypt", key + `"Plaintext":"aGk=","EncryptionContext":{"a":null}}`, "SerializationException"},
	{"Encrypt", key + `"Plaintext":"aGk=","EncryptionContext":{"a":"1","a":"2"}}`,
		"SerializationException"},
	{"Encrypt", key + `"Plaintext":"aGk=","EncryptionContext":["a"]}`, "SerializationException"},
	{"Encrypt", key + `"Plaintext":"aGk=","EncryptionContext":{}}`, ""},
	{"Encrypt", key + `"Plaintext":"aGk=","EncryptionContext":null,"DryRun":false}`, ""},
	{"Encrypt", key + `"Plaintext":"aGk=","DryRun":"true"}`, "SerializationException"},
	{"Encrypt", key + `"Plaintext":"aGk=","EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}`, ""},
	{"GenerateDataKey", key + `"NumberOfBytes":"32"}`, "SerializationException"},
	{"GenerateDataKey", key + `"NumberOfBytes":3.5}`, "SerializationException"},
	{"GenerateDataKey", key + `"NumberOfBytes":99999999999999999999}`, "SerializationException"},
	{"GenerateDataKey", key + `"NumberOfBytes":-1}`, "ValidationException"},
	{"GenerateDataKey", key + `"KeySpec":""}`, "ValidationException"},
	{"GenerateDataKeyPair", `{"KeyId":"alias/app"}`, "ValidationException"},
	{"GenerateRandom", `{}`, "ValidationException"},
	{"Decrypt", `{}`, "ValidationException"},
	{"Decrypt", `{"CiphertextBlob":"aGk=","DryRunModifiers":["IGNORE_CIPHERTEXT"]}`,
		"UnsupportedOperationException"},
	{"ReEncrypt", `{"CiphertextBlob":"aGk="}`, "ValidationException"},
	{"CreateKey", `{"KeySpec":"RSA_2048"}`, "UnsupportedOperationException"},
	{"CreateKey", `{"KeyUsage":"SIGN_VERIFY"}`, "UnsupportedOperationException"},
	{"CreateKey", `{"Policy":"{}"}`, "UnsupportedOperationException"},
	{"CreateKey", `{"Tags":[{"TagKey":"a","TagValue":"b"}]}`, "UnsupportedOperationException"},
	{"CreateKey", `{"Tags":[],"Origin":"AWS_KMS","Description":""}`, ""},
	{"CreateKey", ``, ""},
	{"CreateAlias", `{"AliasName":"alias/x"}`, "ValidationException"},
	{"ListKeys", `{"Limit":0}`, "ValidationException"},
	{"ListKeys", `{"Limit":1001}`, "ValidationException"},
	{"ListAliases", `{"Limit":101}`, "ValidationException"},
	{"ListAliases", `{"Marker":"%%%"}`, "InvalidMarkerException"},
	{"ScheduleKeyDeletion", key + `"PendingWindowInDays":366}`, "ValidationException"},
}

// TestMembers sends members of the wrong type or size to the operations that have them.
func TestMembers(t *testing.T) {
	r := start(t, devserver.Options{AllowUnsigned: true})
	for _, c := range members {
		p, err := r.do(r.request(c.op, c.body))
		must(t, err)
		if p.code() != c.code || p.members == nil {
			t.Errorf("%s %.80s: %d %s, want %q", c.op, c.body, p.status, p.body, c.code)
		}
	}
}

// TestCallerIdentity speaks the Query protocol of STS.
func TestCallerIdentity(t *testing.T) {
	r := start(t, devserver.Options{})
	form := func(body, service string) reply {
		req := r.request("", body)
		req.Header.Del("X-Amz-Target")
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		p, err := r.do(r.sign(req, signing{service: service}))
		must(t, err)
		return p
	}
	p := form("Action=GetCallerIdentity&Version=2011-06-15", "sts")
	if p.status != 200 || !strings.Contains(string(p.body), "<Account>000000000000</Account>") ||
		p.header.Get("Content-Type") != "text/xml" {
		t.Fatalf("%d %s", p.status, p.body)
	}
	p = form("Action=GetCallerIdentity&Version=2011-06-15", "kms")
	if p.status != 400 || !strings.Contains(string(p.body), "<Code>SignatureDoesNotMatch</Code>") {
		t.Fatalf("%d %s", p.status, p.body)
	}
	p = form("Action=AssumeRole", "sts")
	if p.status != 400 || !strings.Contains(string(p.body), "<Code>UnknownOperationException</Code>") {
		t.Fatalf("%d %s", p.status, p.body)
	}
}

func TestOptions(t *testing.T) {
	store := openStore(t)
	for name, o := range map[string]devserver.Options{
		"half a credential": {AccessKeyID: "A"},
		"unknown denial":    {Deny: []string{"Explode"}},
		"unknown fault": {Faults: &devserver.Faults{
			List: []devserver.Fault{{Operation: "*", Kind: "explode"}}}},
		"fault of no action": {
			Faults: &devserver.Faults{List: []devserver.Fault{{Operation: "Explode", Kind: "deny"}}}},
	} {
		if _, err := devserver.New(store, o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := devserver.New(nil, devserver.Options{}); err == nil {
		t.Error("no service: accepted")
	}
	a, err := devserver.New(store, devserver.Options{})
	must(t, err)
	b, err := devserver.New(store, devserver.Options{})
	must(t, err)
	id, secret := a.Credentials()
	otherID, otherSecret := b.Credentials()
	if len(id) != 20 || len(secret) != 40 || id == otherID ||
		secret == otherSecret || a.Region() != "local" {
		t.Fatalf("credentials of %d and %d characters, Region %s", len(id), len(secret), a.Region())
	}
}
