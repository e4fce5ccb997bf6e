package devserver_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/devserver"
)

var fuzzSeeds = []struct{ target, body string }{
	{"TrentService.CreateKey", `{"Description":"x","MultiRegion":true}`},
	{"TrentService.DescribeKey", `{"KeyId":"alias/app","GrantTokens":["a"]}`},
	{"TrentService.ListKeys", `{"Limit":2,"Marker":"YQ"}`},
	{"TrentService.ListAliases", `{"KeyId":"alias/app"}`},
	{"TrentService.CreateAlias", `{"AliasName":"alias/b","TargetKeyId":"alias/app"}`},
	{"TrentService.ScheduleKeyDeletion", `{"KeyId":"x","PendingWindowInDays":7}`},
	{"TrentService.GenerateDataKey",
		`{"KeyId":"alias/app","KeySpec":"AES_256","EncryptionContext":{"a":"\u00e4","b":"\"}"}}`},
	{"TrentService.GenerateDataKeyPair", `{"KeyId":"alias/app","KeyPairSpec":"ECC_NIST_P256"}`},
	{"TrentService.GenerateRandom", `{"NumberOfBytes":1024}`},
	{"TrentService.Encrypt", `{"KeyId":"alias/app","Plaintext":"aGVsbG8=","DryRun":true}`},
	{"TrentService.Decrypt", `{"CiphertextBlob":"RU5WSwEA","EncryptionContext":null}`},
	{"TrentService.ReEncrypt", `{"CiphertextBlob":"AA==","DestinationKeyId":"alias/app"}`},
	{"TrentService.Explode", `{"a":[{"b":[1,2,{"c":"]"}]}],"d":-1.5e9,"e":true}`},
	{"", ` { "a" : "\\" , "b":[] } `},
}

// FuzzRequest sends any document to any operation: there is always an answer, and it is always JSON
// with a request id.
func FuzzRequest(f *testing.F) {
	if len(fuzzSeeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range fuzzSeeds {
		f.Add(s.target, []byte(s.body))
	}
	store := openStore(f)
	key, err := store.CreateKey(f.Context(), kmsclient.CreateKeyInput{})
	must(f, err)
	must(f, store.CreateAlias(f.Context(), "alias/app", key.KeyID))
	srv, err := devserver.New(store, devserver.Options{AllowUnsigned: true})
	must(f, err)
	f.Fuzz(func(t *testing.T, target string, body []byte) {
		req := httptest.NewRequest("POST", "http://127.0.0.1/", strings.NewReader(string(body)))
		req.Header.Set("Content-Type", "application/x-amz-json-1.1")
		req.Header["X-Amz-Target"] = []string{target}
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, req)
		if w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) || w.Body.Len() == 0 && w.Code != 200 {
			t.Fatalf("%d %q", w.Code, w.Body)
		}
		if w.Header().Get("x-amzn-RequestId") == "" {
			t.Fatal("no request id")
		}
		if w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}

// FuzzAuthorization gives any Authorization header and date: nothing but the right signature opens.
func FuzzAuthorization(f *testing.F) {
	seeds := [][2]string{
		{"AWS4-HMAC-SHA256 Credential=LOCAL/20260101/local/kms/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=00", "20260101T000000Z"},
		{"AWS4-HMAC-SHA256 Credential=LOCAL/20260101/local/kms/aws4_request,SignedHeaders=date;host,Signature=ff",
			"Thu, 01 Jan 2026 00:00:00 GMT"},
		{"AWS4-HMAC-SHA256 Credential=////,SignedHeaders=;,Signature=", ""},
	}
	for _, s := range seeds {
		f.Add(s[0], s[1])
	}
	srv, err := devserver.New(openStore(f),
		devserver.Options{AccessKeyID: "LOCAL", SecretAccessKey: "0123456789"})
	must(f, err)
	f.Fuzz(func(t *testing.T, auth, date string) {
		req := httptest.NewRequest("POST", "http://127.0.0.1/", strings.NewReader("{}"))
		req.Header.Set("Content-Type", "application/x-amz-json-1.1")
		req.Header.Set("X-Amz-Target", "TrentService.ListKeys")
		req.Header["Authorization"] = []string{auth}
		req.Header["X-Amz-Date"] = []string{date}
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, req)
		if w.Code != 400 || !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}
