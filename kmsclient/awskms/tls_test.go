package awskms_test

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/awskms"
)

// secure is a TLS server and the path of its certificate.
func secure(t testing.TB, answer http.Handler,
	configure ...func(*httptest.Server)) (*httptest.Server, string) {
	t.Helper()
	s := httptest.NewUnstartedServer(answer)
	s.TLS = &tls.Config{}
	for _, set := range configure {
		set(s)
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(bundle,
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	return s, bundle
}

// tlsCase is a way to set up trust, and what comes of a call.
type tlsCase struct {
	set   func(t *testing.T, cfg *awskms.Config)
	kind  error // nil: succeeds
	words string
}

// tlsCases are for the server with the certificate in bundle. A server that a case starts besides
// counts its connections too.
func tlsCases(bundle string, count func(*httptest.Server)) map[string]tlsCase {
	return map[string]tlsCase{
		"unknown root": {func(*testing.T, *awskms.Config) {}, kmsclient.ErrUnavailable, "certificate"},
		"Config":       {func(_ *testing.T, cfg *awskms.Config) { cfg.CABundle = bundle }, nil, ""},
		"AWS_CA_BUNDLE": {func(t *testing.T, _ *awskms.Config) {
			setenv(t, "AWS_CA_BUNDLE", bundle)
		}, nil, ""},
		"profile": {func(t *testing.T, _ *awskms.Config) {
			profile(t, "[default]\nca_bundle = "+bundle+"\n")
		}, nil, ""},
		"not verified": {func(_ *testing.T, cfg *awskms.Config) { cfg.NoVerifySSL = true }, nil, ""},
		"not verified, with a bundle": {func(t *testing.T, cfg *awskms.Config) {
			setenv(t, "AWS_CA_BUNDLE", bundle)
			cfg.NoVerifySSL = true
		}, nil, ""},
		"another name": {func(_ *testing.T, cfg *awskms.Config) {
			cfg.CABundle = bundle
			cfg.EndpointURL = strings.Replace(cfg.EndpointURL, "127.0.0.1", "localhost", 1)
		}, kmsclient.ErrUnavailable, "certificate"},
		"no bundle": {func(_ *testing.T, cfg *awskms.Config) { cfg.CABundle = bundle + "x" },
			kmsclient.ErrInvalidRequest, "CA bundle"},
		"empty bundle": {func(_ *testing.T, cfg *awskms.Config) { cfg.CABundle = os.DevNull },
			kmsclient.ErrInvalidRequest, "CA bundle"},
		"older TLS": {func(t *testing.T, cfg *awskms.Config) {
			old, bundle := secure(t, goodKey(), func(s *httptest.Server) {
				s.TLS.MinVersion, s.TLS.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
				count(s)
			})
			cfg.CABundle, cfg.EndpointURL = bundle, old.URL
		}, kmsclient.ErrUnavailable, "protocol version not supported"},
		"https to http": {func(t *testing.T, cfg *awskms.Config) {
			cfg.EndpointURL = "https" + strings.TrimPrefix(unsent(t).URL, "http")
		}, kmsclient.ErrUnavailable, "no secure connection"},
	}
}

// TestTLS: certificates are checked against the bundle that Config, the environment or the profile
// name, and a failure is not repeated.
func TestTLS(t *testing.T) {
	var connections atomic.Int32
	count := func(s *httptest.Server) {
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				connections.Add(1)
			}
		}
	}
	s, bundle := secure(t, goodKey(), count)
	for name, test := range tlsCases(bundle, count) {
		t.Run(name, func(t *testing.T) {
			clean(t)
			keys(t)
			cfg := quick(s.URL)
			cfg.ReadTimeout = 2 * time.Second
			test.set(t, &cfg)
			before := connections.Load()
			err := generate(t, awskms.New(cfg))
			if n := connections.Load() - before; n > 1 {
				t.Errorf("%d connections", n)
			}
			if test.kind == nil {
				must(t, err)
				return
			}
			wantError(t, err, test.kind, test.words)
		})
	}
}

// TestTLSVersions: the records of both versions, and bodies over many of them.
func TestTLSVersions(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		var body []byte
		s, bundle := secure(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ = io.ReadAll(r.Body)
			says(200, object("KeyId", testARN, "CiphertextBlob", b64(6144)))(w, r)
		}), func(s *httptest.Server) { s.TLS.MinVersion, s.TLS.MaxVersion = version, version })
		clean(t)
		keys(t)
		cfg := quick(s.URL)
		cfg.CABundle, cfg.ReadTimeout = bundle, 5*time.Second
		c := awskms.New(cfg)
		for _, n := range []int{1, 32, 4096} {
			out, err := c.Encrypt(t.Context(),
				kmsclient.EncryptInput{KeyID: testARN, Plaintext: bytes.Repeat([]byte("k"), n),
					EncryptionContext: map[string]string{"a": strings.Repeat("b", 3000)}})
			must(t, err)
			if len(out.CiphertextBlob) != 6144 || !bytes.Contains(body, []byte(`"Plaintext":"`+b64(n)+`"`)) {
				t.Errorf("TLS %x, %d bytes: got %d, sent %s", version, n, len(out.CiphertextBlob), body)
			}
		}
	}
}

// throughProxy runs one call in a process of its own, since net/http reads the proxies of the
// environment once in a process's life.
func throughProxy(t *testing.T, env ...string) (string, error) {
	t.Helper()
	clean(t)
	keys(t)
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(),
		append(env, "ENVSEAL_TEST_CHILD=describe", "AWS_REGION=eu-central-1")...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// describe is the child of throughProxy.
func describe() int {
	c := awskms.New(awskms.Config{ConnectTimeout: time.Second, ReadTimeout: 2 * time.Second,
		MaxBackoff: time.Millisecond, NoVerifySSL: os.Getenv("ENVSEAL_TEST_PLAIN") != ""})
	about, err := c.DescribeKey(contextOfChild(), testARN, kmsclient.Options{})
	if err != nil {
		_, _ = os.Stdout.WriteString(err.Error())
		return 1
	}
	_, _ = os.Stdout.WriteString(about.ARN)
	return 0
}

// testProxy is a proxy in front of one server, which it gives a connection to for any name.
type testProxy struct {
	mu     sync.Mutex
	asked  []string
	status int // of its answers to CONNECT
}

// serve starts the proxy. described answers what is not CONNECT.
func (p *testProxy) serve(t *testing.T, target *httptest.Server,
	described http.HandlerFunc) (address string) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked = append(p.asked, r.Method+" "+r.RequestURI+" "+r.Header.Get("Proxy-Authorization"))
		refused := p.status != http.StatusOK
		p.mu.Unlock()
		if r.Method != http.MethodConnect {
			described(w, r)
			return
		}
		if refused {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		out, err := net.Dial("tcp", target.Listener.Addr().String())
		must(t, err)
		in, _, err := http.NewResponseController(w).Hijack()
		must(t, err)
		_, _ = io.WriteString(in, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { _, _ = io.Copy(out, in); out.Close() }()
		_, _ = io.Copy(in, out)
		in.Close()
	}))
	t.Cleanup(proxy.Close)
	return proxy.Listener.Addr().String()
}

// reset forgets what was asked, and sets the next answers.
func (p *testProxy) reset(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked, p.status = nil, status
}

func (p *testProxy) was() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// TestProxy: CONNECT with the user of the environment, whole URLs for http, NO_PROXY, and refusals
// that are not repeated.
func TestProxy(t *testing.T) {
	described := says(200,
		`{"KeyMetadata":`+object("Arn", testARN, "KeyId", testARN[len(testARN)-36:])+`}`)
	target, bundle := secure(t, described)
	proxy := &testProxy{}
	with := "http://user:hunter2@" + proxy.serve(t, target, described)
	auth := " Basic dXNlcjpodW50ZXIy"

	t.Run("CONNECT", func(t *testing.T) {
		proxy.reset(http.StatusOK)
		out, err := throughProxy(t, "HTTPS_PROXY="+with, "AWS_CA_BUNDLE="+bundle,
			"AWS_ENDPOINT_URL_KMS=https://example.com")
		if err != nil || !strings.HasSuffix(out, testARN) || len(proxy.was()) != 1 ||
			proxy.was()[0] != "CONNECT example.com:443"+auth {
			t.Errorf("%v: %s; the proxy was asked %q", err, out, proxy.was())
		}
	})
	t.Run("plain", func(t *testing.T) {
		proxy.reset(http.StatusOK)
		out, err := throughProxy(t, "HTTP_PROXY="+with, "ENVSEAL_TEST_PLAIN=1",
			"AWS_ENDPOINT_URL_KMS=http://example.com")
		if err != nil || !strings.HasSuffix(out, testARN) || len(proxy.was()) != 1 ||
			proxy.was()[0] != "POST http://example.com/"+auth {
			t.Errorf("%v: %s; the proxy was asked %q", err, out, proxy.was())
		}
	})
	t.Run("NO_PROXY", func(t *testing.T) {
		proxy.reset(http.StatusOK)
		out, err := throughProxy(t, "HTTPS_PROXY="+with, "NO_PROXY=.invalid",
			"AWS_ENDPOINT_URL_KMS=https://kms.invalid")
		if err == nil || len(proxy.was()) != 0 || !strings.Contains(out, "kms.invalid") {
			t.Errorf("%v: %s; the proxy was asked %q", err, out, proxy.was())
		}
	})
	t.Run("refuses", func(t *testing.T) {
		proxy.reset(http.StatusProxyAuthRequired)
		out, err := throughProxy(t, "HTTPS_PROXY="+with, "AWS_ENDPOINT_URL_KMS=https://example.com")
		if err == nil || len(proxy.was()) != 1 || !strings.Contains(out, "407") ||
			strings.Contains(out, "hunter2") {
			t.Errorf("%v: %s; the proxy was asked %q", err, out, proxy.was())
		}
	})
	t.Run("socks", func(t *testing.T) {
		out, err := throughProxy(t, "HTTPS_PROXY=socks5://127.0.0.1:1",
			"AWS_ENDPOINT_URL_KMS=https://example.com")
		if err == nil || !strings.Contains(out, `"socks5" are not supported`) {
			t.Errorf("%v: %s", err, out)
		}
	})
}
