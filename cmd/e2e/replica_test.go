package e2e

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/devserver"
	"github.com/envseal/envseal/kmsclient/keystore"
	"github.com/envseal/envseal/kmsclient/kmstest"
)

// regionsRig has a key service with a multi-Region key of us-east-1, alias/app, that has a replica
// in eu-west-1, and with a key of one Region.
func regionsRig(t *testing.T) (r *rig, regions *kmstest.Regions,
	replicated, single *kmsclient.KeyMetadata) {
	t.Helper()
	r = newRig(t)
	err := keystore.Create(r.path("served"), keystore.CreateOptions{PlaintextInsecure: true})
	if err != nil {
		t.Fatal(err)
	}
	service, err := keystore.Open(r.path("served"), keystore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Close() })
	replicated, err = service.CreateKey(t.Context(), kmsclient.CreateKeyInput{MultiRegion: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := service.CreateAlias(t.Context(), "alias/app", replicated.KeyID); err != nil {
		t.Fatal(err)
	}
	if single, err = service.CreateKey(t.Context(), kmsclient.CreateKeyInput{}); err != nil {
		t.Fatal(err)
	}
	kms, err := devserver.New(service, devserver.Options{AllowUnsigned: true})
	if err != nil {
		t.Fatal(err)
	}
	regions = kmstest.NewRegions(kms, "us-east-1", "eu-west-1")
	server := httptest.NewServer(regions)
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"HOME": r.dir, "AWS_CONFIG_FILE": r.path("none"), "AWS_SHARED_CREDENTIALS_FILE": r.path("none"),
		"AWS_ENDPOINT_URL_KMS": server.URL, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
		"AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1",
	} {
		t.Setenv(name, value)
	}
	return r, regions, replicated, single
}

// says runs envseal and wants this exit code, and output that matches said.
func (r *rig) says(code int, said string, args ...string) {
	r.Helper()
	c, _ := r.command(args...)
	c.Stderr = nil
	out, err := c.CombinedOutput()
	if err != nil && c.ProcessState == nil {
		r.Fatal(err)
	}
	if got := c.ProcessState.ExitCode(); got != code || !regexp.MustCompile(said).Match(out) {
		r.Errorf("envseal %s: exit code %d, want %d and %q\n%s",
			strings.Join(args, " "), got, code, said, out)
	}
}

// TestReplica seals with a multi-Region key of us-east-1, loses that Region, and goes on with the
// replica in eu-west-1.
func TestReplica(t *testing.T) {
	r, regions, made, single := regionsRig(t)
	r.write("f", randomBytes(1000))
	home := strings.Replace(made.ARN, ":local:", ":us-east-1:", 1)
	replica := strings.Replace(made.ARN, ":local:", ":eu-west-1:", 1)
	run := r.says

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
	run(9, "no key of this file is allowed", "verify", "--region", "eu-west-1", "-k",
		replica[:len(replica)-4]+"0000", "f.sealed")
	run(0, replica+"(.|\n)* decrypt +allowed", "doctor", "--region", "eu-west-1", "--expect",
		"decrypt=allowed", "f.sealed")
	run(0, "multi-Region primary key(.|\n)* decrypt +allowed", "doctor", "-k", replica, "f.sealed")
	if regions.Requests("us-east-1") != asked {
		t.Error("the Region that is down was asked")
	}
	run(6, "The Region us-east-1 is down", "doctor", "f.sealed")
	run(6, "The Region us-east-1 is down", "verify", "f.sealed")
	run(0, home+" -> "+replica, "rewrap", "--region", "eu-west-1", "--to", home, "f.sealed")
	run(0, "opened with "+replica, "verify", "f.sealed")

	// Of many files, what --via-decrypt has had in memory is said once; and --update knows a key of
	// another Region.
	regions.SetDown("us-east-1", false)
	there := strings.Replace(single.ARN, ":local:", ":eu-west-1:", 1)
	for _, name := range []string{"one", "two"} {
		run(0, "", "encrypt", "-k", single.KeyID, "-o", name, "f")
	}
	run(3, "warning: the keys in 2 slots were decrypted in this process, for another Region\n"+
		"envseal: 2 files re-wrapped, 1 failed\n", "rewrap", "--via-decrypt", "--to",
		there, "one", "two", "none")
	run(0, "^envseal: 0 files re-wrapped, 2 left out\n$", "rewrap", "--update",
		"--to", there, "one", "two")
	run(0, "", "verify", "-k", there, "one", "two")
	for _, name := range []string{"f", "g"} {
		if b := r.read(name); len(b) != 1000 {
			t.Errorf("%s: %d bytes", name, len(b))
		}
	}
}
