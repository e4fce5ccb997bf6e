package awskms_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/awskms"
)

const replicated = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"

// signedFor is the Region in the signature of the last request.
func (f *fake) signedFor(t *testing.T) string {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	parts := strings.Split(f.seen[len(f.seen)-1].Header.Get("Authorization"), "/")
	if len(parts) < 4 {
		t.Fatal("the request is not signed")
	}
	return parts[2]
}

// asked echoes the KeyId that was asked for, as KMS does with a key ARN.
func asked(f **fake) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body := string((*f).bytes[len((*f).bytes)-1])
		_, rest, _ := strings.Cut(body, `"KeyId":"`)
		id, _, _ := strings.Cut(rest, `"`)
		if !strings.HasPrefix(id, "arn:") {
			id = testARN
		}
		says(200, object("KeyId", id, "Plaintext", b64(32)))(w, r)
	}
}

// regionTests say for a key, and for where the Region can come from, which is taken.
var regionTests = []struct {
	name, config, env, profile, key string
	want, sends, words              string // Region and KeyId; empty: refused, with these words
}{
	{"from the ARN", "", "", "", testARN, "eu-central-1", testARN, ""},
	{"ARN before the environment", "", "us-west-2", "us-west-1", testARN,
		"eu-central-1", testARN, ""},
	{"the same twice", "eu-central-1", "us-west-2", "", testARN, "eu-central-1", testARN, ""},
	{"contradiction", "us-west-2", "", "", testARN, "", "", "us-west-2"},
	{"contradicting alias", "us-west-2", "", "", "arn:aws:kms:eu-central-1:111122223333:alias/app",
		"", "", "us-west-2"},
	{"replica", "eu-west-1", "", "", replicated, "eu-west-1",
		strings.Replace(replicated, "us-east-1", "eu-west-1", 1), ""},
	{"multi-Region key at home", "", "eu-west-1", "", replicated, "us-east-1", replicated, ""},
	{"alias and Config", "ap-south-1", "us-west-2", "us-west-1", "alias/app",
		"ap-south-1", "alias/app", ""},
	{"alias and environment", "", "us-west-2", "us-west-1", "alias/app",
		"us-west-2", "alias/app", ""},
	{"alias and profile", "", "", "us-west-1", "alias/app", "us-west-1", "alias/app", ""},
	{"alias and nothing", "", "", "", "alias/app", "", "", "no Region"},
	{"local", "", "", "", "arn:aws:kms:local:000000000000:key/11111111-2222-3333-4444-555555555555",
		"local", "arn:aws:kms:local:000000000000:key/11111111-2222-3333-4444-555555555555", ""},
	{"local and multi-Region elsewhere", "eu-west-1", "", "",
		"arn:aws:kms:local:000000000000:key/mrk-1234abcd12ab34cd56ef1234567890ab", "", "", "eu-west-1"},
	{"no ARN", "", "", "", "arn:aws:s3:::bucket", "", "", "arn:aws:s3"},
	{"endless", "eu-west-1", "", "", strings.Repeat("x", 2049), "", "", "longer than"},
}

// TestRegion: the ARN of the key says it, and otherwise Config, the environment, the profile; a
// contradiction is refused unsent.
func TestRegion(t *testing.T) {
	var f *fake
	f = serve(t, asked(&f))
	for _, test := range regionTests {
		t.Run(test.name, func(t *testing.T) {
			clean(t)
			keys(t)
			if test.env != "" {
				setenv(t, "AWS_REGION", test.env)
			}
			if test.profile != "" {
				profile(t, "[default]\nregion = "+test.profile+"\n")
			}
			cfg := quick(f.URL)
			cfg.Region = test.config
			before := f.count()
			out, err := awskms.New(cfg).Decrypt(t.Context(),
				kmsclient.DecryptInput{KeyID: test.key, CiphertextBlob: []byte("b")})
			if test.want == "" {
				wantError(t, err, kmsclient.ErrInvalidRequest, test.words)
				if f.count() != before {
					t.Error("it was sent")
				}
				return
			}
			must(t, err)
			out.Plaintext.Destroy()
			if got := f.signedFor(t); got != test.want {
				t.Errorf("signed for %s, want %s", got, test.want)
			}
			body := string(f.bytes[len(f.bytes)-1])
			if !strings.Contains(body, fmt.Sprintf(`"KeyId":%q`, test.sends)) {
				t.Errorf("sent %s", body)
			}
		})
	}
}

// TestReplicaAnswer: the answer must come from the replica that was asked, not from the key it is a
// replica of.
func TestReplicaAnswer(t *testing.T) {
	clean(t)
	keys(t)
	f := serve(t, says(200, object("KeyId", replicated, "Plaintext", b64(32))))
	cfg := quick(f.URL)
	cfg.Region = "eu-west-1"
	_, err := awskms.New(cfg).Decrypt(t.Context(),
		kmsclient.DecryptInput{KeyID: replicated, CiphertextBlob: []byte("b")})
	wantError(t, err, kmsclient.ErrBadAnswer)
}

// TestReEncryptRegions: the source must be in reach.
func TestReEncryptRegions(t *testing.T) {
	clean(t)
	keys(t)
	f := serve(t, says(200, object("KeyId", testARN, "SourceKeyId",
		strings.Replace(replicated, "us-east-1", "eu-central-1", 1), "CiphertextBlob", b64(9))))
	c := awskms.New(quick(f.URL))
	_, err := c.ReEncrypt(t.Context(),
		kmsclient.ReEncryptInput{DestinationKeyID: testARN, CiphertextBlob: []byte("b"),
			SourceKeyID: strings.Replace(otherARN, "eu-central-1", "us-east-1", 1)})
	wantError(t, err, kmsclient.ErrInvalidRequest, "us-east-1", "eu-central-1", "stays within")
	if f.count() != 0 {
		t.Error("it was sent")
	}
	_, err = c.ReEncrypt(t.Context(), kmsclient.ReEncryptInput{DestinationKeyID: testARN,
		CiphertextBlob: []byte("b"), SourceKeyID: replicated})
	must(t, err)
	if body := string(f.bytes[0]); !strings.Contains(body, "eu-central-1:111122223333:key/mrk-") {
		t.Errorf("sent %s", body)
	}
}

// TestEndpoint: where it comes from, and which are refused.
func TestEndpoint(t *testing.T) {
	f := serve(t, goodKey())
	for name, set := range map[string]func(t *testing.T, cfg *awskms.Config){
		"Config": func(t *testing.T, cfg *awskms.Config) { cfg.EndpointURL = f.URL },
		"Config before environment": func(t *testing.T, cfg *awskms.Config) {
			cfg.EndpointURL = f.URL
			setenv(t, "AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1")
		},
		"AWS_ENDPOINT_URL_KMS": func(t *testing.T, _ *awskms.Config) {
			setenv(t, "AWS_ENDPOINT_URL_KMS", f.URL)
		},
		"AWS_ENDPOINT_URL": func(t *testing.T, _ *awskms.Config) { setenv(t, "AWS_ENDPOINT_URL", f.URL) },
		"profile": func(t *testing.T, _ *awskms.Config) {
			profile(t, "[default]\nendpoint_url = "+f.URL+"\n")
		},
		"services section": func(t *testing.T, _ *awskms.Config) {
			profile(t, "[default]\nservices = x\n[services x]\nkms =\n  endpoint_url = "+f.URL+"\n")
		},
		"http not verified elsewhere": func(t *testing.T, cfg *awskms.Config) {
			cfg.EndpointURL = f.URL
			cfg.NoVerifySSL = true
		},
	} {
		t.Run(name, func(t *testing.T) {
			clean(t)
			keys(t)
			cfg := quick("")
			set(t, &cfg)
			c := awskms.New(cfg)
			must(t, generate(t, c))
			got, err := c.Endpoint(t.Context(), "eu-central-1")
			must(t, err)
			if got != f.URL {
				t.Errorf("Endpoint is %s, want %s", got, f.URL)
			}
		})
	}
	for url, words := range map[string]string{
		"http://192.0.2.1":                    "not https",
		"http://kms.localhost:4566":           "not https",
		"http://user:hunter2@kms.example.com": "not https",
		"kms.example.com":                     "not a URL",
		"ftp://127.0.0.1":                     "not a URL",
		"https://":                            "not a URL",
	} {
		t.Run(url, func(t *testing.T) {
			clean(t)
			keys(t)
			err := generate(t, awskms.New(quick(url)))
			wantError(t, err, kmsclient.ErrInvalidRequest, words)
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v tells the password", err)
			}
		})
	}
}

// TestEndpointOfAWS: without an endpoint it is AWS's of the Region; FIPS is one of those, and goes
// with no other.
func TestEndpointOfAWS(t *testing.T) {
	clean(t)
	keys(t)
	for _, test := range []struct {
		region, want string
		fips         bool
	}{
		{"eu-central-1", "https://kms.eu-central-1.amazonaws.com", false},
		{"us-east-1", "https://kms-fips.us-east-1.amazonaws.com", true},
		{"cn-north-1", "https://kms.cn-north-1.amazonaws.com.cn", false},
	} {
		got, err := awskms.New(awskms.Config{UseFIPS: test.fips}).Endpoint(t.Context(), test.region)
		must(t, err)
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.region, got, test.want)
		}
	}
	cfg := quick("https://127.0.0.1:1")
	cfg.UseFIPS = true
	wantError(t, generate(t, awskms.New(cfg)), kmsclient.ErrInvalidRequest, "FIPS")

	_, err := awskms.New(awskms.Config{}).DescribeKey(t.Context(),
		"arn:aws:kms:local:000000000000:key/a", kmsclient.Options{})
	wantError(t, err, kmsclient.ErrInvalidRequest, "keystore", "AWS_ENDPOINT_URL_KMS")
}
