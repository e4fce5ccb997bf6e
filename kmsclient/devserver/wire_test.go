package devserver_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/devserver"
)

var webContext = map[string]string{"app": "web", "Größe": `"<&>\`}

// opened is what Decrypt makes of a blob.
func (r *rig) opened(blob []byte, ec map[string]string) []byte {
	r.t.Helper()
	out, err := r.client(1).Decrypt(r.t.Context(),
		&kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: ec, KeyId: aws.String("alias/app")})
	must(r.t, err)
	if *out.KeyId != r.key.ARN ||
		out.EncryptionAlgorithm != types.EncryptionAlgorithmSpecSymmetricDefault ||
		len(aws.ToString(out.KeyMaterialId)) != 64 {
		r.t.Fatalf("Decrypt answered %+v", out.KeyId)
	}
	return out.Plaintext
}

// TestDataKeyOperations runs the operations on data keys through the AWS SDK and decrypts what they
// made.
func TestDataKeyOperations(t *testing.T) {
	r := start(t, devserver.Options{})
	c, ctx := r.client(1), t.Context()
	key, err := c.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: aws.String("alias/app"),
		KeySpec: types.DataKeySpecAes256, EncryptionContext: webContext})
	must(t, err)
	if len(key.Plaintext) != 32 || *key.KeyId != r.key.ARN ||
		len(aws.ToString(key.KeyMaterialId)) != 64 ||
		!bytes.Equal(r.opened(key.CiphertextBlob, webContext), key.Plaintext) {
		t.Fatalf("GenerateDataKey answered %d bytes of %s", len(key.Plaintext), *key.KeyId)
	}
	large, err := c.GenerateDataKey(ctx,
		&kms.GenerateDataKeyInput{KeyId: &r.key.ARN, NumberOfBytes: aws.Int32(1024)})
	must(t, err)
	if len(large.Plaintext) != 1024 ||
		!bytes.Equal(r.opened(large.CiphertextBlob, nil), large.Plaintext) {
		t.Fatalf("GenerateDataKey answered %d bytes", len(large.Plaintext))
	}
	blind, err := c.GenerateDataKeyWithoutPlaintext(ctx,
		&kms.GenerateDataKeyWithoutPlaintextInput{KeyId: &r.key.KeyID, KeySpec: types.DataKeySpecAes128})
	must(t, err)
	if len(r.opened(blind.CiphertextBlob, nil)) != 16 || *blind.KeyId != r.key.ARN {
		t.Fatalf("GenerateDataKeyWithoutPlaintext answered %+v", blind)
	}
	n := r.srv.Counts()
	if n["Decrypt"] != 3 || n["GenerateDataKey"] != 2 || n["GenerateDataKeyWithoutPlaintext"] != 1 {
		t.Fatalf("counted %v", n)
	}
}

func TestEncryptAndReEncrypt(t *testing.T) {
	r := start(t, devserver.Options{})
	c, ctx := r.client(1), t.Context()
	sealed, err := c.Encrypt(ctx,
		&kms.EncryptInput{KeyId: &r.key.ARN, Plaintext: []byte("hello"), EncryptionContext: webContext})
	must(t, err)
	if string(r.opened(sealed.CiphertextBlob, webContext)) != "hello" || *sealed.KeyId != r.key.ARN {
		t.Fatalf("Encrypt answered %+v", sealed)
	}
	moved, err := c.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob,
		SourceEncryptionContext: webContext, DestinationKeyId: aws.String("alias/app")})
	must(t, err)
	if string(r.opened(moved.CiphertextBlob, nil)) != "hello" || *moved.SourceKeyId != r.key.ARN ||
		*moved.KeyId != r.key.ARN || len(aws.ToString(moved.SourceKeyMaterialId)) != 64 ||
		len(aws.ToString(moved.DestinationKeyMaterialId)) != 64 {
		t.Fatalf("ReEncrypt answered %+v", moved)
	}
	random, err := c.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(33)})
	must(t, err)
	if len(random.Plaintext) != 33 || bytes.Equal(random.Plaintext, make([]byte, 33)) {
		t.Fatalf("GenerateRandom answered %d bytes", len(random.Plaintext))
	}
}

func TestKeyPairs(t *testing.T) {
	r := start(t, devserver.Options{})
	c, ctx := r.client(1), t.Context()
	pair, err := c.GenerateDataKeyPair(ctx,
		&kms.GenerateDataKeyPairInput{KeyId: aws.String("alias/app"),
			KeyPairSpec: types.DataKeyPairSpecEccNistP384, EncryptionContext: webContext})
	must(t, err)
	private, err := c.Decrypt(ctx,
		&kms.DecryptInput{CiphertextBlob: pair.PrivateKeyCiphertextBlob, EncryptionContext: webContext})
	must(t, err)
	if !bytes.Equal(private.Plaintext, pair.PrivateKeyPlaintext) || *pair.KeyId != r.key.ARN ||
		pair.KeyPairSpec != types.DataKeyPairSpecEccNistP384 {
		t.Fatalf("pair of %s, %s", *pair.KeyId, pair.KeyPairSpec)
	}
	if _, err := x509.ParsePKCS8PrivateKey(private.Plaintext); err != nil {
		t.Fatal(err)
	}
	if _, err := x509.ParsePKIXPublicKey(pair.PublicKey); err != nil {
		t.Fatal(err)
	}
	// ML-KEM is unknown to some SDKs; the wire does not mind.
	blind, err := c.GenerateDataKeyPairWithoutPlaintext(ctx,
		&kms.GenerateDataKeyPairWithoutPlaintextInput{KeyId: &r.key.ARN, KeyPairSpec: "ML_KEM_768"})
	must(t, err)
	if len(blind.PublicKey) < 1184 || len(blind.PrivateKeyCiphertextBlob) == 0 ||
		*blind.KeyId != r.key.ARN {
		t.Fatalf("public key of %d bytes", len(blind.PublicKey))
	}
}

// TestLifeOfAKey walks a key through its states.
func TestLifeOfAKey(t *testing.T) {
	r := start(t, devserver.Options{})
	c, ctx := r.client(1), t.Context()
	made, err := c.CreateKey(ctx,
		&kms.CreateKeyInput{Description: aws.String("mine"), MultiRegion: aws.Bool(true)})
	must(t, err)
	m := made.KeyMetadata
	if *m.Description != "mine" || !*m.MultiRegion || m.MultiRegionConfiguration == nil ||
		*m.MultiRegionConfiguration.PrimaryKey.Arn != *m.Arn ||
		time.Since(*m.CreationDate) > time.Minute {
		t.Fatalf("CreateKey answered %+v", m)
	}
	state := func(want types.KeyState) *types.KeyMetadata {
		t.Helper()
		out, err := c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: m.KeyId})
		must(t, err)
		if out.KeyMetadata.KeyState != want ||
			out.KeyMetadata.Enabled != (want == types.KeyStateEnabled) {
			t.Fatalf("key is %s, want %s", out.KeyMetadata.KeyState, want)
		}
		return out.KeyMetadata
	}
	first := *state(types.KeyStateEnabled).CurrentKeyMaterialId
	rotated, err := c.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: m.KeyId})
	must(t, err)
	now := *state(types.KeyStateEnabled).CurrentKeyMaterialId
	if now == first || *rotated.KeyId != *m.Arn {
		t.Fatalf("RotateKeyOnDemand answered %s, key material is %s", *rotated.KeyId, now)
	}
	_, err = c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: m.KeyId})
	must(t, err)
	state(types.KeyStateDisabled)
	_, err = c.EnableKey(ctx, &kms.EnableKeyInput{KeyId: m.KeyId})
	must(t, err)
	state(types.KeyStateEnabled)
	gone, err := c.ScheduleKeyDeletion(ctx,
		&kms.ScheduleKeyDeletionInput{KeyId: m.KeyId, PendingWindowInDays: aws.Int32(7)})
	must(t, err)
	days := time.Until(*gone.DeletionDate).Hours() / 24
	if days < 6 || days > 8 || *gone.KeyId != *m.Arn || *gone.PendingWindowInDays != 7 ||
		gone.KeyState != types.KeyStatePendingDeletion {
		t.Fatalf("ScheduleKeyDeletion answered %+v", gone)
	}
	if at := state(types.KeyStatePendingDeletion).DeletionDate; !at.Equal(*gone.DeletionDate) {
		t.Fatalf("DeletionDate %v, was promised for %v", at, gone.DeletionDate)
	}
	back, err := c.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: m.KeyId})
	must(t, err)
	if *back.KeyId != *m.Arn || state(types.KeyStateDisabled).DeletionDate != nil {
		t.Fatalf("CancelKeyDeletion answered %s", *back.KeyId)
	}
}

func TestAliasesAndPages(t *testing.T) {
	r := start(t, devserver.Options{})
	c, ctx := r.client(1), t.Context()
	for i := range 7 {
		_, err := c.CreateAlias(ctx, &kms.CreateAliasInput{
			AliasName: aws.String(fmt.Sprint("alias/n", i)), TargetKeyId: &r.key.KeyID})
		must(t, err)
	}
	_, err := c.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: aws.String("alias/n0")})
	must(t, err)
	var names []string
	aliases := kms.NewListAliasesPaginator(c, &kms.ListAliasesInput{Limit: aws.Int32(3)})
	for aliases.HasMorePages() {
		page, err := aliases.NextPage(ctx)
		must(t, err)
		if len(page.Aliases) > 3 {
			t.Fatalf("page of %d", len(page.Aliases))
		}
		for _, a := range page.Aliases {
			names = append(names, *a.AliasName)
			if *a.TargetKeyId != r.key.KeyID || !strings.HasSuffix(*a.AliasArn, *a.AliasName) ||
				a.CreationDate.IsZero() {
				t.Fatalf("alias %+v", a)
			}
		}
	}
	got, want := strings.Join(names, " "),
		"alias/app alias/n1 alias/n2 alias/n3 alias/n4 alias/n5 alias/n6"
	if got != want {
		t.Fatalf("aliases %s", got)
	}
	other, err := c.CreateKey(ctx, &kms.CreateKeyInput{})
	must(t, err)
	_, err = c.UpdateAlias(ctx,
		&kms.UpdateAliasInput{AliasName: aws.String("alias/n1"), TargetKeyId: other.KeyMetadata.KeyId})
	must(t, err)
	one, err := c.ListAliases(ctx, &kms.ListAliasesInput{KeyId: other.KeyMetadata.KeyId})
	must(t, err)
	if len(one.Aliases) != 1 || *one.Aliases[0].AliasName != "alias/n1" || one.Truncated {
		t.Fatalf("aliases of the other key: %+v", one.Aliases)
	}
}

func TestKeyPages(t *testing.T) {
	r := start(t, devserver.Options{})
	for range 7 {
		_, err := r.store.CreateKey(t.Context(), kmsclient.CreateKeyInput{})
		must(t, err)
	}
	seen := map[string]bool{}
	keys := kms.NewListKeysPaginator(r.client(1), &kms.ListKeysInput{Limit: aws.Int32(4)})
	pages := 0
	for ; keys.HasMorePages(); pages++ {
		page, err := keys.NextPage(t.Context())
		must(t, err)
		for _, k := range page.Keys {
			seen[*k.KeyArn] = true
		}
	}
	if len(seen) != 8 || pages != 2 {
		t.Fatalf("%d keys on %d pages", len(seen), pages)
	}
}

// TestDeniedHalves: ReEncrypt needs two permissions, and the answer names the one that is missing.
func TestDeniedHalves(t *testing.T) {
	for _, permission := range []string{"ReEncryptFrom", "ReEncryptTo"} {
		r := start(t, devserver.Options{Deny: []string{permission}})
		c, ctx := r.client(1), t.Context()
		sealed, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: &r.key.ARN, Plaintext: []byte("x")})
		must(t, err)
		_, err = c.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob,
			SourceKeyId: &r.key.ARN, DestinationKeyId: aws.String("alias/app")})
		if err == nil || !strings.Contains(err.Error(), "AccessDeniedException") ||
			!strings.Contains(err.Error(), "kms:"+permission+" on resource: ") {
			t.Errorf("%s: %v", permission, err)
		}
	}
}

// TestServiceErrors sees the Service's errors as typed exceptions of the SDK.
func TestServiceErrors(t *testing.T) {
	r := start(t, devserver.Options{Deny: []string{"GenerateRandom"}})
	c, ctx := r.client(1), t.Context()
	sealed, err := c.Encrypt(ctx,
		&kms.EncryptInput{KeyId: &r.key.ARN, Plaintext: []byte("x"), EncryptionContext: webContext})
	must(t, err)
	other, err := c.CreateKey(ctx, &kms.CreateKeyInput{})
	must(t, err)
	_, err = c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: other.KeyMetadata.KeyId})
	must(t, err)
	dataKey := func(in kms.GenerateDataKeyInput) error {
		_, err := c.GenerateDataKey(ctx, &in)
		return err
	}
	opened := func(in kms.DecryptInput) error { _, err := c.Decrypt(ctx, &in); return err }
	_, random := c.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(1)})
	_, again := c.CreateAlias(ctx,
		&kms.CreateAliasInput{AliasName: aws.String("alias/app"), TargetKeyId: &r.key.KeyID})
	app := aws.String("alias/app")
	for name, c := range map[string]struct {
		err  error
		code string
	}{
		"unknown alias": {dataKey(kms.GenerateDataKeyInput{KeyId: aws.String("alias/none"),
			KeySpec: "AES_256"}), "NotFoundException"},
		"both sizes": {dataKey(kms.GenerateDataKeyInput{KeyId: app, KeySpec: "AES_256",
			NumberOfBytes: aws.Int32(3)}), "ValidationException"},
		"no size": {dataKey(kms.GenerateDataKeyInput{KeyId: app}), "ValidationException"},
		"size 0": {dataKey(kms.GenerateDataKeyInput{KeyId: app, KeySpec: "AES_256",
			NumberOfBytes: aws.Int32(0)}), "ValidationException"},
		"size 1025": {dataKey(kms.GenerateDataKeyInput{KeyId: app, NumberOfBytes: aws.Int32(1025)}),
			"ValidationException"},
		"unknown spec": {dataKey(kms.GenerateDataKeyInput{KeyId: app, KeySpec: "AES_512"}),
			"ValidationException"},
		"dry run": {dataKey(kms.GenerateDataKeyInput{KeyId: app, KeySpec: "AES_256",
			DryRun: aws.Bool(true)}), "DryRunOperationException"},
		"grant token": {dataKey(kms.GenerateDataKeyInput{KeyId: app, KeySpec: "AES_256",
			GrantTokens: []string{"x"}}), "InvalidGrantTokenException"},
		"11 grant tokens": {dataKey(kms.GenerateDataKeyInput{KeyId: app, KeySpec: "AES_256",
			GrantTokens: make([]string, 11)}), "ValidationException"},
		"disabled": {dataKey(kms.GenerateDataKeyInput{KeyId: other.KeyMetadata.KeyId,
			KeySpec: "AES_256"}), "DisabledException"},
		"enclave": {dataKey(kms.GenerateDataKeyInput{KeyId: app, KeySpec: "AES_256",
			Recipient: &types.RecipientInfo{AttestationDocument: []byte("x")}}),
			"UnsupportedOperationException"},
		"wrong context": {opened(kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}),
			"InvalidCiphertextException"},
		"foreign blob": {opened(kms.DecryptInput{CiphertextBlob: []byte("nonsense")}),
			"InvalidCiphertextException"},
		"denied":       {random, "AccessDeniedException"},
		"alias exists": {again, "AlreadyExistsException"},
	} {
		var api smithy.APIError
		if !errors.As(c.err, &api) || api.ErrorCode() != c.code {
			t.Errorf("%s: %v, want %s", name, c.err, c.code)
		}
	}
}

// TestLogHoldsNoKeys looks for the keys that went over the wire in all that was logged about them.
func TestLogHoldsNoKeys(t *testing.T) {
	r := start(t, devserver.Options{})
	c, ctx := r.client(1), t.Context()
	key, err := c.GenerateDataKey(ctx,
		&kms.GenerateDataKeyInput{KeyId: aws.String("alias/app"), KeySpec: types.DataKeySpecAes256})
	must(t, err)
	_, err = c.Encrypt(ctx, &kms.EncryptInput{KeyId: &r.key.ARN, Plaintext: key.Plaintext})
	must(t, err)
	r.ask("Encrypt", `{"KeyId":"none","Plaintext":"`+
		base64.StdEncoding.EncodeToString(key.Plaintext)+`"}`)
	calls := r.logged(3)
	text := fmt.Sprintf("%+v", calls)
	for _, form := range []string{string(key.Plaintext), hex.EncodeToString(key.Plaintext),
		base64.StdEncoding.EncodeToString(key.Plaintext)} {
		if strings.Contains(text, form) {
			t.Fatal("a key is in the log")
		}
	}
	first, last := calls[0], calls[2]
	if first.Operation != "GenerateDataKey" || first.KeyID != "alias/app" || first.Status != 200 ||
		first.Code != "" || first.Duration <= 0 || len(first.RequestID) != 36 {
		t.Fatalf("logged %+v", first)
	}
	if last.Operation != "Encrypt" || last.KeyID != "none" || last.Status != 400 ||
		last.Code != "NotFoundException" || last.Message == "" {
		t.Fatalf("logged %+v", last)
	}
}
