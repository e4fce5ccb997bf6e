package awskms_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/awskms"
	"github.com/envseal/envseal/kmsclient/devserver"
	"github.com/envseal/envseal/kmsclient/keystore"
)

const (
	testARN  = "arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555"
	otherARN = "arn:aws:kms:eu-central-1:111122223333:key/99999999-2222-3333-4444-555555555555"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// clean is an environment in which the SDK finds nothing that the test did not put there.
func clean(t testing.TB) {
	t.Helper()
	dir := t.TempDir()
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "AWS_") || strings.HasSuffix(strings.ToLower(name), "_proxy") {
			setenv(t, name, "")
			must(t, os.Unsetenv(name))
		}
	}
	setenv(t, "HOME", dir)
	setenv(t, "AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	setenv(t, "AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "credentials"))
	setenv(t, "AWS_EC2_METADATA_DISABLED", "true")
}

func setenv(t testing.TB, name, value string) {
	t.Helper()
	t.(interface{ Setenv(name, value string) }).Setenv(name, value)
}

// profile writes the shared config file that clean has named.
func profile(t testing.TB, text string) {
	t.Helper()
	must(t, os.WriteFile(os.Getenv("AWS_CONFIG_FILE"), []byte(text), 0o600))
}

// keys sets credentials that no server here checks.
func keys(t testing.TB) {
	t.Helper()
	setenv(t, "AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	setenv(t, "AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI-EXAMPLEKEY")
}

// quick are limits that make a test of a failure short.
func quick(endpoint string) awskms.Config {
	return awskms.Config{EndpointURL: endpoint, Region: "eu-central-1",
		ConnectTimeout: 200 * time.Millisecond, ReadTimeout: 400 * time.Millisecond,
		MaxBackoff: 2 * time.Millisecond}
}

// fake is a server that gives the answers of a test, and counts.
type fake struct {
	*httptest.Server
	mu    sync.Mutex
	seen  []*http.Request
	bytes [][]byte
}

func serve(t testing.TB, answer http.HandlerFunc) *fake {
	t.Helper()
	f := &fake{}
	f.Server = httptest.NewServer(f.keep(answer))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) keep(answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		f.mu.Lock()
		f.seen, f.bytes = append(f.seen, r), append(f.bytes, body.Bytes())
		f.mu.Unlock()
		w.Header().Set("x-amzn-RequestId", "req-1")
		answer(w, r)
	}
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.seen)
}

// says is a handler with one answer.
func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// generate asks for a data key of 32 bytes.
func generate(t testing.TB, c *awskms.Client) error {
	t.Helper()
	key, err := c.GenerateDataKey(t.Context(),
		kmsclient.GenerateDataKeyInput{KeyID: testARN, KeySpec: kmsclient.AES256})
	if err == nil {
		key.Plaintext.Destroy()
	}
	return err
}

// wantError checks kind, and that the message has the words, names the operation and no secret.
func wantError(t testing.TB, err, kind error, words ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("got %v, want the kind %v", err, kind)
	}
	var e *kmsclient.Error
	if !errors.As(err, &e) || e.Op == "" {
		t.Fatalf("%v is no *kmsclient.Error with an operation", err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not have %q", err, word)
		}
	}
	if strings.ContainsAny(err.Error(), "\n\r\x1b") {
		t.Errorf("error %q is not one line of text", err)
	}
}

// local is a devserver with a keystore behind it.
type local struct {
	store *keystore.Store
	srv   *devserver.Server
	url   string
}

// start starts a devserver and points the environment at it.
func start(t testing.TB, o devserver.Options) *local {
	t.Helper()
	clean(t)
	path := filepath.Join(t.TempDir(), "keystore")
	must(t, keystore.Create(path, keystore.CreateOptions{PlaintextInsecure: true}))
	l := &local{}
	var err error
	l.store, err = keystore.Open(path, keystore.Options{})
	must(t, err)
	l.srv, err = devserver.New(l.store, o)
	must(t, err)
	ln, err := devserver.Listen(t.Context(), "127.0.0.1:0")
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.srv.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-ended)
		must(t, l.store.Close())
	})
	l.url = "http://" + ln.Addr().String()
	id, secret := l.srv.Credentials()
	setenv(t, "AWS_ACCESS_KEY_ID", id)
	setenv(t, "AWS_SECRET_ACCESS_KEY", secret)
	setenv(t, "AWS_REGION", l.srv.Region())
	setenv(t, "AWS_ENDPOINT_URL_KMS", l.url)
	return l
}
