//go:build interop

package e2e

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// kmsExample is a command of the AWS documentation (the examples of the AWS CLI Command Reference
// for kms), or one that must fail. KMS stands for `aws kms` and for `envseal kms`.
type kmsExample struct {
	name    string
	command string
	lengths map[string]int // of members that are base64; -1 where it varies by some bytes
	words   bool           // for errors: the two word the constraint differently
}

var kmsExamples = []kmsExample{
	{name: "generate-data-key 1",
		command: "KMS generate-data-key --key-id alias/ExampleAlias --key-spec AES_256",
		lengths: map[string]int{"Plaintext": 32, "CiphertextBlob": 0}},
	{name: "generate-data-key 2", command: "KMS generate-data-key --key-id $KEY --number-of-bytes 64",
		lengths: map[string]int{"Plaintext": 64, "CiphertextBlob": 0}},
	{name: "generate-data-key-without-plaintext",
		command: "KMS generate-data-key-without-plaintext --key-id $ARN --key-spec AES_256",
		lengths: map[string]int{"CiphertextBlob": 0}},
	{name: "generate-data-key-pair",
		command: "KMS generate-data-key-pair --key-id $KEY --key-pair-spec RSA_2048",
		lengths: map[string]int{"PrivateKeyPlaintext": -1,
			"PrivateKeyCiphertextBlob": -1, "PublicKey": 294}},
	{name: "generate-data-key-pair-without-plaintext",
		command: "KMS generate-data-key-pair-without-plaintext --key-id $KEY --key-pair-spec ECC_NIST_P384",
		lengths: map[string]int{"PrivateKeyCiphertextBlob": 0, "PublicKey": 120}},
	{name: "encrypt 1", command: "KMS encrypt --key-id $KEY --plaintext fileb://ExamplePlaintextFile --output text --query CiphertextBlob | base64 --decode | wc -c"},
	{name: "encrypt, whole answer",
		command: "KMS encrypt --key-id $KEY --plaintext fileb://ExamplePlaintextFile",
		lengths: map[string]int{"CiphertextBlob": 0}},
	{name: "decrypt 1", command: "KMS decrypt --ciphertext-blob fileb://ExampleEncryptedFile --key-id $KEY --output text --query Plaintext | base64 --decode | sha256sum"},
	{name: "decrypt, whole answer",
		command: "KMS decrypt --ciphertext-blob fileb://ExampleEncryptedFile"},
	{name: "re-encrypt 1", command: "KMS re-encrypt --ciphertext-blob fileb://ExampleEncryptedFile --source-key-id $KEY --destination-key-id $OTHER " +
		"--query CiphertextBlob --output text | base64 --decode | wc -c"},
	{name: "re-encrypt, whole answer", command: "KMS re-encrypt --ciphertext-blob fileb://ExampleEncryptedFile --destination-key-id $OTHER " +
		"--destination-encryption-context app=web", lengths: map[string]int{"CiphertextBlob": 0}},
	{name: "describe-key 1", command: "KMS describe-key --key-id alias/ExampleAlias"},
	{name: "describe-key, alias ARN, text", command: "KMS describe-key --key-id arn:aws:kms:local:000000000000:alias/ExampleAlias --output text"},
	{name: "describe-key 3, multi-Region", command: "KMS describe-key --key-id $MULTI"},
	{name: "encryption context, shorthand", command: `KMS generate-data-key --key-id $KEY --key-spec AES_128 --encryption-context 'Department=IT, note="a, b",c=d\,e=f'`,
		lengths: map[string]int{"Plaintext": 16, "CiphertextBlob": 0}},
	{name: "encryption context, both ways", command: `KMS encrypt --key-id $KEY --plaintext fileb://ExamplePlaintextFile --encryption-context 'Department=IT, note="a, b",c=d\,e=f' ` +
		`--query CiphertextBlob --output text | base64 --decode > b && aws kms decrypt --ciphertext-blob fileb://b --encryption-context '{"Department":"IT","note":"a, b","c":"d,e=f"}'`},
	{name: "encryption context, file", command: "KMS generate-data-key --key-id $KEY --key-spec AES_128 --encryption-context file://context.json --query 'length(Plaintext)'"},
	{name: "--cli-input-json",
		command: "KMS generate-data-key --cli-input-json file://input.json --number-of-bytes 100",
		lengths: map[string]int{"Plaintext": 100, "CiphertextBlob": 0}},
	{name: "global flags first", command: "KMS --region eu-west-1 --output text describe-key --query KeyMetadata.[KeyId,KeySpec,Enabled] --key-id $KEY"},
	{name: "hash of a query",
		command: "KMS describe-key --key-id $KEY --query 'KeyMetadata.{b:KeyId,a:Arn}'"},

	{name: "no length", command: "KMS generate-data-key --key-id $KEY"},
	{name: "two lengths",
		command: "KMS generate-data-key --key-id $KEY --key-spec AES_256 --number-of-bytes 32"},
	{name: "too long", command: "KMS generate-data-key --key-id $KEY --number-of-bytes 1025",
		words: true},
	{name: "no such spec", command: "KMS generate-data-key --key-id $KEY --key-spec AES_512",
		words: true},
	{name: "no such pair spec",
		command: "KMS generate-data-key-pair-without-plaintext --key-id $KEY --key-pair-spec DSA"},
	{name: "zero bytes", command: "KMS generate-data-key --key-id $KEY --number-of-bytes 0"},
	{name: "unknown member",
		command: `KMS generate-data-key --cli-input-json '{"KeyId":"alias/ExampleAlias","Bytes":1}'`},
	{name: "no key", command: "KMS generate-data-key --key-spec AES_256"},
	{name: "bad query", command: "KMS describe-key --key-id $KEY --query 'Key['"},
	{name: "stray word", command: "KMS describe-key --key-id $KEY stray"},
	{name: "unknown alias",
		command: "KMS generate-data-key --key-id alias/nothing --key-spec AES_256"},
	{name: "unknown ARN", command: "KMS describe-key --key-id arn:aws:kms:local:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"},
	{name: "disabled key",
		command: "KMS generate-data-key-without-plaintext --key-id $DISABLED --key-spec AES_256"},
	{name: "dry run", command: "KMS generate-data-key --key-id $KEY --key-spec AES_256 --dry-run"},
	{name: "grant tokens",
		command: "KMS generate-data-key --grant-tokens a b --key-id $KEY --key-spec AES_256"},
	{name: "encrypt 3, asymmetric algorithm", command: "KMS encrypt --key-id $KEY --encryption-algorithm RSAES_OAEP_SHA_256 --plaintext fileb://ExamplePlaintextFile"},
	{name: "decrypt 3, asymmetric algorithm", command: "KMS decrypt --key-id $KEY --encryption-algorithm RSAES_OAEP_SHA_256 --ciphertext-blob fileb://ExampleEncryptedFile"},
	{name: "wrong context",
		command: "KMS decrypt --ciphertext-blob fileb://ExampleEncryptedFile --encryption-context a=b"},
	{name: "wrong key",
		command: "KMS decrypt --ciphertext-blob fileb://ExampleEncryptedFile --key-id $OTHER"},
	{name: "not a blob", command: "KMS decrypt --ciphertext-blob fileb://ExamplePlaintextFile"},
	{name: "no blob", command: "KMS decrypt"},
	{name: "no such file", command: "KMS decrypt --ciphertext-blob fileb://nosuch"},
	{name: "unknown destination", command: "KMS re-encrypt --ciphertext-blob fileb://ExampleEncryptedFile --destination-key-id alias/nothing"},
}

// TestInteropKMSDocumented runs each example with aws and with envseal against the same
// `envseal keystore serve`, and logs a table of what came.
func TestInteropKMSDocumented(t *testing.T) {
	dir := interopDir(t)
	serveForExamples(t, dir)
	for _, x := range kmsExamples {
		aws, sealed := runExample(t, dir, "aws kms", x.command),
			runExample(t, dir, "envseal kms", x.command)
		verdict := "same"
		switch {
		case (aws.exit == 0) != (sealed.exit == 0):
			t.Errorf("%s: aws exits %d, envseal %d\naws: %s\nenvseal: %s",
				x.name, aws.exit, sealed.exit, aws.stderr, sealed.stderr)
			verdict = "DIFFERS"
		case aws.exit == 0:
			if err := sameAnswer(x, aws.stdout, sealed.stdout); err != nil {
				t.Errorf("%s: %v\naws: %s\nenvseal: %s", x.name, err, aws.stdout, sealed.stdout)
				verdict = "DIFFERS"
			}
		default:
			if err := sameError(x, aws, sealed); err != nil {
				t.Errorf("%s: %v\naws: %s\nenvseal: %s", x.name, err, aws.stderr, sealed.stderr)
				verdict = "DIFFERS"
			}
		}
		t.Logf("| %s | %d | %d | %s | %s |",
			x.name, aws.exit, sealed.exit, exceptionOf(aws.stderr), verdict)
	}
}

// serveForExamples makes the keys of the examples and serves them until the test ends.
func serveForExamples(t *testing.T, dir string) {
	t.Helper()
	shell(t, dir, `
envseal keystore init --no-passphrase
arn=$(envseal keystore create-key ExampleAlias); other=$(envseal keystore create-key other)
disabled=$(envseal keystore create-key disabled); envseal keystore disable-key disabled
multi=$(envseal keystore create-key --multi-region multi)
printf 'example plaintext' > ExamplePlaintextFile
envseal kms encrypt --key-id local:ExampleAlias --plaintext fileb://ExamplePlaintextFile --query CiphertextBlob --output text | base64 --decode > ExampleEncryptedFile
echo '{"Department":"IT","Größe":"<&>"}' > context.json
echo '{"KeyId":"alias/ExampleAlias","NumberOfBytes":64,"EncryptionContext":{"a":"b"}}' > input.json
printf '[default]\ncli_timestamp_format = iso8601\ncli_pager =\n' > config
echo "ARN=$arn KEY=${arn#*key/} OTHER=${other#*key/} DISABLED=${disabled#*key/} MULTI=$multi" > keys
`)
	line := startServer(t)
	keys, err := os.ReadFile(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range append(strings.Fields(line)[1:], strings.Fields(string(keys))...) {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "none"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("ENVSEAL_KEYSTORE", filepath.Join(dir, "none")) // envseal goes over the wire too
}

// startServer serves the keystore until the test ends, and returns the line of shell that says
// where.
func startServer(t *testing.T) string {
	t.Helper()
	server := exec.Command("envseal", "keystore", "serve")
	server.Env = os.Environ()
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(os.Interrupt)
		server.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line
}

type ran struct {
	stdout, stderr string
	exit           int
}

func runExample(t *testing.T, dir, program, command string) ran {
	t.Helper()
	c := exec.CommandContext(t.Context(), "bash", "-o", "pipefail", "-c",
		strings.Replace(command, "KMS", program, 1))
	var out, errs bytes.Buffer
	c.Dir, c.Stdout, c.Stderr = dir, &out, &errs
	if err := c.Run(); c.ProcessState == nil {
		t.Fatal(err)
	}
	return ran{out.String(), errs.String(), c.ProcessState.ExitCode()}
}

// sameAnswer compares two answers: equal texts, or JSON of the same members in the same order, with
// equal values but for the bytes of lengths.
func sameAnswer(x kmsExample, aws, sealed string) error {
	if x.lengths == nil {
		if aws != sealed {
			return fmt.Errorf("the texts differ")
		}
		return nil
	}
	a, b, err := bothObjects(aws, sealed)
	if err != nil {
		return err
	}
	if p, q := memberOrder(aws), memberOrder(sealed); p != q {
		return fmt.Errorf("members %s, not %s", q, p)
	}
	for name, va := range a {
		want, isBlob := x.lengths[name]
		if !isBlob {
			if va != b[name] {
				return fmt.Errorf("%s: %v, not %v", name, b[name], va)
			}
			continue
		}
		m, n := blobLength(va), blobLength(b[name])
		if want == -1 && m > 0 && max(m-n, n-m) <= 8 ||
			want == 0 && m == n && m > 0 || m == n && m == want {
			continue
		}
		return fmt.Errorf("%s: %d bytes, not %d", name, n, m)
	}
	return nil
}

func bothObjects(x, y string) (a, b map[string]any, err error) {
	if err := json.Unmarshal([]byte(x), &a); err != nil {
		return nil, nil, err
	}
	return a, b, json.Unmarshal([]byte(y), &b)
}

var memberName = regexp.MustCompile(`(?m)^ {4}"(\w+)": `)

// memberOrder are the names of the members, which stand on lines of their own with four spaces
// before them.
func memberOrder(text string) string {
	var names []string
	for _, m := range memberName.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return strings.Join(names, " ")
}

func blobLength(v any) int {
	s, _ := v.(string)
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return 0
	}
	return len(b)
}

var (
	exception = regexp.MustCompile(`An error occurred \((\w+)\) when calling the \w+ operation: (.*)`)
	requestID = regexp.MustCompile(` \(request id [^)]*\)$`)
)

func exceptionOf(stderr string) string {
	if m := exception.FindStringSubmatch(stderr); m != nil {
		return m[1]
	}
	return ""
}

// sameError compares two refusals: the same words where the service refused, and exit codes of the
// same class.
func sameError(x kmsExample, aws, sealed ran) error {
	a, b := exception.FindString(aws.stderr),
		requestID.ReplaceAllString(exception.FindString(sealed.stderr), "")
	if x.words {
		a, _, _ = strings.Cut(a, ": ")
		b, _, _ = strings.Cut(b, ": ")
	}
	switch {
	case a != b:
		return fmt.Errorf("%q, not %q", b, a)
	case sealed.stdout != "" || aws.stdout != "":
		return fmt.Errorf("something is on stdout")
	case a == "" && sealed.exit != 2:
		return fmt.Errorf("exit %d for a request that was not sent", sealed.exit)
	case a == "":
		return nil
	}
	want := map[string]int{"ValidationException": 2,
		"DryRunOperationException": 1}[exceptionOf(aws.stderr)]
	if want == 0 {
		want = 5
	}
	if sealed.exit != want || aws.exit < 254 {
		return fmt.Errorf("envseal exits %d, not %d; aws %d", sealed.exit, want, aws.exit)
	}
	return nil
}
