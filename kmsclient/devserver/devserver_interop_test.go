//go:build interop

package devserver_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/envseal/envseal/cmd/e2e/testhome"
	"github.com/envseal/envseal/kmsclient/devserver"
)

func TestMain(m *testing.M) { os.Exit(testhome.Run(m.Run)) }

// environment is this process's without its AWS settings, with those of the server.
func (r *rig) environment(dir string) []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") && !strings.Contains(strings.ToLower(v), "_proxy=") {
			env = append(env, v)
		}
	}
	id, secret := r.srv.Credentials()
	return append(env, "AWS_ACCESS_KEY_ID="+id, "AWS_SECRET_ACCESS_KEY="+secret,
		"AWS_DEFAULT_REGION=local", "AWS_REGION=local", "AWS_ENDPOINT_URL_KMS="+r.url,
		"AWS_ENDPOINT_URL_STS="+r.url, "AWS_MAX_ATTEMPTS=1",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE="+filepath.Join(dir, "none"),
		"AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(dir, "none"), "AWS_PAGER=")
}

// tool runs a program that must be there.
func (r *rig) tool(dir string, args ...string) (stdout, stderr string, exit int) {
	r.t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		r.t.Fatalf("make interop needs %s: %v", args[0], err)
	}
	cmd := exec.CommandContext(r.t.Context(), args[0], args[1:]...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, r.environment(dir), &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		r.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// aws runs an aws command that must succeed and gives its JSON; empty output is nil.
func (r *rig) aws(dir, line string) map[string]any {
	r.t.Helper()
	out, errs, exit := r.tool(dir, append([]string{"aws"}, strings.Fields(line)...)...)
	if exit != 0 {
		r.t.Fatalf("aws %s: exit %d: %s", line, exit, errs)
	}
	var doc map[string]any
	if strings.TrimSpace(out) != "" {
		must(r.t, json.Unmarshal([]byte(out), &doc))
	}
	return doc
}

// size is the length of a byte member.
func size(t *testing.T, doc map[string]any, name string) int {
	t.Helper()
	s, _ := doc[name].(string)
	b, err := base64.StdEncoding.DecodeString(s)
	must(t, err)
	return len(b)
}

// saveBlob writes a byte member to a file.
func saveBlob(t *testing.T, doc map[string]any, name, path string) {
	t.Helper()
	s, _ := doc[name].(string)
	b, err := base64.StdEncoding.DecodeString(s)
	must(t, err)
	must(t, os.WriteFile(path, b, 0o600))
}

func TestInteropAWSCommandDataKeys(t *testing.T) {
	r, dir := start(t, devserver.Options{}), t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.WriteFile(file("plain"), []byte("hello"), 0o600))
	const context = " --encryption-context app=web,env=prod"

	key := r.aws(dir, "kms generate-data-key --key-id alias/app --key-spec AES_256"+context)
	if size(t, key, "Plaintext") != 32 || key["KeyId"] != r.key.ARN {
		t.Fatalf("generate-data-key: %v", key["KeyId"])
	}
	n := size(t, r.aws(dir, "kms generate-data-key --key-id "+r.key.KeyID+" --number-of-bytes 64"),
		"Plaintext")
	if n != 64 {
		t.Fatalf("generate-data-key of 64 bytes: %d", n)
	}
	blind := r.aws(dir, "kms generate-data-key-without-plaintext --key-spec AES_128 --key-id "+
		r.key.ARN)
	if _, has := blind["Plaintext"]; has || size(t, blind, "CiphertextBlob") == 0 {
		t.Fatal("generate-data-key-without-plaintext")
	}
	pair := r.aws(dir,
		"kms generate-data-key-pair-without-plaintext --key-pair-spec ECC_NIST_P384 --key-id alias/app")
	if size(t, pair, "PublicKey") == 0 || pair["KeyPairSpec"] != "ECC_NIST_P384" {
		t.Fatalf("generate-data-key-pair-without-plaintext: %v", pair)
	}
	n = size(t, r.aws(dir, "kms generate-data-key-pair --key-pair-spec RSA_2048 --key-id alias/app"),
		"PrivateKeyPlaintext")
	if n < 1000 {
		t.Fatalf("generate-data-key-pair: private key of %d bytes", n)
	}
	if n := size(t, r.aws(dir, "kms generate-random --number-of-bytes 7"), "Plaintext"); n != 7 {
		t.Fatalf("generate-random: %d bytes", n)
	}

	sealed := r.aws(dir, "kms encrypt --key-id alias/app --plaintext fileb://plain"+context)
	saveBlob(t, sealed, "CiphertextBlob", file("sealed"))
	moved := r.aws(dir, "kms re-encrypt --ciphertext-blob fileb://sealed --destination-key-id alias/app --source-encryption-context app=web,env=prod")
	saveBlob(t, moved, "CiphertextBlob", file("moved"))
	for _, line := range []string{"kms decrypt --ciphertext-blob fileb://sealed" + context,
		"kms decrypt --ciphertext-blob fileb://moved --key-id alias/app"} {
		if out := r.aws(dir, line); out["Plaintext"] != "aGVsbG8=" || out["KeyId"] != r.key.ARN {
			t.Fatalf("%s: %v", line, out)
		}
	}
	// The Region is free.
	r.aws(dir, "--region us-east-1 kms describe-key --key-id alias/app")
}

func TestInteropAWSCommandKeys(t *testing.T) {
	r, dir := start(t, devserver.Options{}), t.TempDir()
	made, _ := r.aws(dir, "kms create-key --description mine")["KeyMetadata"].(map[string]any)
	id, _ := made["KeyId"].(string)
	state := func() any {
		m, _ := r.aws(dir, "kms describe-key --key-id "+id)["KeyMetadata"].(map[string]any)
		return m["KeyState"]
	}
	for _, c := range []struct{ line, state string }{
		{"create-alias --alias-name alias/mine --target-key-id " + r.key.KeyID, "Enabled"},
		{"update-alias --alias-name alias/mine --target-key-id " + id, "Enabled"},
		{"rotate-key-on-demand --key-id " + id, "Enabled"},
		{"disable-key --key-id " + id, "Disabled"},
		{"enable-key --key-id " + id, "Enabled"},
		{"schedule-key-deletion --pending-window-in-days 7 --key-id " + id, "PendingDeletion"},
		{"cancel-key-deletion --key-id " + id, "Disabled"},
	} {
		r.aws(dir, "kms "+c.line)
		if got := state(); got != c.state {
			t.Fatalf("after %s the key is %v", c.line, got)
		}
	}
	for line, want := range map[string]int{"list-aliases --page-size 1": 2,
		"list-aliases --key-id " + id: 1, "list-keys --page-size 1": 2, "list-keys --max-items 1": 1} {
		doc := r.aws(dir, "kms "+line)
		aliases, _ := doc["Aliases"].([]any)
		keys, _ := doc["Keys"].([]any)
		if len(aliases)+len(keys) != want {
			t.Errorf("%s: %v", line, doc)
		}
	}
	r.aws(dir, "kms delete-alias --alias-name alias/mine")
	if who := r.aws(dir, "sts get-caller-identity"); who["Account"] != "000000000000" {
		t.Fatalf("get-caller-identity: %v", who)
	}
}

func TestInteropAWSCommandErrors(t *testing.T) {
	r, dir := start(t, devserver.Options{Deny: []string{"ListKeys", "GetCallerIdentity"}}), t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "junk"), []byte("junk"), 0o600))
	for line, want := range map[string]string{
		"kms describe-key --key-id alias/none":                                          "(NotFoundException) when calling the DescribeKey operation",
		"kms generate-data-key --key-id alias/app":                                      "(ValidationException)",
		"kms generate-data-key --key-id alias/app --key-spec AES_256 --dry-run":         "(DryRunOperationException)",
		"kms generate-data-key --key-id alias/app --key-spec AES_256 --grant-tokens no": "(InvalidGrantTokenException)",
		"kms decrypt --ciphertext-blob fileb://junk":                                    "(InvalidCiphertextException)",
		"kms list-keys":                      "(AccessDeniedException)",
		"kms list-grants --key-id alias/app": "(UnknownOperationException)",
		"sts get-caller-identity":            "(AccessDenied)",
	} {
		out, errs, exit := r.tool(dir, append([]string{"aws"}, strings.Fields(line)...)...)
		if exit != 254 && exit != 255 || !strings.Contains(errs, want) || out != "" {
			t.Errorf("aws %s: exit %d: %s, want %s", line, exit, errs, want)
		}
	}
	_, errs, _ := r.tool(dir, "aws", "--no-sign-request", "kms", "list-aliases")
	if !strings.Contains(errs, "(MissingAuthenticationTokenException)") {
		t.Errorf("unsigned: %s", errs)
	}
}

const botoScript = `
import boto3, botocore
kms = boto3.client("kms")
key = kms.generate_data_key(KeyId="alias/app", KeySpec="AES_256", EncryptionContext={"app": "web", "Größe": "\"<&>\\"})
assert len(key["Plaintext"]) == 32, key["KeyId"]
back = kms.decrypt(CiphertextBlob=key["CiphertextBlob"], EncryptionContext={"Größe": "\"<&>\\", "app": "web"})
assert back["Plaintext"] == key["Plaintext"] and back["KeyId"] == key["KeyId"]
meta = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
assert meta["KeyState"] == "Enabled" and meta["CreationDate"].year >= 2024, meta
assert [a["AliasName"] for p in kms.get_paginator("list_aliases").paginate() for a in p["Aliases"]] == ["alias/app"]
try:
    kms.decrypt(CiphertextBlob=key["CiphertextBlob"])
    raise SystemExit("a wrong context was accepted")
except kms.exceptions.InvalidCiphertextException as e:
    assert e.response["ResponseMetadata"]["RequestId"], e.response
try:
    boto3.client("kms", aws_secret_access_key="wrong", aws_access_key_id="wrong").list_keys()
    raise SystemExit("a wrong key was accepted")
except botocore.exceptions.ClientError as e:
    assert e.response["Error"]["Code"] == "UnrecognizedClientException", e
print(boto3.client("sts").get_caller_identity()["Account"])
`

func TestInteropBoto3(t *testing.T) {
	r := start(t, devserver.Options{})
	out, errs, exit := r.tool(t.TempDir(), "python3", "-c", botoScript)
	if exit != 0 || strings.TrimSpace(out) != "000000000000" {
		t.Fatalf("exit %d: %s %s", exit, out, errs)
	}
}

func TestInteropCurl(t *testing.T) {
	r := start(t, devserver.Options{})
	id, secret := r.srv.Credentials()
	for user, want := range map[string]string{id + ":" + secret: `"Keys":[`,
		id + ":wrong": "InvalidSignatureException"} {
		out, errs, _ := r.tool(t.TempDir(), "curl", "-sS", "--aws-sigv4", "aws:amz:local:kms",
			"--user", user, "-H", "Content-Type: application/x-amz-json-1.1", "-H",
			"X-Amz-Target: TrentService.ListKeys", "-d", "{}", r.url+"/")
		if !strings.Contains(out, want) {
			t.Errorf("curl: %s %s, want %s", out, errs, want)
		}
	}
}
