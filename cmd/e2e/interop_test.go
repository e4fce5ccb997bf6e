//go:build interop

package e2e

import (
	"strings"
	"testing"
)

// TestInteropAWSCommand runs the shell of the README: the real aws command against
// `envseal keystore serve`, and envseal over the same wire.
func TestInteropAWSCommand(t *testing.T) {
	dir := interopDir(t)
	out := shell(t, dir, `
envseal keystore init --no-passphrase
envseal keystore create-key backup
eval "$(envseal keystore serve --pid-file pid &)"
trap 'kill $(cat pid)' EXIT
aws kms generate-data-key --key-id alias/backup --key-spec AES_256 > dk.json
python3 -c 'import base64,json; d=json.load(open("dk.json")); assert len(base64.b64decode(d["Plaintext"]))==32; print(d["KeyId"])'
ENVSEAL_KEYSTORE=none envseal encrypt -k alias/backup -c app=web big.bin
ENVSEAL_KEYSTORE=none envseal decrypt -q -o - big.bin.sealed | cmp - big.bin
# what aws decrypts is what envseal stored
envseal inspect --json big.bin.sealed | python3 -c 'import base64,json,sys; d=json.load(sys.stdin); open("blob","wb").write(base64.b64decode(d["KeySlots"][0]["CiphertextBlob"]))'
aws kms decrypt --ciphertext-blob fileb://blob --encryption-context app=web --query KeyId --output text
! aws kms decrypt --ciphertext-blob fileb://blob --encryption-context app=other 2>err
grep InvalidCiphertextException err
`)
	if strings.Count(out, "arn:aws:kms:local:000000000000:key/") < 3 {
		t.Errorf("ARNs are missing in:\n%s", out)
	}
}

// TestInteropMotoProgram runs envseal against another project's KMS.
func TestInteropMotoProgram(t *testing.T) {
	dir := interopDir(t)
	t.Setenv("AWS_ENDPOINT_URL_KMS", startMoto(t))
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_DEFAULT_REGION", "eu-west-1")
	out := shell(t, dir, `
for name in backup second; do
  id=$(aws kms create-key --query KeyMetadata.KeyId --output text)
  aws kms create-alias --alias-name alias/$name --target-key-id $id
done
envseal encrypt -k alias/backup -k alias/second -c app=web,env=prod big.bin
envseal decrypt -o big.p big.bin.sealed
cmp big.p big.bin
envseal verify -k alias/second big.bin.sealed
envseal verify --account 123456789012 big.bin.sealed
code=0; envseal verify --account 111122223333 big.bin.sealed || code=$?; test $code = 9
code=0; envseal encrypt -k alias/nothing -o x big.bin || code=$?; test $code = 5; test ! -e x
envseal doctor -k alias/backup
code=0; envseal doctor -k alias/backup --expect decrypt=denied || code=$?; test $code = 9
id=$(aws kms create-key --multi-region --query KeyMetadata.KeyId --output text)
aws kms replicate-key --key-id $id --replica-region us-east-1 > /dev/null
envseal doctor --region us-east-1 -k $id
`)
	if !strings.Contains(out, "opened with arn:aws:kms:eu-west-1:123456789012:key/") {
		t.Errorf("no key named in:\n%s", out)
	}
	for _, want := range []string{"identity       arn:aws:sts::123456789012:",
		"decrypt                                   unknown: this endpoint does not know DryRun",
		"multi-Region replica of arn:aws:kms:eu-west-1:123456789012:key/mrk-"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in:\n%s", want, out)
		}
	}
}
