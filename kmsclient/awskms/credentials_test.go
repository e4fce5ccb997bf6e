package awskms_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/awskms"
)

func goodKey() http.HandlerFunc {
	return says(200, object("KeyId", testARN, "CiphertextBlob", b64(9), "Plaintext", b64(32)))
}

// unsent is a server that must not be asked.
func unsent(t *testing.T) *fake {
	return serve(t, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was sent", r.Header.Get("X-Amz-Target"))
	})
}

// TestNoCredentials: where there are none, the answer comes within 2 s, also where the instance
// metadata never answer, says what was looked for, and comes at once the second time.
func TestNoCredentials(t *testing.T) {
	hang := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for name, metadata := range map[string]string{"metadata off": "", "metadata silent": hang.URL} {
		t.Run(name, func(t *testing.T) {
			clean(t)
			words := "AWS_EC2_METADATA_DISABLED"
			if metadata != "" {
				setenv(t, "AWS_EC2_METADATA_DISABLED", "false")
				setenv(t, "AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata)
				words = "no answer within 250ms"
			}
			c := awskms.New(quick(unsent(t).URL))
			start := time.Now()
			err := generate(t, c)
			took := time.Since(start)
			wantError(t, err, kmsclient.ErrCredentials, "GenerateDataKey", testARN, words, "environment",
				"profile default", os.Getenv("AWS_CONFIG_FILE"), "SSO", "web identity", "container",
				"credential_process", "instance metadata", "aws configure")
			start = time.Now()
			wantError(t, generate(t, c), kmsclient.ErrCredentials)
			// Two requests of 250 ms each: for a token, and without one.
			if again := time.Since(start); took > 1300*time.Millisecond || again > 50*time.Millisecond {
				t.Errorf("took %v, then %v", took, again)
			}
			if c.Calls() != 0 {
				t.Errorf("%d calls", c.Calls())
			}
		})
	}
}

// TestMetadata: credentials of an instance are found in the same short time.
func TestMetadata(t *testing.T) {
	metadata := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut:
			w.Header().Set("x-aws-ec2-metadata-token-ttl-seconds", "21600")
			_, _ = w.Write([]byte("token"))
		case strings.HasSuffix(r.URL.Path, "/security-credentials/"):
			_, _ = w.Write([]byte("backup-role"))
		default:
			_, _ = w.Write([]byte(`{"Code":"Success","AccessKeyId":"AKIDINSTANCE","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}`))
		}
	})
	clean(t)
	setenv(t, "AWS_EC2_METADATA_DISABLED", "false")
	setenv(t, "AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.URL)
	f := serve(t, goodKey())
	must(t, generate(t, awskms.New(quick(f.URL))))
	got := f.seen[0].Header.Get("Authorization")
	if !strings.Contains(got, "Credential=AKIDINSTANCE/") {
		t.Errorf("signed with %q", got)
	}
}

// TestProfiles: what can be wrong with a profile, each with its way out and in short time.
func TestProfiles(t *testing.T) {
	dir := t.TempDir()
	leak := filepath.Join(dir, "leak")
	must(t, os.WriteFile(leak,
		[]byte("#!/bin/sh\necho '{\"Version\":1,\"SecretAccessKey\":\"TOPSECRETKEY\" oops'\n"), 0o700))
	sts := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(403)
		_, _ = w.Write([]byte(`<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>`))
	})
	for name, test := range map[string]struct {
		config, profile string
		words           []string
	}{
		"unknown": {"[profile a]\n", "nobody", []string{`"nobody"`, "list-profiles"}},
		"sso": {
			"[profile dev]\nsso_session = corp\nsso_account_id = 111122223333\nsso_role_name = Backup\n" +
				"[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp.awsapps.example.com/start\n",
			"dev", []string{"aws sso login --profile dev"}},
		"old sso": {"[profile dev]\nsso_region = eu-west-1\nsso_start_url = https://corp.awsapps.example.com/start\n" +
			"sso_account_id = 111122223333\nsso_role_name = Backup\n", "dev",
			[]string{"aws sso login --profile dev"}},
		"login": {"[profile dev]\nlogin_session = arn:aws:iam::111122223333:user/a\n", "dev",
			[]string{"aws login --profile dev"}},
		"process": {"[profile dev]\ncredential_process = " + leak + "\n", "dev",
			[]string{"credential_process", "dev"}},
		"mfa without a terminal": {"[profile dev]\nrole_arn = arn:aws:iam::111122223333:role/r\nmfa_serial = arn:aws:iam::111122223333:mfa/me\nsource_profile = src\n" +
			"[profile src]\naws_access_key_id = A\naws_secret_access_key = B\n", "dev",
			[]string{"MFA code", "terminal", "dev"}},
		"role refused": {
			"[profile dev]\nrole_arn = arn:aws:iam::111122223333:role/r\nsource_profile = src\n" +
				"[profile src]\naws_access_key_id = A\naws_secret_access_key = B\n", "dev",
			[]string{"arn:aws:iam::111122223333:role/r", "AccessDenied", "not you"}},
		"role without source": {
			"[profile dev]\nrole_arn = arn:aws:iam::111122223333:role/r\nsource_profile = nobody\n",
			"dev", []string{"nobody"}},
		"empty": {"[profile dev]\nregion = eu-west-1\n", "dev", []string{"profile dev of", "looked for"}},
	} {
		t.Run(name, func(t *testing.T) {
			clean(t)
			profile(t, test.config)
			setenv(t, "AWS_ENDPOINT_URL_STS", sts.URL)
			cfg := quick(unsent(t).URL)
			cfg.Profile = test.profile
			start := time.Now()
			err := generate(t, awskms.New(cfg))
			wantError(t, err, kmsclient.ErrCredentials, test.words...)
			text, _ := json.Marshal(errors.Unwrap(err))
			all := fmt.Sprintf("%v %+v %s %q", err, errors.Unwrap(err), text, err)
			if strings.Contains(all, "TOPSECRET") {
				t.Errorf("the error tells the secret: %s", all)
			}
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestMFA: the code is asked for once and sent, and the time of asking is nobody's timeout.
func TestMFA(t *testing.T) {
	sts := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>AKIDROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey>` +
			`<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`))
	})
	clean(t)
	setenv(t, "AWS_ENDPOINT_URL_STS", sts.URL)
	profile(t, "[default]\nrole_arn = arn:aws:iam::111122223333:role/r\nmfa_serial = arn:aws:iam::111122223333:mfa/me\nsource_profile = src\n"+
		"[profile src]\naws_access_key_id = A\naws_secret_access_key = B\n")
	f := serve(t, goodKey())
	cfg := quick(f.URL)
	asked := 0
	cfg.MFAToken = func() (string, error) { asked++; return "123456\n", nil }
	c := awskms.New(cfg)
	must(t, generate(t, c))
	must(t, generate(t, c))
	if asked != 1 || !strings.Contains(string(sts.bytes[0]), "TokenCode=123456&") {
		t.Errorf("asked %d times, STS got %s", asked, sts.bytes[0])
	}
	if got := f.seen[1].Header.Get("Authorization"); !strings.Contains(got, "Credential=AKIDROLE/") {
		t.Errorf("signed with %q", got)
	}
}

// TestRole: --role-arn is assumed with the credentials found. STS is asked in the Region of the key
// where no other is set.
func TestRole(t *testing.T) {
	sts := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>AKIDROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey>` +
			`<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`))
	})
	clean(t)
	keys(t)
	setenv(t, "AWS_ENDPOINT_URL_STS", sts.URL)
	f := serve(t, goodKey())
	cfg := quick(f.URL)
	cfg.Region, cfg.RoleARN = "", "arn:aws:iam::111122223333:role/backup"
	c := awskms.New(cfg)
	must(t, generate(t, c))
	if got := f.seen[0].Header.Get("Authorization"); !strings.Contains(got, "Credential=AKIDROLE/") {
		t.Errorf("signed with %q", got)
	}
	got := sts.seen[0].Header.Get("Authorization")
	if !strings.Contains(got, "/eu-central-1/sts/") ||
		!strings.Contains(string(sts.bytes[0]), "backup") {
		t.Errorf("STS was asked with %q, %s", got, sts.bytes[0])
	}
	_, err := c.DescribeKey(t.Context(), "alias/app", kmsclient.Options{})
	wantError(t, err, kmsclient.ErrInvalidRequest, "no Region") // the Region lent to STS is no default

	c = awskms.New(cfg)
	region, err := c.Region(t.Context()) // loads the configuration before there is a key
	must(t, err)
	must(t, generate(t, c))
	got = sts.seen[1].Header.Get("Authorization")
	if region != "" || !strings.Contains(got, "/eu-central-1/sts/") {
		t.Errorf("in the Region %q STS was asked with %q", region, got)
	}
}

// TestExpired: a token that has expired is fetched anew once; where there is no new one the error
// says where it came from.
func TestExpired(t *testing.T) {
	f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Authorization"), "AKID2") {
			goodKey()(w, r)
			return
		}
		exception(400, "ExpiredTokenException",
			"The security token included in the request is expired")(w, r)
	})
	t.Run("renewed", func(t *testing.T) {
		clean(t)
		dir := t.TempDir()
		program := filepath.Join(dir, "program")
		must(t, os.WriteFile(program, []byte(`#!/bin/sh
n=$(cat `+dir+`/n 2>/dev/null || echo 0); n=$((n+1)); echo $n >`+dir+`/n
echo "{\"Version\":1,\"AccessKeyId\":\"AKID$n\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t$n\",\"Expiration\":\"2099-01-01T00:00:00Z\"}"
`), 0o700))
		profile(t, "[default]\ncredential_process = "+program+"\n")
		before := f.count()
		must(t, generate(t, awskms.New(quick(f.URL))))
		if n := f.count() - before; n != 2 {
			t.Errorf("%d attempts", n)
		}
	})
	t.Run("static", func(t *testing.T) {
		clean(t)
		keys(t)
		setenv(t, "AWS_SESSION_TOKEN", "old")
		before := f.count()
		wantError(t, generate(t, awskms.New(quick(f.URL))), kmsclient.ErrCredentials,
			"ExpiredTokenException", "environment", "AWS_SESSION_TOKEN")
		if n := f.count() - before; n != 1 {
			t.Errorf("%d attempts", n)
		}
	})
}

// TestWarnings: half a key pair is not passed over in silence, and neither is a session without
// certificates.
func TestWarnings(t *testing.T) {
	clean(t)
	setenv(t, "AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	var warned []string
	cfg := quick(unsent(t).URL)
	cfg.Warn = func(line string) { warned = append(warned, line) }
	cfg.NoVerifySSL = true
	c := awskms.New(cfg)
	wantError(t, generate(t, c), kmsclient.ErrCredentials)
	wantError(t, generate(t, c), kmsclient.ErrCredentials)
	if len(warned) != 2 || !strings.Contains(strings.Join(warned, "\n"), "AWS_ACCESS_KEY_ID") ||
		!strings.Contains(strings.Join(warned, "\n"), "no-verify-ssl") {
		t.Errorf("warned %q", warned)
	}
}

// TestUnsigned: no credentials are looked for and none are sent.
func TestUnsigned(t *testing.T) {
	clean(t)
	f := serve(t, goodKey())
	cfg := quick(f.URL)
	cfg.NoSignRequest = true
	must(t, generate(t, awskms.New(cfg)))
	if got := f.seen[0].Header.Get("Authorization"); got != "" {
		t.Errorf("signed with %q", got)
	}
}

// TestDebug: a line for each attempt, and nothing secret in any.
func TestDebug(t *testing.T) {
	clean(t)
	keys(t)
	n := 0
	f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n++; n == 1 {
			exception(500, "KMSInternalException", "")(w, r)
			return
		}
		goodKey()(w, r)
	})
	var log strings.Builder
	cfg := quick(f.URL)
	cfg.Debug = &log
	must(t, generate(t, awskms.New(cfg)))
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "attempt 1") ||
		!strings.Contains(lines[0], "HTTP 500") ||
		!strings.Contains(lines[1], "GenerateDataKey attempt 2") ||
		!strings.Contains(lines[1], "HTTP 200, request id req-1") {
		t.Errorf("logged %q", lines)
	}
	for _, secret := range []string{b64(32)[:8], "kkkk", "Signature", "EXAMPLEKEY", "AKID"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}
