//go:build interop

package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// TestInteropPairWithoutNetwork seals in a network namespace that has no way out, not even to
// loopback. It fails where such a namespace cannot be made: the promise that `encrypt -r` needs no
// network would be unproved.
func TestInteropPairWithoutNetwork(t *testing.T) {
	if out, err := exec.Command("unshare", "-rn", "true").CombinedOutput(); err != nil {
		t.Fatalf("this test needs `unshare -rn` (util-linux, and user namespaces or root): %v\n%s",
			err, out)
	}
	out := shell(t, interopDir(t), `
envseal keystore init --no-passphrase
envseal keystore create-key backup
envseal key-pair -k local:backup --key-pair-spec ML_KEM_768 -c team=backup -o c.pair
envseal key-pair -k local:backup --format pem -o d.pair
cat > alone.sh <<'END'
ip -o addr show up | wc -l
env -i PATH="$PATH" HOME=/nonexistent envseal encrypt -r c.pair -r d.pair -c host=c big.bin
echo sealed without a network
END
unshare -rn bash -eux alone.sh
envseal decrypt -o back big.bin.sealed
cmp back big.bin
`)
	for _, want := range []string{"\n0\n", "sealed without a network",
		"opened with arn:aws:kms:local:"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in:\n%s", want, out)
		}
	}
}

// TestInteropDataKeyOfAWSCommand seals with what the aws command prints, and has another project's
// KMS make and move a data key.
func TestInteropDataKeyOfAWSCommand(t *testing.T) {
	dir := interopDir(t)
	t.Setenv("AWS_ENDPOINT_URL_KMS", startMoto(t))
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_DEFAULT_REGION", "eu-west-1")
	shell(t, dir, `
a="aws --endpoint-url $AWS_ENDPOINT_URL_KMS"
for name in backup second; do
  id=$($a kms create-key --query KeyMetadata.KeyId --output text)
  $a kms create-alias --alias-name alias/$name --target-key-id $id
done
$a kms generate-data-key-without-plaintext --key-id alias/backup --key-spec AES_256 --encryption-context job=nightly --output json > plain
envseal encrypt --data-key plain -c job=nightly big.bin
envseal decrypt -o back big.bin.sealed
cmp back big.bin
envseal data-key -k alias/backup -k alias/second -c job=nightly -o two
envseal encrypt -f --data-key two big.bin
envseal verify -k alias/second big.bin.sealed
$a kms generate-data-key --key-id alias/backup --key-spec AES_256 --output json > withplaintext
code=0; envseal encrypt --data-key withplaintext -o x big.bin || code=$?; test $code = 7; test ! -e x
`)
}
