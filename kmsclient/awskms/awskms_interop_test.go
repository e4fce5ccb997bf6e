//go:build interop

package awskms_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/awskms"
)

// moto starts the public emulator moto on a free port. Asked for and missing, it is a failure and
// not a skip.
func moto(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	port := ln.Addr().(*net.TCPAddr).Port
	must(t, ln.Close())
	var out bytes.Buffer
	cmd := exec.Command("python3", "-m", "moto.server", "-H", "127.0.0.1", "-p", fmt.Sprint(port))
	cmd.Stdout, cmd.Stderr = &out, &out
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(out.String())
		}
	})
	address := fmt.Sprintf("127.0.0.1:%d", port)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			must(t, conn.Close())
			return "http://" + address
		}
		if time.Now().After(deadline) {
			t.Fatalf("moto does not start: %v\n%s", err, out.String())
		}
	}
}

// TestMoto runs the operations that moto does right against it: another implementation of KMS than
// ours on the other side.
func TestInteropMoto(t *testing.T) {
	clean(t)
	keys(t)
	ctx := t.Context()
	c := awskms.New(awskms.Config{EndpointURL: moto(t), Region: "eu-central-1"})
	made, err := c.CreateKey(ctx, kmsclient.CreateKeyInput{Description: "interop"})
	must(t, err)
	must(t, c.CreateAlias(ctx, "alias/interop", made.KeyID))
	other, err := c.CreateKey(ctx, kmsclient.CreateKeyInput{})
	must(t, err)

	t.Run("DescribeKey", func(t *testing.T) {
		for _, id := range []string{made.KeyID, made.ARN, "alias/interop",
			strings.Replace(made.ARN, "key/"+made.KeyID, "alias/interop", 1)} {
			about, err := c.DescribeKey(ctx, id, kmsclient.Options{})
			must(t, err)
			if about.ARN != made.ARN || !about.Enabled || about.KeyState != kmsclient.StateEnabled ||
				about.Description != "interop" {
				t.Errorf("%s: %+v", id, about)
			}
		}
		_, err := c.DescribeKey(ctx, "alias/nobody", kmsclient.Options{})
		wantError(t, err, kmsclient.ErrNotFound, "alias/nobody")
	})
	ec := map[string]string{"app": "web", "käse": "\"<&>\" \U0001F512"}
	t.Run("GenerateDataKey", func(t *testing.T) { motoDataKeys(t, c, made, ec) })
	t.Run("Encrypt", func(t *testing.T) { motoEncrypts(t, c, made, other, ec) })
	t.Run("Lists", func(t *testing.T) {
		list, err := c.ListKeys(ctx)
		must(t, err)
		aliases, err := c.ListAliases(ctx, made.KeyID)
		must(t, err)
		if len(list) != 2 || len(aliases) != 1 || aliases[0].Name != "alias/interop" {
			t.Errorf("%+v, %+v", list, aliases)
		}
	})
	t.Run("CallerIdentity", func(t *testing.T) {
		who, err := c.CallerIdentity(ctx, "")
		must(t, err)
		if who.Account == "" || !strings.HasPrefix(who.ARN, "arn:aws:") {
			t.Errorf("%+v", who)
		}
	})
	t.Run("DryRun", func(t *testing.T) { // which moto does not know
		_, err := c.GenerateDataKey(ctx, kmsclient.GenerateDataKeyInput{KeyID: made.ARN,
			KeySpec: kmsclient.AES256, Options: kmsclient.Options{DryRun: true}})
		wantError(t, err, kmsclient.ErrBadAnswer, "dry run")
		if !errors.Is(err, kmsclient.ErrNotDryRun) {
			t.Errorf("%v is not ErrNotDryRun", err)
		}
	})
}

// motoDataKeys makes data keys of each length and opens them again.
func motoDataKeys(t *testing.T, c *awskms.Client,
	made *kmsclient.KeyMetadata, ec map[string]string) {
	ctx := t.Context()
	for _, in := range []kmsclient.GenerateDataKeyInput{{KeySpec: kmsclient.AES128},
		{KeySpec: kmsclient.AES256}, {NumberOfBytes: 1}, {NumberOfBytes: 64}, {NumberOfBytes: 1024}} {
		in.KeyID, in.EncryptionContext = "alias/interop", ec
		key, err := c.GenerateDataKey(ctx, in)
		must(t, err)
		opened, err := c.Decrypt(ctx, kmsclient.DecryptInput{KeyID: key.KeyID,
			CiphertextBlob: key.CiphertextBlob, EncryptionContext: ec})
		must(t, err)
		if !bytes.Equal(key.Plaintext.Bytes(), opened.Plaintext.Bytes()) ||
			opened.KeyID != made.ARN || key.KeyID != made.ARN {
			t.Errorf("%+v: another key comes back", in)
		}
		key.Plaintext.Destroy()
		opened.Plaintext.Destroy()
	}
	key, err := c.GenerateDataKeyWithoutPlaintext(ctx,
		kmsclient.GenerateDataKeyInput{KeyID: made.ARN, KeySpec: kmsclient.AES256})
	must(t, err)
	if key.Plaintext != nil {
		t.Error("with a plaintext")
	}
}

// motoEncrypts seals, opens and moves plaintexts.
func motoEncrypts(t *testing.T, c *awskms.Client,
	made, other *kmsclient.KeyMetadata, ec map[string]string) {
	ctx := t.Context()
	for _, n := range []int{1, 31, 32, 33, 4096} {
		plain := bytes.Repeat([]byte{0xfe}, n)
		sealed, err := c.Encrypt(ctx,
			kmsclient.EncryptInput{KeyID: made.ARN, Plaintext: plain, EncryptionContext: ec})
		must(t, err)
		opened, err := c.Decrypt(ctx, kmsclient.DecryptInput{KeyID: made.ARN,
			CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: ec})
		must(t, err)
		if !bytes.Equal(opened.Plaintext.Bytes(), plain) {
			t.Errorf("%d bytes: something else comes back", n)
		}
		opened.Plaintext.Destroy()
		_, err = c.Decrypt(ctx, kmsclient.DecryptInput{KeyID: made.ARN,
			CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: map[string]string{"app": "x"}})
		wantError(t, err, kmsclient.ErrInvalidCiphertext)
		moved, err := c.ReEncrypt(ctx, kmsclient.ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob,
			SourceKeyID: made.ARN, SourceEncryptionContext: ec, DestinationKeyID: other.ARN})
		must(t, err)
		if moved.SourceKeyID != made.ARN || moved.KeyID != other.ARN {
			t.Errorf("moved from %s to %s", moved.SourceKeyID, moved.KeyID)
		}
	}
}

// TestInteropMotoReplica: what DescribeKey tells of a multi-Region key and its replica. The aws
// command makes the replica; moto cannot decrypt for such keys, in no Region.
func TestInteropMotoReplica(t *testing.T) {
	clean(t)
	keys(t)
	url := moto(t)
	in := func(region string) *awskms.Client {
		return awskms.New(awskms.Config{EndpointURL: url, Region: region})
	}
	primary, err := in("us-east-1").CreateKey(t.Context(), kmsclient.CreateKeyInput{MultiRegion: true})
	must(t, err)
	out, err := exec.Command("aws", "--endpoint-url", url, "--region", "us-east-1", "kms",
		"replicate-key", "--key-id", primary.KeyID, "--replica-region", "eu-west-1").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// by the ARN of the primary key
	about, err := in("eu-west-1").DescribeKey(t.Context(), primary.ARN, kmsclient.Options{})
	must(t, err)
	there := strings.Replace(primary.ARN, "us-east-1", "eu-west-1", 1)
	c := about.MultiRegionConfiguration
	if about.ARN != there || c == nil || c.KeyType != kmsclient.ReplicaKey ||
		c.Primary != (kmsclient.RegionKey{ARN: primary.ARN, Region: "us-east-1"}) ||
		len(c.Replicas) != 1 || c.Replicas[0] != (kmsclient.RegionKey{ARN: there, Region: "eu-west-1"}) {
		t.Errorf("%+v, %+v", about, c)
	}
}
