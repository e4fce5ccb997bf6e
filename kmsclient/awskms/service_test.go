package awskms_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/awskms"
	"github.com/envseal/envseal/kmsclient/devserver"
	"github.com/envseal/envseal/kmsclient/kmstest"
)

// TestService runs what every key service must pass through this client, the SDK, HTTP and the
// development server.
func TestService(t *testing.T) {
	kmstest.Run(t, func(t *testing.T) kmsclient.Service {
		start(t, devserver.Options{})
		return awskms.New(awskms.Config{})
	})
}

// TestFaults: one call in ten fails in some way, and no work is lost. All that comes back is right.
func TestFaults(t *testing.T) {
	l := start(t, devserver.Options{})
	c := awskms.New(awskms.Config{MaxBackoff: time.Millisecond, ReadTimeout: 2 * time.Second})
	key, err := c.CreateKey(t.Context(), kmsclient.CreateKeyInput{})
	must(t, err)
	faults, err := devserver.ParseFaults(
		"seed=7,*=throttle:2%,*=500:2%,*=reset:2%,*=cut:2%,*=timeout:2%")
	must(t, err)
	must(t, l.srv.SetFaults(faults))
	const rounds = 100
	for range rounds {
		made, err := c.GenerateDataKey(t.Context(),
			kmsclient.GenerateDataKeyInput{KeyID: key.ARN, KeySpec: kmsclient.AES256})
		must(t, err)
		sealed, err := c.Encrypt(t.Context(),
			kmsclient.EncryptInput{KeyID: key.ARN, Plaintext: made.Plaintext.Bytes()})
		must(t, err)
		opened, err := c.Decrypt(t.Context(),
			kmsclient.DecryptInput{KeyID: key.ARN, CiphertextBlob: sealed.CiphertextBlob})
		must(t, err)
		if !bytes.Equal(opened.Plaintext.Bytes(), made.Plaintext.Bytes()) {
			t.Fatal("another key came back")
		}
		made.Plaintext.Destroy()
		opened.Plaintext.Destroy()
	}
	attempts := 0
	for _, n := range l.srv.Counts() {
		attempts += n
	}
	if c.Calls() != 3*rounds+1 || attempts < c.Calls()+rounds/10 {
		t.Errorf("%d calls in %d attempts", c.Calls(), attempts)
	}
}

// TestCallerIdentity asks an emulator on loopback where that serves KMS.
func TestCallerIdentity(t *testing.T) {
	start(t, devserver.Options{})
	c := awskms.New(awskms.Config{})
	who, err := c.CallerIdentity(t.Context(), "")
	must(t, err)
	region, err := c.Region(t.Context())
	must(t, err)
	if who.Account != kmsclient.LocalAccount || who.ARN == "" ||
		region != kmsclient.LocalRegion || c.Calls() != 0 {
		t.Errorf("%+v in %s after %d calls", who, region, c.Calls())
	}
	setenv(t, "AWS_SECRET_ACCESS_KEY", "another")
	_, err = awskms.New(awskms.Config{}).CallerIdentity(t.Context(), "")
	wantError(t, err, kmsclient.ErrCredentials, "GetCallerIdentity")
}

// TestCallerIdentityWhere: without a Region anywhere it is asked where the caller says, and
// otherwise not at all.
func TestCallerIdentityWhere(t *testing.T) {
	start(t, devserver.Options{StrictRegion: true, Region: "eu-west-1"})
	setenv(t, "AWS_REGION", "")
	_, err := awskms.New(awskms.Config{}).CallerIdentity(t.Context(), "")
	wantError(t, err, kmsclient.ErrInvalidRequest, "no Region")
	_, err = awskms.New(awskms.Config{}).CallerIdentity(t.Context(), "eu-west-1")
	must(t, err)
	_, err = awskms.New(awskms.Config{Region: "eu-west-1"}).CallerIdentity(t.Context(), "us-east-1")
	must(t, err)
}

// TestClockSkewTold: whatever answers tells the time, STS as well as KMS, and refusals too.
func TestClockSkewTold(t *testing.T) {
	l := start(t, devserver.Options{})
	for faults, ask := range map[string]func(c *awskms.Client) error{
		"ListKeys=skew:-2h": func(c *awskms.Client) error {
			_, err := c.ListKeys(t.Context())
			return err
		},
		"GetCallerIdentity=skew:-2h": func(c *awskms.Client) error {
			_, err := c.CallerIdentity(t.Context(), "")
			return err
		},
		"": func(c *awskms.Client) error {
			_, err := c.DescribeKey(t.Context(), "alias/nobody", kmsclient.Options{})
			if errors.Is(err, kmsclient.ErrNotFound) {
				return nil
			}
			return err
		},
	} {
		injected, err := devserver.ParseFaults(faults)
		must(t, err)
		must(t, l.srv.SetFaults(injected))
		c := awskms.New(awskms.Config{MaxBackoff: time.Millisecond})
		if _, known := c.ClockSkew(); known {
			t.Error("known before the first answer")
		}
		err = ask(c)
		if errors.Is(err, kmsclient.ErrCredentials) && faults != "" {
			err = nil // STS is asked once; the refusal tells the time
		}
		must(t, err)
		want := time.Duration(0)
		if faults != "" {
			want = -2 * time.Hour
		}
		if ahead, known := c.ClockSkew(); !known || (ahead-want).Abs() > 5*time.Second {
			t.Errorf("%s: %v, %v", faults, ahead, known)
		}
	}
}

// TestPages: lists are followed to their end, and a list without one is given up.
func TestPages(t *testing.T) {
	clean(t)
	keys(t)
	endless := false
	var f *fake
	f = serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked := string(f.bytes[len(f.bytes)-1])
		switch {
		case endless:
			says(200, `{"Keys":[],"Truncated":true,"NextMarker":"again"}`)(w, nil)
		case strings.Contains(asked, `"Marker":"two"`):
			says(200,
				`{"Keys":[{"KeyId":"c","KeyArn":"C"}],"Aliases":[{"AliasName":"alias/c"}],"Truncated":false}`)(
				w, nil)
		default:
			says(200, `{"Keys":[{"KeyId":"a","KeyArn":"A"},{"KeyId":"b","KeyArn":"B"}],"Aliases":[{"AliasName":"alias/a"}],"Truncated":true,"NextMarker":"two"}`)(w, nil)
		}
	})
	c := awskms.New(quick(f.URL))
	list, err := c.ListKeys(t.Context())
	must(t, err)
	aliases, err := c.ListAliases(t.Context(), "")
	must(t, err)
	if len(list) != 3 || list[2].ARN != "C" || len(aliases) != 2 || c.Calls() != 4 {
		t.Errorf("%v, %v, %d calls", list, aliases, c.Calls())
	}
	endless = true
	_, err = c.ListKeys(t.Context())
	wantError(t, err, kmsclient.ErrBadAnswer, "ListKeys")
}

// BenchmarkGenerateDataKey is a call over TLS with the connection it needs.
func BenchmarkGenerateDataKey(b *testing.B) {
	clean(b)
	keys(b)
	s, bundle := secure(b,
		says(200, object("KeyId", testARN, "CiphertextBlob", b64(184), "Plaintext", b64(32))))
	c := awskms.New(awskms.Config{EndpointURL: s.URL, CABundle: bundle})
	for b.Loop() {
		key, err := c.GenerateDataKey(b.Context(),
			kmsclient.GenerateDataKeyInput{KeyID: testARN, KeySpec: kmsclient.AES256})
		must(b, err)
		key.Plaintext.Destroy()
	}
}
