package awskms_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/awskms"
)

func exception(status int, code, message string) http.HandlerFunc {
	return says(status, object("__type", code, "message", message))
}

// TestExceptions: each exception of KMS becomes its kind, with code, message, request id and key,
// after the attempts it is worth.
func TestExceptions(t *testing.T) {
	for _, test := range []struct {
		code     string
		status   int
		kind     error
		attempts int
	}{
		{"NotFoundException", 400, kmsclient.ErrNotFound, 1},
		{"DisabledException", 400, kmsclient.ErrDisabled, 1},
		{"KMSInvalidStateException", 400, kmsclient.ErrInvalidState, 1},
		{"InvalidCiphertextException", 400, kmsclient.ErrInvalidCiphertext, 1},
		{"IncorrectKeyException", 400, kmsclient.ErrIncorrectKey, 1},
		{"InvalidKeyUsageException", 400, kmsclient.ErrInvalidKeyUsage, 1},
		{"InvalidGrantTokenException", 400, kmsclient.ErrInvalidGrantToken, 1},
		{"AlreadyExistsException", 400, kmsclient.ErrAlreadyExists, 1},
		{"DryRunOperationException", 400, kmsclient.ErrDryRun, 1},
		{"AccessDeniedException", 400, kmsclient.ErrAccessDenied, 1},
		{"ValidationException", 400, kmsclient.ErrInvalidRequest, 1},
		{"NoSuchException", 400, kmsclient.ErrInvalidRequest, 1},
		{"UnrecognizedClientException", 400, kmsclient.ErrCredentials, 1},
		{"InvalidSignatureException", 400, kmsclient.ErrCredentials, 1},
		{"ExpiredTokenException", 400, kmsclient.ErrCredentials, 1},
		{"ThrottlingException", 400, kmsclient.ErrThrottled, 5},
		{"LimitExceededException", 400, kmsclient.ErrQuota, 5},
		{"KMSInternalException", 500, kmsclient.ErrUnavailable, 5},
		{"DependencyTimeoutException", 503, kmsclient.ErrUnavailable, 5},
		{"KeyUnavailableException", 500, kmsclient.ErrUnavailable, 5},
		{"NoSuchException", 500, kmsclient.ErrUnavailable, 5},
	} {
		t.Run(fmt.Sprint(test.code, test.status), func(t *testing.T) {
			clean(t)
			keys(t)
			f := serve(t, exception(test.status, test.code, "in the \x1b[31m service's\nwords"))
			c := awskms.New(quick(f.URL))
			err := generate(t, c)
			wantError(t, err, test.kind, "GenerateDataKey", testARN, test.code, "req-1", "service's words")
			if f.count() != test.attempts || c.Calls() != 1 {
				t.Errorf("%d attempts for %d calls, want %d", f.count(), c.Calls(), test.attempts)
			}
		})
	}
}

// foreignAnswers are not from KMS. attempts are those that they are worth.
var foreignAnswers = map[string]struct {
	answer   http.HandlerFunc
	kind     error
	attempts int
	words    string
}{
	"502 of a proxy": {says(502, "<html>Bad Gateway"), kmsclient.ErrUnavailable, 5, "502"},
	"503 at length":  {says(503, strings.Repeat("x", 200<<10)), kmsclient.ErrUnavailable, 5, "503"},
	"429":            {says(429, "{}"), kmsclient.ErrThrottled, 5, "429"},
	"403 of a proxy": {says(403, "<html>Forbidden"), kmsclient.ErrBadAnswer, 1, "endpoint"},
	"404":            {says(404, "{}"), kmsclient.ErrBadAnswer, 1, "404"},
	"204":            {says(204, ""), kmsclient.ErrBadAnswer, 1, ""},
	"redirect": {func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}, kmsclient.ErrBadAnswer, 1, "/elsewhere"},
	"gzip": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"))
	}, kmsclient.ErrBadAnswer, 1, "JSON"},
	"endless head": {func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
		for range 300 {
			_, _ = fmt.Fprintf(conn, "X: %s\r\n", strings.Repeat("x", 1024))
		}
	}, kmsclient.ErrBadAnswer, 1, "longer"},
	"endless interim": {func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		defer conn.Close()
		for range 100 {
			_, _ = io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\n\r\n")
		}
	}, kmsclient.ErrBadAnswer, 1, "end"},
	"not HTTP": {func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		defer conn.Close()
		_, _ = io.WriteString(conn, "220 mail.example.com ESMTP\r\n\r\n")
	}, kmsclient.ErrBadAnswer, 1, "not HTTP"},
	"closed": {func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		conn.Close()
	}, kmsclient.ErrUnavailable, 5, ""},
	"cut": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"KeyId":`))
	}, kmsclient.ErrUnavailable, 5, "middle"},
	"reset": {func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
			panic(err)
		}
		conn.Close()
	}, kmsclient.ErrUnavailable, 5, ""},
}

// TestForeignAnswers: what is not from KMS.
func TestForeignAnswers(t *testing.T) {
	for name, test := range foreignAnswers {
		t.Run(name, func(t *testing.T) {
			clean(t)
			keys(t)
			f := serve(t, test.answer)
			wantError(t, generate(t, awskms.New(quick(f.URL))), test.kind, test.words)
			if f.count() != test.attempts {
				t.Errorf("%d attempts, want %d", f.count(), test.attempts)
			}
			if f.seen[0].Header.Get("Accept-Encoding") != "" &&
				f.seen[0].Header.Get("Accept-Encoding") != "identity" {
				t.Errorf("asked for the encoding %q", f.seen[0].Header.Get("Accept-Encoding"))
			}
		})
	}
}

// TestHugeAnswer: 1 GiB is refused after a few pages of memory.
func TestHugeAnswer(t *testing.T) {
	clean(t)
	keys(t)
	f := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"KeyId":"`))
		page := bytes.Repeat([]byte("a"), 1<<20)
		for range 1024 {
			if _, err := w.Write(page); err != nil {
				return
			}
		}
	})
	c := awskms.New(quick(f.URL))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := c.ListKeys(t.Context())
	runtime.ReadMemStats(&after)
	wantError(t, err, kmsclient.ErrBadAnswer, "longer")
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
		t.Errorf("%d MiB were allocated", grown>>20)
	}
	if f.count() != 1 {
		t.Errorf("%d attempts", f.count())
	}
}

// TestSilence: whoever never answers, or drop by drop, gets two attempts, and each has an end.
func TestSilence(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	trickle := func(w http.ResponseWriter, r *http.Request) {
		for range 1000 {
			if _, err := w.Write([]byte(" ")); err != nil || r.Context().Err() != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	}
	for name, answer := range map[string]http.HandlerFunc{"hang": hang, "trickle": trickle} {
		t.Run(name, func(t *testing.T) {
			clean(t)
			keys(t)
			f := serve(t, answer)
			cfg := quick(f.URL)
			cfg.ReadTimeout = 150 * time.Millisecond
			start := time.Now()
			wantError(t, generate(t, awskms.New(cfg)), kmsclient.ErrUnavailable, "timeout")
			if took := time.Since(start); took > 2*time.Second || f.count() != 2 {
				t.Errorf("%d attempts in %v", f.count(), took)
			}
		})
	}
}

// TestBrokenOff: an answer that ends or stops at any byte is a failure of the network, also within
// a line of its head.
func TestBrokenOff(t *testing.T) {
	clean(t)
	keys(t)
	body := object("KeyId", testARN, "Plaintext", b64(32), "CiphertextBlob", b64(100))
	whole := fmt.Sprintf(
		"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %d\r\n\r\n%s",
		len(body), body)
	for n := range len(whole) {
		stops := n%16 == 9
		f := serve(t, func(w http.ResponseWriter, r *http.Request) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			defer conn.Close()
			_, _ = io.WriteString(conn, whole[:n])
			if stops {
				_, _ = io.Copy(io.Discard, conn)
			}
		})
		cfg := quick(f.URL)
		cfg.MaxAttempts, cfg.ReadTimeout = 1, 5*time.Second
		words := "GenerateDataKey"
		if stops {
			cfg.ReadTimeout, words = 100*time.Millisecond, "timeout while waiting for the answer"
		}
		wantError(t, generate(t, awskms.New(cfg)), kmsclient.ErrUnavailable, words)
		if t.Failed() {
			t.Fatalf("after %d bytes", n)
		}
	}
}

// TestDeadHosts: connections that are refused, accepted and never spoken to, or lost on the way.
func TestDeadHosts(t *testing.T) {
	listen := func(t *testing.T) net.Listener {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		t.Cleanup(func() { ln.Close() })
		return ln
	}
	t.Run("refused", func(t *testing.T) {
		clean(t)
		keys(t)
		ln := listen(t)
		must(t, ln.Close())
		wantError(t, generate(t, awskms.New(quick("http://"+ln.Addr().String()))),
			kmsclient.ErrUnavailable, "cannot reach", ln.Addr().String())
	})
	t.Run("no TLS", func(t *testing.T) {
		clean(t)
		keys(t)
		ln := listen(t)
		cfg := quick("https://" + ln.Addr().String())
		cfg.ReadTimeout, cfg.MaxAttempts = 100*time.Millisecond, 3
		wantError(t, generate(t, awskms.New(cfg)), kmsclient.ErrUnavailable, "timeout", "TLS")
	})
	t.Run("no name", func(t *testing.T) {
		clean(t)
		keys(t)
		cfg := quick("https://kms.envseal.invalid")
		cfg.ConnectTimeout = 2 * time.Second
		wantError(t, generate(t, awskms.New(cfg)), kmsclient.ErrUnavailable, "kms.envseal.invalid")
	})
}
