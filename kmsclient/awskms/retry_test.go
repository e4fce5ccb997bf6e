package awskms_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/awskms"
)

// TestCallTimeout bounds all attempts together.
func TestCallTimeout(t *testing.T) {
	clean(t)
	keys(t)
	f := serve(t, exception(500, "KMSInternalException", "try later"))
	cfg := quick(f.URL)
	cfg.CallTimeout, cfg.MaxAttempts, cfg.MaxBackoff = 1500*time.Millisecond, 1000, 40*time.Millisecond
	// two attempts without an answer would end the call before its time
	cfg.ConnectTimeout, cfg.ReadTimeout = time.Minute, time.Minute
	start := time.Now()
	wantError(t, generate(t, awskms.New(cfg)), kmsclient.ErrUnavailable, "try later")
	if took := time.Since(start); took > 5*time.Second || f.count() < 3 {
		t.Errorf("%d attempts in %v", f.count(), took)
	}
}

// TestCallTimeoutCutsAnAttempt: the attempt that the end of the call cut off says less than the one
// before it.
func TestCallTimeoutCutsAnAttempt(t *testing.T) {
	clean(t)
	keys(t)
	n := 0
	f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n++; n > 1 {
			<-r.Context().Done()
			return
		}
		exception(500, "KMSInternalException", "try later")(w, r)
	})
	cfg := quick(f.URL)
	cfg.ReadTimeout, cfg.CallTimeout = time.Minute, time.Second
	wantError(t, generate(t, awskms.New(cfg)), kmsclient.ErrUnavailable, "no success within 1s",
		"try later", "KMSInternalException")
}

// TestCancelled: the caller's own end is told as such, at once, and nothing is repeated.
func TestCancelled(t *testing.T) {
	clean(t)
	keys(t)
	ctx, cancel := context.WithCancel(t.Context())
	f := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	cfg := quick(f.URL)
	cfg.ReadTimeout = 10 * time.Second
	start := time.Now()
	_, err := awskms.New(cfg).DescribeKey(ctx, testARN, kmsclient.Options{})
	if !errors.Is(err, context.Canceled) || errors.Is(err, kmsclient.ErrUnavailable) ||
		!strings.Contains(err.Error(), "DescribeKey") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > 5*time.Second || f.count() != 1 {
		t.Errorf("%d attempts in %v", f.count(), took)
	}
}

// TestRecovers: after faults that pass, the call succeeds.
func TestRecovers(t *testing.T) {
	clean(t)
	keys(t)
	n := 0
	f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch n++; n {
		case 1:
			exception(400, "ThrottlingException", "Rate exceeded")(w, r)
		case 2:
			conn, _, _ := http.NewResponseController(w).Hijack()
			conn.Close()
		case 3:
			exception(500, "KMSInternalException", "")(w, r)
		default:
			says(200, object("KeyId", testARN, "CiphertextBlob", b64(9), "Plaintext", b64(32)))(w, r)
		}
	})
	must(t, generate(t, awskms.New(quick(f.URL))))
	if f.count() != 4 {
		t.Errorf("%d attempts", f.count())
	}
}

// TestNotTwice: what would happen twice is not repeated once it may have arrived, but it is where
// it certainly did not.
func TestNotTwice(t *testing.T) {
	clean(t)
	keys(t)
	f := serve(t, exception(500, "KMSInternalException", ""))
	c := awskms.New(quick(f.URL))
	_, err := c.CreateKey(t.Context(), kmsclient.CreateKeyInput{})
	wantError(t, err, kmsclient.ErrUnavailable)
	wantError(t, c.RotateKeyOnDemand(t.Context(), testARN), kmsclient.ErrUnavailable)
	if f.count() != 2 {
		t.Errorf("%d attempts for two calls", f.count())
	}
	f = serve(t, exception(400, "ThrottlingException", ""))
	_, err = awskms.New(quick(f.URL)).CreateKey(t.Context(), kmsclient.CreateKeyInput{})
	wantError(t, err, kmsclient.ErrThrottled)
	if f.count() != 5 {
		t.Errorf("%d attempts of a throttled CreateKey", f.count())
	}
}

// TestClockSkew: the second attempt is signed with the service's time; where that is refused too,
// the error says how wrong the clock is.
func TestClockSkew(t *testing.T) {
	const behind = 2 * time.Hour
	for _, healed := range []bool{true, false} {
		t.Run(fmt.Sprint(healed), func(t *testing.T) {
			clean(t)
			keys(t)
			f := serve(t, func(w http.ResponseWriter, r *http.Request) {
				now := time.Now().Add(behind).UTC()
				w.Header().Set("Date", now.Format(http.TimeFormat))
				signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
				if err != nil || now.Sub(signed).Abs() > 5*time.Minute || !healed {
					exception(400, "InvalidSignatureException", "Signature expired")(w, r)
					return
				}
				says(200, object("KeyId", testARN, "CiphertextBlob", b64(9), "Plaintext", b64(32)))(w, r)
			})
			err := generate(t, awskms.New(quick(f.URL)))
			if f.count() != 2 {
				t.Errorf("%d attempts", f.count())
			}
			if healed {
				must(t, err)
				return
			}
			wantError(t, err, kmsclient.ErrCredentials, "clock", "behind", "Signature expired")
			if !strings.Contains(err.Error(), "2h0m0s") && !strings.Contains(err.Error(), "1h59m59s") {
				t.Errorf("%v does not say how much", err)
			}
		})
	}
}

// TestMaxAttempts comes from Config, from the environment, and is 5 otherwise.
func TestMaxAttempts(t *testing.T) {
	for _, test := range []struct {
		cfg  int
		env  string
		want int
	}{{0, "", 5}, {2, "", 2}, {0, "3", 3}, {1, "3", 1}} {
		clean(t)
		keys(t)
		if test.env != "" {
			setenv(t, "AWS_MAX_ATTEMPTS", test.env)
		}
		f := serve(t, exception(400, "ThrottlingException", ""))
		cfg := quick(f.URL)
		cfg.MaxAttempts = test.cfg
		wantError(t, generate(t, awskms.New(cfg)), kmsclient.ErrThrottled)
		if f.count() != test.want {
			t.Errorf("%+v: %d attempts", test, f.count())
		}
	}
}
