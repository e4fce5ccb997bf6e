package main

import (
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/devserver"
	"github.com/envseal/envseal/kmsclient/keystore"
	"github.com/envseal/envseal/kmsclient/kmstest"
)

// replicated is a key service in two Regions, and a directory with the file f that uses it. key is
// a multi-Region key with the alias alias/app, single one of a single Region.
type replicated struct {
	t           *testing.T
	dir         string
	regions     *kmstest.Regions
	key, single *kmsclient.KeyMetadata
}

func newReplicated(t *testing.T) *replicated {
	t.Helper()
	r := &replicated{t: t, dir: t.TempDir()}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	store := filepath.Join(r.dir, "served")
	ok(keystore.Create(store, keystore.CreateOptions{PlaintextInsecure: true}))
	service, err := keystore.Open(store, keystore.Options{})
	ok(err)
	t.Cleanup(func() { service.Close() })
	r.key, err = service.CreateKey(t.Context(), kmsclient.CreateKeyInput{MultiRegion: true})
	ok(err)
	ok(service.CreateAlias(t.Context(), "alias/app", r.key.KeyID))
	r.single, err = service.CreateKey(t.Context(), kmsclient.CreateKeyInput{})
	ok(err)
	kms, err := devserver.New(service, devserver.Options{AllowUnsigned: true})
	ok(err)
	r.regions = kmstest.NewRegions(kms, "us-east-1", "eu-west-1")
	server := httptest.NewServer(r.regions)
	t.Cleanup(server.Close)
	none := filepath.Join(r.dir, "none")
	for name, value := range map[string]string{"HOME": r.dir, "ENVSEAL_KEYSTORE": none,
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_REGION": "us-east-1",
		"AWS_ENDPOINT_URL_KMS": server.URL, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
		"AWS_SECRET_ACCESS_KEY": "x", "AWS_MAX_ATTEMPTS": "1"} {
		t.Setenv(name, value)
	}
	write(t, filepath.Join(r.dir, "f"), randomBytes(1000))
	return r
}

// run runs envseal, which must end with this exit code and say what stderr matches.
func (r *replicated) run(code int, stderr string, args ...string) {
	r.t.Helper()
	c := exec.Command("envseal", args...)
	c.Dir = r.dir
	out, err := c.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	if got := c.ProcessState.ExitCode(); got != code || !regexp.MustCompile(stderr).Match(out) {
		r.t.Errorf("envseal %s: exit code %d, want %d and %q\n%s",
			strings.Join(args, " "), got, code, stderr, out)
	}
}

// TestReplica seals with a multi-Region key of us-east-1, loses that Region, and goes on with the
// replica in eu-west-1.
func TestReplica(t *testing.T) {
	r := newReplicated(t)
	run, regions := r.run, r.regions
	home := strings.Replace(r.key.ARN, ":local:", ":us-east-1:", 1)
	replica := strings.Replace(r.key.ARN, ":local:", ":eu-west-1:", 1)

	run(0, "sealed for "+home, "encrypt", "-v", "-k", "alias/app", "f")
	run(0, "opened with "+home, "verify", "f.sealed")
	run(0, "opened with "+replica, "verify", "--region", "eu-west-1", "f.sealed")

	regions.SetDown("us-east-1", true)
	asked := regions.Requests("us-east-1")
	run(0, "opened with "+replica, "decrypt", "--region", "eu-west-1", "-o", "g", "f.sealed")
	run(0, "", "verify", "-k", replica, "f.sealed")
	run(0, "", "verify", "--region", "eu-west-1", "-k", home, "f.sealed")
	run(0, "", "verify", "--region", "eu-west-1", "-k", "alias/app", "f.sealed")
	run(5, "has no replica in us-west-2", "verify", "--region", "us-west-2", "f.sealed")
	run(9, "no key of this file is allowed", "verify", "--region", "eu-west-1",
		"-k", replica[:len(replica)-4]+"0000", "f.sealed")
	run(0, replica+"(.|\n)* decrypt +allowed", "doctor", "--region", "eu-west-1",
		"--expect", "decrypt=allowed", "f.sealed")
	run(0, "multi-Region primary key(.|\n)* decrypt +allowed", "doctor", "-k", replica, "f.sealed")
	if regions.Requests("us-east-1") != asked {
		t.Error("the Region that is down was asked")
	}
	run(6, "The Region us-east-1 is down", "doctor", "f.sealed")
	run(6, "The Region us-east-1 is down", "verify", "f.sealed")
	run(0, home+" -> "+replica, "rewrap", "--region", "eu-west-1", "--to", home, "f.sealed")
	run(0, "opened with "+replica, "verify", "f.sealed")

	// Of many files, what --via-decrypt has had in memory is said once. --update knows a key of
	// another Region.
	regions.SetDown("us-east-1", false)
	there := strings.Replace(r.single.ARN, ":local:", ":eu-west-1:", 1)
	for _, name := range []string{"one", "two"} {
		run(0, "", "encrypt", "-k", r.single.KeyID, "-o", name, "f")
	}
	run(3, "warning: the keys in 2 slots were decrypted in this process, for another Region\n"+
		"envseal: 2 files re-wrapped, 1 failed\n",
		"rewrap", "--via-decrypt", "--to", there, "one", "two", "none")
	run(0, "^envseal: 0 files re-wrapped, 2 left out\n$",
		"rewrap", "--update", "--to", there, "one", "two")
	run(0, "", "verify", "-k", there, "one", "two")
	for _, name := range []string{"f", "g"} {
		if b, err := os.ReadFile(filepath.Join(r.dir, name)); err != nil || len(b) != 1000 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
}
