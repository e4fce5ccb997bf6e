package keystore

import (
	"bytes"
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/rand"
	"encoding/hex"
	"io"
	"math/big"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

// TestPayloadAgainstAge opens what the age library sealed, and the other way round, around every
// chunk edge.
func TestPayloadAgainstAge(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	must(t, err)
	for _, n := range []int{1, 100, chunkSize - 1, chunkSize, chunkSize + 1, 2*chunkSize - 1,
		2 * chunkSize, 3*chunkSize + 5} {
		body := make([]byte, n)
		rand.Read(body)
		var theirs bytes.Buffer
		w, err := age.Encrypt(&theirs, id.Recipient())
		must(t, err)
		_, err = w.Write(body)
		must(t, err)
		must(t, w.Close())
		header, err := age.ExtractHeader(bytes.NewReader(theirs.Bytes()))
		must(t, err)
		fileKey, err := age.DecryptHeader(header, id)
		must(t, err)
		opened, err := openPayload(fileKey, theirs.Bytes()[len(header):])
		must(t, err)
		if !bytes.Equal(opened.Bytes(), body) {
			t.Errorf("%d bytes of age open as something else", n)
		}
		opened.Destroy()
		ours, err := sealPayload(fileKey, body)
		must(t, err)
		r, err := age.Decrypt(bytes.NewReader(append(header, ours...)), id)
		must(t, err)
		got, err := io.ReadAll(r)
		must(t, err)
		if !bytes.Equal(got, body) {
			t.Errorf("age opens our %d bytes as something else", n)
		}
		for _, bad := range [][]byte{ours[:len(ours)-1], append(bytes.Clone(ours), 0),
			ours[:max(0, len(ours)-chunkSize-chunkTag)]} {
			if _, err := openPayload(fileKey, bad); err == nil {
				t.Errorf("a payload of %d bytes cut or lengthened to %d opened", len(ours), len(bad))
			}
		}
	}
}

// TestWipeField checks every field that the package wipes inside values of others: that it is
// there, and zero afterwards.
func TestWipeField(t *testing.T) {
	scryptID, err := age.NewScryptIdentity("x")
	must(t, err)
	scryptTo, err := age.NewScryptRecipient("x")
	must(t, err)
	identity, err := age.GenerateX25519Identity()
	must(t, err)
	aead, err := chacha20poly1305.New(bytes.Repeat([]byte{1}, 32))
	must(t, err)
	curve, err := ecdh.P384().GenerateKey(rand.Reader)
	must(t, err)
	kem768, err := mlkem.GenerateKey768()
	must(t, err)
	kem1024, err := mlkem.GenerateKey1024()
	must(t, err)
	var asIdentity age.Identity = scryptID
	for _, c := range []struct {
		in   any
		path string
	}{
		{asIdentity, "password"}, {scryptTo, "password"}, {identity, "secretKey"}, {aead, "key"},
		{curve, "privateKey"}, {curve, "fips d"}, {kem768, "key"}, {kem1024, "key"},
	} {
		if !keymem.WipeField(c.in, strings.Fields(c.path)...) {
			t.Errorf("%T has no %s to wipe", c.in, c.path)
		}
	}
	if len(bytes.Trim(curve.Bytes(), "\x00")) > 0 || len(bytes.Trim(kem768.Bytes(), "\x00")) > 0 ||
		len(bytes.Trim(kem1024.Bytes(), "\x00")) > 0 {
		t.Error("something is left of a key that was wiped")
	}
	plain, err := chacha20poly1305.New(make([]byte, 32))
	must(t, err)
	nonce := make([]byte, 12)
	if !bytes.Equal(aead.Seal(nil, nonce, nil, nil), plain.Seal(nil, nonce, nil, nil)) {
		t.Error("the cipher still has its key")
	}
}

// TestSecp256k1 compares with points that others published: multiples of the generator (SEC 2 for
// the first). Zero, the order and what is above it are no keys.
func TestSecp256k1(t *testing.T) {
	const order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
	for scalar, x := range map[string]string{
		"1":                     "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
		"2":                     "c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5",
		"3":                     "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9",
		order[:63] + "0":        "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
		"0":                     "",
		order:                   "",
		strings.Repeat("f", 64): "",
	} {
		n, _ := new(big.Int).SetString(scalar, 16)
		point := secpPublic(n.FillBytes(make([]byte, 32)))
		if (x == "") != (point == nil) {
			t.Errorf("%s is a private key: %v", scalar, point != nil)
		}
		if x != "" && (point[0] != 4 || hex.EncodeToString(point[1:33]) != x) {
			t.Errorf("%s times the generator is %x", scalar, point)
		}
	}
}

// TestContextIsUnambiguous puts the same bytes into different fields.
func TestContextIsUnambiguous(t *testing.T) {
	seen := map[string]bool{}
	for _, ec := range []map[string]string{
		nil, {"": ""}, {"a": "1", "b": "2"}, {"a": "1b2"}, {"a1": "b2"}, {"a1b2": ""}, {"": "a1b2"},
		{"a": "", "1b2": ""}, {"a\x00": "1"}, {"a": "\x001"},
	} {
		data := string(additionalData([]byte("head"), ec))
		if seen[data] {
			t.Errorf("%q is encoded as another context", ec)
		}
		seen[data] = true
	}
	if !bytes.Equal(additionalData(nil, nil), additionalData(nil, map[string]string{})) {
		t.Error("nil and empty differ")
	}
}

func TestLargestBlobs(t *testing.T) {
	if blobOverhead+kmsclient.MaxPlaintext > kmsclient.MaxCiphertextBlob ||
		blobOverhead+maxPrivateDER > kmsclient.MaxCiphertextBlob {
		t.Errorf("a blob adds %d bytes: too many", blobOverhead)
	}
}

// TestMalformedReferences has the ARNs that the AWS SDK's client would not let through.
func TestMalformedReferences(t *testing.T) {
	s := newStore(t)
	k := createKey(t, s)
	for _, ref := range []string{
		"arn:", "arn:aws:kms:local:000000000000", "arn:aws:s3:local:000000000000:key/" + k.KeyID,
		"arn:aws-cn:kms:local:000000000000:key/" + k.KeyID,
		"arn:aws:kms:eu-central-1:000000000000:key/" + k.KeyID,
		"arn:aws:kms:local:111122223333:key/" + k.KeyID, "key/" + k.KeyID,
		strings.ToUpper(k.KeyID), strings.ReplaceAll(k.KeyID, "-", ""), k.KeyID + "\x00", " " + k.KeyID,
	} {
		_, err := s.DescribeKey(t.Context(), ref, kmsclient.Options{})
		wantIs(t, err, kmsclient.ErrNotFound)
		if s.HasKey(ref) {
			t.Errorf("%q is held", ref)
		}
	}
	for _, ref := range []string{k.KeyID, k.ARN} {
		if !s.HasKey(ref) {
			t.Errorf("%s is not held", ref)
		}
	}
	for _, spec := range unmadeSpecs {
		_, err := s.GenerateDataKeyPair(t.Context(),
			kmsclient.GenerateDataKeyPairInput{KeyID: k.KeyID, KeyPairSpec: spec})
		wantIs(t, err, kmsclient.ErrInvalidRequest)
	}
}
