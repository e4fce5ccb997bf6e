package devserver_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/devserver"
	"github.com/envseal/envseal/kmsclient/keystore"
)

// rig is a server on loopback with a keystore behind it.
type rig struct {
	t     testing.TB
	srv   *devserver.Server
	store kmsclient.Service
	url   string
	key   *kmsclient.KeyMetadata // a key with alias/app

	mu    sync.Mutex
	calls []devserver.Call
}

func openStore(t testing.TB) kmsclient.Service {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keystore")
	must(t, keystore.Create(path, keystore.CreateOptions{PlaintextInsecure: true}))
	store, err := keystore.Open(path, keystore.Options{})
	must(t, err)
	return store
}

func start(t testing.TB, o devserver.Options) *rig {
	t.Helper()
	r := &rig{t: t, store: openStore(t)}
	o.Log = func(c devserver.Call) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.calls = append(r.calls, c)
	}
	var err error
	r.key, err = r.store.CreateKey(t.Context(), kmsclient.CreateKeyInput{Description: "for tests"})
	must(t, err)
	must(t, r.store.CreateAlias(t.Context(), "alias/app", r.key.KeyID))
	r.srv, err = devserver.New(r.store, o)
	must(t, err)
	ln, err := devserver.Listen(t.Context(), "127.0.0.1:0")
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.srv.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-ended)
	})
	r.url = "http://" + ln.Addr().String()
	return r
}

// logged is what the server logged so far. The log is written after the answer, so that the last
// call may take a moment to be there.
func (r *rig) logged(n int) []devserver.Call {
	r.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		r.mu.Lock()
		calls := append([]devserver.Call(nil), r.calls...)
		r.mu.Unlock()
		if len(calls) >= n {
			return calls
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%d calls logged, want %d", len(calls), n)
		}
	}
}

// client is the AWS SDK with the server's credentials, trying each call so many times.
func (r *rig) client(attempts int) *kms.Client {
	return kms.New(kms.Options{
		BaseEndpoint: aws.String(r.url), Region: "local",
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = attempts, time.Millisecond
		}), HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true},
			Timeout: 20 * time.Second}, Credentials: aws.CredentialsProviderFunc(r.credentials),
	})
}

func (r *rig) credentials(context.Context) (aws.Credentials, error) {
	id, secret := r.srv.Credentials()
	return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}, nil
}

// request is an unsigned request for op.
func (r *rig) request(op, body string) *http.Request {
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url+"/",
		bytes.NewReader([]byte(body)))
	must(r.t, err)
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "TrentService."+op)
	return req
}

// signing says how a request is signed; the zero value is right.
type signing struct {
	secret, service, region string
	token                   string
	keyID                   string
	ago                     time.Duration
}

func (r *rig) sign(req *http.Request, how signing) *http.Request {
	r.t.Helper()
	body := []byte{}
	if req.Body != nil {
		rc, err := req.GetBody()
		must(r.t, err)
		body, err = io.ReadAll(rc)
		must(r.t, err)
	}
	sum := sha256.Sum256(body)
	id, secret := r.srv.Credentials()
	cred := aws.Credentials{AccessKeyID: or(how.keyID, id),
		SecretAccessKey: or(how.secret, secret), SessionToken: how.token}
	err := v4.NewSigner().SignHTTP(r.t.Context(), cred, req, hex.EncodeToString(sum[:]),
		or(how.service, "kms"), or(how.region, "local"), time.Now().Add(-how.ago))
	must(r.t, err)
	return req
}

func or(s, usual string) string {
	if s == "" {
		return usual
	}
	return s
}

// reply is an answer as it came over the wire.
type reply struct {
	status  int
	header  http.Header
	body    []byte
	members map[string]any // of a JSON object
}

func (p reply) code() string { s, _ := p.members["__type"].(string); return s }

func (r *rig) do(req *http.Request) (reply, error) {
	c := http.Client{Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	p := reply{status: resp.StatusCode, header: resp.Header}
	p.body, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if json.Unmarshal(p.body, &p.members) != nil {
		p.members = nil
	}
	return p, err
}

// ask sends a well signed request.
func (r *rig) ask(op, body string) reply {
	r.t.Helper()
	p, err := r.do(r.sign(r.request(op, body), signing{}))
	must(r.t, err)
	return p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
