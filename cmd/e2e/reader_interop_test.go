//go:build interop

package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/envseal/envseal/cmd/e2e/testhome"
)

// The script of TestInteropPythonReader, in the order in which its parts run.
const (
	// A keystore that is served, and short names for the reader and its failures.
	readerServed = `
open() { /usr/bin/python3 "$READER" "$@"; }
fails() { want=$1; shift; code=0; "$@" > out 2> err || code=$?; test $code = $want; rm -f out; }
envseal keystore init --no-passphrase
arn=$(envseal keystore create-key backup)
other=$(envseal keystore create-key other)
eval "$(envseal keystore serve --pid-file pid &)"
trap 'kill $(cat pid) || true' EXIT
`

	// Sizes around the edges of chunks, and the ways of writing a file.
	readerSizes = `
for size in 0 1 4095 4096 4097 8191 8192 65535 65536 65537 131072; do
  head -c $size big.bin > part
  envseal encrypt -q -f -k local:backup --chunk-size 4KiB -o part.4k part
  envseal encrypt -q -f -k local:backup -c app=web,Größe=é -z -a -o part.z part
  envseal encrypt -q -f -k local:backup --header part.hdr -o part.data part
  open part.4k | cmp - part
  open part.z | cmp - part
  open --header part.hdr part.data | cmp - part
  rm part.*
done
envseal encrypt -q -k local:backup --compress=better big.bin
open -o back big.bin.sealed && cmp back big.bin
open --no-decompress big.bin.sealed | zstd -q -d | cmp - big.bin
fails 8 open -o back big.bin.sealed
open - < big.bin.sealed | cmp - big.bin
`

	// All kinds of pairs, by KMS and with the private key in hand.
	readerPairs = `
for spec in RSA_2048 RSA_3072 RSA_4096 \
  ECC_NIST_P256 ECC_NIST_P384 ECC_NIST_P521 ML_KEM_768 ML_KEM_1024; do
  envseal key-pair -k local:backup --key-pair-spec $spec -c spec=$spec -o $spec.pair
  envseal encrypt -q -r $spec.pair -c host=a -o $spec.sealed big.bin
  open $spec.sealed | cmp - big.bin
  python3 -c 'import base64, json, sys
blob = json.load(open(sys.argv[1]))["PrivateKeyCiphertextBlob"]
open("blob", "wb").write(base64.b64decode(blob))' $spec.pair
  aws kms decrypt --ciphertext-blob fileb://blob --encryption-context spec=$spec \
    --query Plaintext --output text | base64 -d > $spec.key
  env -u AWS_ENDPOINT_URL_KMS /usr/bin/python3 "$READER" \
    --private-key $spec.key $spec.sealed | cmp - big.bin
done
fails 5 open --private-key RSA_2048.key ML_KEM_768.sealed
`

	// A data key in hex; then a slot made for another key, one that was dropped and one that was
	// added.
	readerDataKey = `
aws kms generate-data-key --key-id alias/backup --key-spec AES_256 > dk.json
python3 -c 'import base64, json
d = json.load(open("dk.json"))
print(base64.b64decode(d.pop("Plaintext")).hex())
json.dump(d, open("dk", "w"))' > hex
envseal encrypt -q --data-key dk -o hex.sealed big.bin
open --data-key $(cat hex) hex.sealed | cmp - big.bin
fails 4 open --data-key $(cat hex) big.bin.sealed
fails 5 open --data-key 00 hex.sealed

# a slot made for another key, one that was dropped and one that was added
envseal rewrap -q --add local:other hex.sealed
open --key ${other#*key/} hex.sealed | cmp - big.bin
envseal rewrap -q --drop local:backup hex.sealed
fails 9 open --key $arn hex.sealed
`

	readerRefusals = `
fails 7 open -o x big.bin
head -c -1 big.bin.sealed > cut
fails 4 open -o x cut
cat hex.sealed hex.sealed > two
fails 4 open -o x two
grep 'two sealed files were joined' err
fails 9 open --max-size 1000 -o x big.bin.sealed
envseal keystore disable-key backup
fails 5 open -o x big.bin.sealed
kill $(cat pid)
fails 6 open -o x big.bin.sealed
test ! -e x
test -z "$(ls -A | grep '^\.envseal-open' || true)"
`
)

// TestInteropPythonReader opens fresh files with the reader in Python of format/reader, which asks
// `envseal keystore serve` by boto3, and with keys in hand.
func TestInteropPythonReader(t *testing.T) {
	dir := interopDir(t)
	t.Setenv("READER", filepath.Join(testhome.Module(), "format", "reader", "envseal-open.py"))
	t.Setenv("PYTHONDONTWRITEBYTECODE", "1")
	shell(t, dir, readerServed+readerSizes+readerPairs+readerDataKey+readerRefusals)
}

// TestInteropPythonReaderIsFlat opens a file of 256 MiB, plain and compressed, with less memory
// than it has.
func TestInteropPythonReaderIsFlat(t *testing.T) {
	dir := interopDir(t)
	t.Setenv("READER", filepath.Join(testhome.Module(), "format", "reader", "envseal-open.py"))
	t.Setenv("PYTHONDONTWRITEBYTECODE", "1")
	out := shell(t, dir, `
envseal keystore init --no-passphrase
envseal keystore create-key backup
eval "$(envseal keystore serve --pid-file pid &)"
trap 'kill $(cat pid)' EXIT
head -c 256M /dev/zero > large
for flags in "" "-z" "--chunk-size 16MiB"; do
  envseal encrypt -q -f -k local:backup $flags large
  /usr/bin/python3 - <<'END'
import os, resource, subprocess
reader = ["/usr/bin/python3", os.environ["READER"], "large.sealed"]
p = subprocess.Popen(reader, stdout=subprocess.PIPE)
subprocess.check_call(["cmp", "-", "large"], stdin=p.stdout)
assert p.wait() == 0
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
print("peak", peak, "MiB")
assert peak < 200, peak
END
done
`)
	for line := range strings.SplitSeq(out, "\n") {
		if strings.HasPrefix(line, "peak") {
			t.Log(line)
		}
	}
}
