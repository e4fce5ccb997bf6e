package devserver_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"

	"github.com/envseal/envseal/kmsclient/devserver"
)

func parse(t testing.TB, s string) *devserver.Faults {
	t.Helper()
	f, err := devserver.ParseFaults(s)
	must(t, err)
	return f
}

// plaintext is the key in an answer.
func plaintext(p reply) []byte {
	s, _ := p.members["Plaintext"].(string)
	b, _ := base64.StdEncoding.DecodeString(s)
	return b
}

// faultCodes are the kinds of fault that are no more than an answer with a status and an error
// code.
var faultCodes = map[string]struct {
	status int
	code   string
}{
	"throttle":      {400, "ThrottlingException"},
	"limit":         {400, "LimitExceededException"},
	"deny":          {400, "AccessDeniedException"},
	"expired":       {400, "ExpiredTokenException"},
	"skewed":        {400, "InvalidSignatureException"},
	"skew":          {400, "InvalidSignatureException"},
	"internal":      {500, "KMSInternalException"},
	"unavailable":   {500, "KeyUnavailableException"},
	"timeout":       {503, "DependencyTimeoutException"},
	"notfound":      {400, "NotFoundException"},
	"disabled":      {400, "DisabledException"},
	"pending":       {400, "KMSInvalidStateException"},
	"badciphertext": {400, "InvalidCiphertextException"},
	"incorrectkey":  {400, "IncorrectKeyException"},
	"keyusage":      {400, "InvalidKeyUsageException"},
	"granttoken":    {400, "InvalidGrantTokenException"},
	"502":           {502, "InternalFailure"},
}

// faultEffects say for each kind of fault whether this is what comes over the wire of it.
func faultEffects(keyARN string) map[string]func(p reply, err error) bool {
	has := func(p reply, name string) bool { _, ok := p.members[name]; return ok }
	rows := map[string]func(p reply, err error) bool{
		"delay": func(p reply, err error) bool { return err == nil && len(plaintext(p)) == 32 },
		"hang":  func(p reply, err error) bool { return err != nil },
		"reset": func(p reply, err error) bool { return err != nil && p.status == 0 },
		"redirect": func(p reply, err error) bool {
			return p.status == 307 && p.header.Get("Location") == "/elsewhere"
		},
		"html": func(p reply, err error) bool {
			return p.status == 200 && p.members == nil && strings.HasPrefix(string(p.body), "<")
		},
		"huge":     func(p reply, err error) bool { return p.status == 200 && len(p.body) == 1<<20 },
		"gzip":     func(p reply, err error) bool { return p.status == 200 && len(p.body) == 1<<20 },
		"empty":    func(p reply, err error) bool { return p.status == 200 && string(p.body) == "{}" },
		"short":    func(p reply, err error) bool { return p.status == 200 && len(plaintext(p)) == 31 },
		"wrongkey": func(p reply, err error) bool { return p.status == 200 && len(plaintext(p)) == 32 },
		"noplaintext": func(p reply, err error) bool {
			return has(p, "CiphertextBlob") && !has(p, "Plaintext")
		},
		"noblob": func(p reply, err error) bool {
			return has(p, "Plaintext") && !has(p, "CiphertextBlob")
		},
		"otherkey": func(p reply, err error) bool {
			return len(plaintext(p)) == 32 && p.members["KeyId"] != keyARN
		},
		"badbase64": func(p reply, err error) bool {
			s, _ := p.members["Plaintext"].(string)
			return strings.HasPrefix(s, "!")
		},
		"cutjson": func(p reply, err error) bool {
			return err == nil && p.status == 200 && p.members == nil && p.body[0] == '{'
		},
		"cut": func(p reply, err error) bool {
			return errors.Is(err, io.ErrUnexpectedEOF) && len(p.body) > 10
		},
		"trickle": func(p reply, err error) bool { return err == nil && len(plaintext(p)) == 32 },
	}
	for kind, want := range faultCodes {
		rows[kind] = func(p reply, err error) bool {
			return err == nil && p.status == want.status && p.code() == want.code
		}
	}
	return rows
}

// TestFaultKinds does every kind of fault to a GenerateDataKey and looks at what comes over the
// wire. A kind without a row fails.
func TestFaultKinds(t *testing.T) {
	r := start(t, devserver.Options{})
	rows := faultEffects(r.key.ARN)
	times := map[string]string{"delay": ":30ms", "trickle": ":10us"}
	for _, k := range devserver.FaultKinds {
		if rows[k.Name] == nil || k.Does == "" {
			t.Errorf("fault %s has no row here, or no description", k.Name)
		}
	}
	for kind, ok := range rows {
		t.Run(kind, func(t *testing.T) {
			must(t, r.srv.SetFaults(parse(t, "GenerateDataKey="+kind+times[kind]+":1")))
			req := r.sign(r.request("GenerateDataKey", `{"KeyId":"alias/app","KeySpec":"AES_256"}`),
				signing{})
			if kind == "hang" {
				ctx, cancel := timeout(t, 100*time.Millisecond)
				defer cancel()
				req = req.WithContext(ctx)
			}
			p, err := r.do(req)
			if !ok(p, err) {
				t.Fatalf("%d %.200s %v", p.status, p.body, err)
			}
			p = r.ask("GenerateDataKey", `{"KeyId":"alias/app","KeySpec":"AES_256"}`)
			if len(plaintext(p)) != 32 {
				t.Fatalf("the call after the fault: %d %s", p.status, p.body)
			}
		})
	}
}

// TestWrongKey compares the spoilt plaintext with the right one.
func TestWrongKey(t *testing.T) {
	r := start(t, devserver.Options{})
	c := r.client(1)
	sealed, err := c.Encrypt(t.Context(),
		&kms.EncryptInput{KeyId: &r.key.ARN, Plaintext: make([]byte, 32)})
	must(t, err)
	must(t, r.srv.SetFaults(parse(t, "Decrypt=wrongkey")))
	out, err := c.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	must(t, err)
	if len(out.Plaintext) != 32 || string(out.Plaintext) == string(make([]byte, 32)) {
		t.Fatalf("%d bytes, the right ones", len(out.Plaintext))
	}
}

// TestSkew shows that a skewed clock looks as AWS's does: the SDK corrects itself by the Date
// header and gets through.
func TestSkew(t *testing.T) {
	for _, by := range []string{"1h", "-2h"} {
		r := start(t, devserver.Options{Faults: parse(t, "*=skew:"+by)})
		if _, err := r.client(1).ListKeys(t.Context(), &kms.ListKeysInput{}); err == nil {
			t.Fatalf("%s: the first attempt got through", by)
		}
		if _, err := r.client(3).ListKeys(t.Context(), &kms.ListKeysInput{}); err != nil {
			t.Fatalf("%s: %v", by, err)
		}
		must(t, r.srv.SetFaults(parse(t, "*=skewed:"+by)))
		if _, err := r.client(3).ListKeys(t.Context(), &kms.ListKeysInput{}); err == nil {
			t.Fatalf("%s: got through where no clock is right", by)
		}
		p := r.ask("ListKeys", "{}")
		at, err := http.ParseTime(p.header.Get("Date"))
		if err != nil || time.Until(at).Abs() < 59*time.Minute {
			t.Fatalf("%s: Date %q", by, p.header.Get("Date"))
		}
	}
}

// TestConditions counts which of twelve calls are hit.
func TestConditions(t *testing.T) {
	r := start(t, devserver.Options{AllowUnsigned: true})
	for faults, want := range map[string]string{
		"":                   "............",
		"ListKeys=deny:2":    "xx..........",
		"ListKeys=deny:/4":   "...x...x...x",
		"ListKeys=deny:/4:8": "...x...x....",
		"*=deny:1":           "x...........",
		"Decrypt=deny":       "............",
		"ListKeys=deny:100%": "xxxxxxxxxxxx",
		"Decrypt=deny,ListKeys=delay:1ns:3,*=deny:4": "...x........",
	} {
		must(t, r.srv.SetFaults(parse(t, faults)))
		if got := hits(r, 12); got != want {
			t.Errorf("%q hit %s, want %s", faults, got, want)
		}
	}
	const chance = "ListKeys=deny:30%,seed=7"
	must(t, r.srv.SetFaults(parse(t, chance)))
	first := hits(r, 200)
	if n := strings.Count(first, "x"); n < 35 || n > 85 {
		t.Errorf("30%% of 200 were %d", n)
	}
	must(t, r.srv.SetFaults(parse(t, chance)))
	if hits(r, 200) != first {
		t.Error("the same seed gave other failures")
	}
}

func hits(r *rig, n int) string {
	var b strings.Builder
	for range n {
		p, err := r.do(r.request("ListKeys", "{}"))
		must(r.t, err)
		b.WriteString(map[bool]string{true: ".", false: "x"}[p.status == 200])
	}
	return b.String()
}

// TestSDKRetriesThrottling counts the attempts of a real client.
func TestSDKRetriesThrottling(t *testing.T) {
	r := start(t, devserver.Options{Faults: parse(t, "GenerateRandom=throttle:1")})
	_, err := r.client(2).GenerateRandom(t.Context(),
		&kms.GenerateRandomInput{NumberOfBytes: aws.Int32(1)})
	must(t, err)
	if n := r.srv.Counts()["GenerateRandom"]; n != 2 {
		t.Fatalf("%d attempts", n)
	}
	calls := r.logged(2)
	if calls[0].Fault != "throttle" || calls[0].Code != "ThrottlingException" ||
		calls[1].Fault != "" || calls[1].Status != 200 {
		t.Fatalf("logged %+v", calls)
	}
	must(t, r.srv.SetFaults(parse(t, "*=expired")))
	_, err = r.client(1).GenerateRandom(t.Context(),
		&kms.GenerateRandomInput{NumberOfBytes: aws.Int32(1)})
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "ExpiredTokenException" {
		t.Fatal(err)
	}
}

// TestSetFaultsWhileServing is for the race detector.
func TestSetFaultsWhileServing(t *testing.T) {
	r := start(t, devserver.Options{AllowUnsigned: true})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25 {
				p, err := r.do(r.request("ListKeys", "{}"))
				if err != nil || p.status != 200 && p.status != 500 {
					t.Errorf("%d %v", p.status, err)
				}
			}
		})
	}
	some := parse(t, "*=internal:/2")
	for range 50 {
		must(t, r.srv.SetFaults(some))
		must(t, r.srv.SetFaults(nil))
	}
	wg.Wait()
	if n := r.srv.Counts()["ListKeys"]; n != 100 {
		t.Fatalf("%d calls counted", n)
	}
}

func TestParseFaults(t *testing.T) {
	f := parse(t,
		" GenerateDataKey=throttle:2, Decrypt=empty,*=500:5%,seed=9,ListKeys=delay:/3:250ms,")
	got, want := fmt.Sprint(f.List),
		"[GenerateDataKey=throttle:2 Decrypt=empty *=500:5% ListKeys=delay:/3:250ms]"
	if got != want || f.Seed != 9 {
		t.Fatalf("%s, seed %d", got, f.Seed)
	}
	for text, want := range map[string]string{
		"Decrypt":                 "OPERATION=KIND",
		"Decript=deny":            `operation "Decript" is not known`,
		"Decrypt=explode":         `kind "explode" is not known; there are throttle,`,
		"Decrypt=":                "is not known",
		"Decrypt=400":             "statuses from 500",
		"Decrypt=deny:often":      `condition "often"`,
		"Decrypt=deny:0":          `condition "0"`,
		"Decrypt=deny:/0":         `condition "/0"`,
		"Decrypt=deny:0%":         `condition "0%"`,
		"Decrypt=deny:101%":       "from 0% to 100%",
		"Decrypt=deny:NaN%":       `condition "NaN%"`,
		"Decrypt=deny:1s":         "takes no time",
		"Decrypt=delay:-1s":       "negative",
		"seed=x":                  "not a number",
		"Decrypt=deny,Decrypt=no": `fault "Decrypt=no"`,
	} {
		if _, err := devserver.ParseFaults(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestFaultsNeedASignature keeps a wrong secret from looking like a fault.
func TestFaultsNeedASignature(t *testing.T) {
	r := start(t, devserver.Options{Faults: parse(t, "*=throttle")})
	p, err := r.do(r.sign(r.request("ListKeys", "{}"), signing{secret: "wrong"}))
	must(t, err)
	if p.code() != "InvalidSignatureException" || p.status != http.StatusBadRequest {
		t.Fatalf("%s", p.body)
	}
}
