//go:build interop

package awskms_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/awskms"
)

// moto starts the public emulator moto on a free port. If it is missing the test fails and is not
// skipped.
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

// motoKeys are a client of moto and keys there: one with an alias, and another.
type motoKeys struct {
	*awskms.Client
	key, other *kmsclient.KeyMetadata
	context    map[string]string
}

// describe names the key in every form.
func (m motoKeys) describe(t *testing.T) {
	for _, id := range []string{m.key.KeyID, m.key.ARN, "alias/interop",
		strings.Replace(m.key.ARN, "key/"+m.key.KeyID, "alias/interop", 1)} {
		about, err := m.DescribeKey(t.Context(), id, kmsclient.Options{})
		must(t, err)
		if about.ARN != m.key.ARN || !about.Enabled || about.KeyState != kmsclient.StateEnabled ||
			about.Description != "interop" {
			t.Errorf("%s: %+v", id, about)
		}
	}
	_, err := m.DescribeKey(t.Context(), "alias/nobody", kmsclient.Options{})
	wantError(t, err, kmsclient.ErrNotFound, "alias/nobody")
}

func (m motoKeys) dataKeys(t *testing.T) {
	for _, in := range []kmsclient.GenerateDataKeyInput{{KeySpec: kmsclient.AES128},
		{KeySpec: kmsclient.AES256}, {NumberOfBytes: 1}, {NumberOfBytes: 64}, {NumberOfBytes: 1024}} {
		in.KeyID, in.EncryptionContext = "alias/interop", m.context
		key, err := m.GenerateDataKey(t.Context(), in)
		must(t, err)
		opened, err := m.Decrypt(t.Context(), kmsclient.DecryptInput{KeyID: key.KeyID,
			CiphertextBlob: key.CiphertextBlob, EncryptionContext: m.context})
		must(t, err)
		if !bytes.Equal(key.Plaintext.Bytes(), opened.Plaintext.Bytes()) ||
			opened.KeyID != m.key.ARN || key.KeyID != m.key.ARN {
			t.Errorf("%+v: another key comes back", in)
		}
		key.Plaintext.Destroy()
		opened.Plaintext.Destroy()
	}
	key, err := m.GenerateDataKeyWithoutPlaintext(t.Context(),
		kmsclient.GenerateDataKeyInput{KeyID: m.key.ARN, KeySpec: kmsclient.AES256})
	must(t, err)
	if key.Plaintext != nil {
		t.Error("with a plaintext")
	}
}

// encrypt encrypts, decrypts and moves to the other key.
func (m motoKeys) encrypt(t *testing.T) {
	for _, n := range []int{1, 31, 32, 33, 4096} {
		plain := bytes.Repeat([]byte{0xfe}, n)
		sealed, err := m.Encrypt(t.Context(),
			kmsclient.EncryptInput{KeyID: m.key.ARN, Plaintext: plain, EncryptionContext: m.context})
		must(t, err)
		opened, err := m.Decrypt(t.Context(), kmsclient.DecryptInput{KeyID: m.key.ARN,
			CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: m.context})
		must(t, err)
		if !bytes.Equal(opened.Plaintext.Bytes(), plain) {
			t.Errorf("%d bytes: something else comes back", n)
		}
		opened.Plaintext.Destroy()
		_, err = m.Decrypt(t.Context(), kmsclient.DecryptInput{KeyID: m.key.ARN,
			CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: map[string]string{"app": "x"}})
		wantError(t, err, kmsclient.ErrInvalidCiphertext)
		moved, err := m.ReEncrypt(t.Context(),
			kmsclient.ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob, SourceKeyID: m.key.ARN,
				SourceEncryptionContext: m.context, DestinationKeyID: m.other.ARN})
		must(t, err)
		if moved.SourceKeyID != m.key.ARN || moved.KeyID != m.other.ARN {
			t.Errorf("moved from %s to %s", moved.SourceKeyID, moved.KeyID)
		}
	}
}

func (m motoKeys) lists(t *testing.T) {
	list, err := m.ListKeys(t.Context())
	must(t, err)
	aliases, err := m.ListAliases(t.Context(), m.key.KeyID)
	must(t, err)
	if len(list) != 2 || len(aliases) != 1 || aliases[0].Name != "alias/interop" {
		t.Errorf("%+v, %+v", list, aliases)
	}
}

func (m motoKeys) identity(t *testing.T) {
	who, err := m.CallerIdentity(t.Context(), "")
	must(t, err)
	if who.Account == "" || !strings.HasPrefix(who.ARN, "arn:aws:") {
		t.Errorf("%+v", who)
	}
}

// dryRun: moto does not know it.
func (m motoKeys) dryRun(t *testing.T) {
	_, err := m.GenerateDataKey(t.Context(), kmsclient.GenerateDataKeyInput{KeyID: m.key.ARN,
		KeySpec: kmsclient.AES256, Options: kmsclient.Options{DryRun: true}})
	wantError(t, err, kmsclient.ErrBadAnswer, "dry run")
	if !errors.Is(err, kmsclient.ErrNotDryRun) {
		t.Errorf("%v is not ErrNotDryRun", err)
	}
}

// TestInteropMoto runs the operations that moto does right: another implementation of KMS than
// ours.
func TestInteropMoto(t *testing.T) {
	home := os.Getenv("HOME")
	clean(t)
	setenv(t, "HOME", home) // where Python finds moto
	keys(t)
	ctx := t.Context()
	c := awskms.New(awskms.Config{EndpointURL: moto(t), Region: "eu-central-1"})
	made, err := c.CreateKey(ctx, kmsclient.CreateKeyInput{Description: "interop"})
	must(t, err)
	must(t, c.CreateAlias(ctx, "alias/interop", made.KeyID))
	other, err := c.CreateKey(ctx, kmsclient.CreateKeyInput{})
	must(t, err)
	m := motoKeys{c, made, other, map[string]string{"app": "web", "käse": "\"<&>\" \U0001F512"}}
	t.Run("DescribeKey", m.describe)
	t.Run("GenerateDataKey", m.dataKeys)
	t.Run("Encrypt", m.encrypt)
	t.Run("Lists", m.lists)
	t.Run("CallerIdentity", m.identity)
	t.Run("DryRun", m.dryRun)
}

// TestInteropMotoReplica: what DescribeKey tells of a multi-Region key and its replica. The aws
// command makes the replica. moto cannot decrypt for such keys in any Region.
func TestInteropMotoReplica(t *testing.T) {
	home := os.Getenv("HOME")
	clean(t)
	setenv(t, "HOME", home)
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
