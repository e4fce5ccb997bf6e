package kmstest

import (
	"slices"
	"strings"
	"time"

	"github.com/envseal/envseal/kmsclient"
)

const day = 24 * time.Hour

func testCreateKey(s *suite) {
	before := time.Now().Truncate(time.Second)
	k, err := s.CreateKey(s.ctx, kmsclient.CreateKeyInput{Description: "für Sicherungen"})
	s.must(err)
	arn, err := kmsclient.ParseARN(k.ARN)
	s.must(err)
	if arn.KeyID() != k.KeyID || arn.Account != k.AccountID || k.KeyID == "" {
		s.Errorf("ARN %s does not fit id %s and account %s", k.ARN, k.KeyID, k.AccountID)
	}
	if !k.Enabled || k.KeyState != kmsclient.StateEnabled || k.KeyUsage != "ENCRYPT_DECRYPT" ||
		k.KeySpec != kmsclient.Algorithm {
		s.Errorf("a new key is %+v", k)
	}
	if k.Origin != "AWS_KMS" || k.KeyManager != "CUSTOMER" ||
		!slices.Equal(k.Algorithms, []string{kmsclient.Algorithm}) {
		s.Errorf("a new key is %+v", k)
	}
	if k.Description != "für Sicherungen" || k.MultiRegion || !k.DeletionDate.IsZero() {
		s.Errorf("a new key is %+v", k)
	}
	if k.CreationDate.Before(before) || k.CreationDate.After(time.Now().Add(time.Second)) {
		s.Errorf("created %v, now it is %v", k.CreationDate, time.Now())
	}
	s.isMaterialID("CreateKey", k.CurrentKeyMaterialID)
	again, err := s.DescribeKey(s.ctx, k.KeyID, kmsclient.Options{})
	s.must(err)
	if again.ARN != k.ARN || again.Description != k.Description ||
		!again.CreationDate.Truncate(time.Second).Equal(k.CreationDate.Truncate(time.Second)) {
		s.Errorf("made %+v, described %+v", k, again)
	}
	multi, err := s.CreateKey(s.ctx, kmsclient.CreateKeyInput{MultiRegion: true})
	s.must(err)
	arn, err = kmsclient.ParseARN(multi.ARN)
	s.must(err)
	if !multi.MultiRegion || !arn.IsMultiRegion() || !strings.HasPrefix(multi.KeyID, "mrk-") {
		s.Errorf("a multi-Region key is %+v", multi)
	}
	c := multi.MultiRegionConfiguration
	if c == nil || c.KeyType != kmsclient.PrimaryKey ||
		c.Primary != (kmsclient.RegionKey{ARN: multi.ARN, Region: arn.Region}) || len(c.Replicas) != 0 ||
		k.MultiRegionConfiguration != nil {
		s.Errorf("a new multi-Region key has the configuration %+v, another key %+v",
			c, k.MultiRegionConfiguration)
	}
	s.opens(s.encrypt(multi.KeyID, "x", nil), "x", nil)
	// characters, not bytes
	_, err = s.CreateKey(s.ctx, kmsclient.CreateKeyInput{Description: strings.Repeat("ü", 8192)})
	s.must(err)
	_, err = s.CreateKey(s.ctx, kmsclient.CreateKeyInput{Description: strings.Repeat("ü", 8193)})
	s.refused("CreateKey", err, kmsclient.ErrInvalidRequest)
}

func testListKeys(s *suite) {
	list, err := s.ListKeys(s.ctx)
	s.must(err)
	if len(list) != 0 {
		s.Fatalf("a new service lists %d keys", len(list))
	}
	want := map[string]string{}
	for range 7 {
		k := s.key()
		want[k.KeyID] = k.ARN
	}
	list, err = s.ListKeys(s.ctx)
	s.must(err)
	for _, e := range list {
		if want[e.KeyID] != e.ARN {
			s.Errorf("lists %+v, which was not made or is doubled", e)
		}
		delete(want, e.KeyID)
	}
	if len(want) > 0 {
		s.Errorf("%d keys are missing from the list", len(want))
	}
}

// describe is the state of a key.
func (s *suite) describe(keyID string) *kmsclient.KeyMetadata {
	s.Helper()
	k, err := s.DescribeKey(s.ctx, keyID, kmsclient.Options{})
	s.must(err)
	if k.Enabled != (k.KeyState == kmsclient.StateEnabled) {
		s.Errorf("Enabled is %v in the state %s", k.Enabled, k.KeyState)
	}
	return k
}

func (s *suite) inState(keyID, state string) {
	s.Helper()
	if k := s.describe(keyID); k.KeyState != state {
		s.Errorf("key is %s, want %s", k.KeyState, state)
	}
}

// unusable checks that no operation uses the key of blob.
func (s *suite) unusable(k *kmsclient.KeyMetadata, blob []byte, kind error, code string) {
	s.Helper()
	other := s.key()
	free := s.encrypt(other.ARN, "free", nil)
	for _, use := range s.uses(k.ARN, blob, kmsclient.Options{}) {
		s.coded(use.op, use.call(), kind, code)
	}
	_, err := s.ReEncrypt(s.ctx,
		kmsclient.ReEncryptInput{CiphertextBlob: free, DestinationKeyID: k.ARN})
	s.coded("ReEncrypt", err, kind, code)
	s.coded("Decrypt", s.decryptError(kmsclient.DecryptInput{CiphertextBlob: blob}), kind, code)
	s.coded("RotateKeyOnDemand", s.RotateKeyOnDemand(s.ctx, k.KeyID), kind, code)
}

func testStates(s *suite) {
	k := s.key()
	blob := s.encrypt(k.ARN, "secret", nil)
	s.must(s.EnableKey(s.ctx, k.KeyID)) // enabling an enabled key is no error
	s.must(s.DisableKey(s.ctx, k.ARN))
	s.must(s.DisableKey(s.ctx, k.KeyID))
	s.inState(k.KeyID, kmsclient.StateDisabled)
	s.unusable(k, blob, kmsclient.ErrDisabled, "DisabledException")
	s.must(s.CreateAlias(s.ctx, "alias/of-disabled", k.KeyID))
	s.must(s.EnableKey(s.ctx, k.ARN))
	s.inState(k.KeyID, kmsclient.StateEnabled)
	s.opens(blob, "secret", nil)
	s.opens(s.encrypt("alias/of-disabled", "more", nil), "more", nil)
}

func testDeletion(s *suite) {
	k := s.key()
	blob := s.encrypt(k.ARN, "secret", nil)
	s.must(s.CreateAlias(s.ctx, "alias/doomed", k.KeyID))
	for _, days := range []int{-1, 1, 6, 31, 366} {
		_, err := s.ScheduleKeyDeletion(s.ctx, k.KeyID, days)
		s.refused("ScheduleKeyDeletion", err, kmsclient.ErrInvalidRequest)
	}
	s.inState(k.KeyID, kmsclient.StateEnabled)
	s.coded("CancelKeyDeletion", s.CancelKeyDeletion(s.ctx, k.KeyID), kmsclient.ErrInvalidState,
		"KMSInvalidStateException")
	due, err := s.ScheduleKeyDeletion(s.ctx, k.ARN, 7)
	s.must(err)
	near(s, due, 7*day)
	s.inState("alias/doomed", kmsclient.StatePendingDeletion)
	near(s, s.describe(k.KeyID).DeletionDate, 7*day)
	const code = "KMSInvalidStateException"
	s.unusable(k, blob, kmsclient.ErrInvalidState, code)
	_, err = s.ScheduleKeyDeletion(s.ctx, k.KeyID, 7)
	s.coded("ScheduleKeyDeletion", err, kmsclient.ErrInvalidState, code)
	s.coded("EnableKey", s.EnableKey(s.ctx, k.KeyID), kmsclient.ErrInvalidState, code)
	s.coded("DisableKey", s.DisableKey(s.ctx, k.KeyID), kmsclient.ErrInvalidState, code)
	s.coded("CreateAlias", s.CreateAlias(s.ctx, "alias/late", k.KeyID),
		kmsclient.ErrInvalidState, code)
	s.must(s.CancelKeyDeletion(s.ctx, k.ARN))
	s.inState(k.KeyID, kmsclient.StateDisabled)
	if d := s.describe(k.KeyID).DeletionDate; !d.IsZero() {
		s.Errorf("a rescued key is still to be deleted on %v", d)
	}
	s.must(s.EnableKey(s.ctx, k.KeyID))
	s.opens(blob, "secret", nil)
	due, err = s.ScheduleKeyDeletion(s.ctx, k.KeyID, 0)
	s.must(err)
	near(s, due, 30*day)
}

func near(s *suite, due time.Time, wait time.Duration) {
	s.Helper()
	// a day of 23 or 25 hours is still a day
	if off := time.Until(due) - wait; off.Abs() > 2*time.Hour {
		s.Errorf("deletion is due %v, that is %v away from %v", due, off, wait)
	}
}

func testRotation(s *suite) {
	k := s.key()
	s.must(s.CreateAlias(s.ctx, "alias/turning", k.KeyID))
	ec := map[string]string{"app": "web"}
	seen := map[string]bool{}
	var blobs [][]byte
	for range 4 {
		key, err := s.GenerateDataKey(s.ctx, kmsclient.GenerateDataKeyInput{KeyID: "alias/turning",
			KeySpec: kmsclient.AES256, EncryptionContext: ec})
		s.must(err)
		key.Plaintext.Destroy()
		s.isMaterialID("GenerateDataKey", key.KeyMaterialID)
		if seen[key.KeyMaterialID] || key.KeyMaterialID != s.describe(k.KeyID).CurrentKeyMaterialID {
			s.Errorf("after a rotation the key material id is %s", key.KeyMaterialID)
		}
		seen[key.KeyMaterialID] = true
		blobs = append(blobs, s.encrypt(k.ARN, "old and new", ec), key.CiphertextBlob)
		s.must(s.RotateKeyOnDemand(s.ctx, k.KeyID))
	}
	for i, blob := range blobs {
		out, err := s.Decrypt(s.ctx,
			kmsclient.DecryptInput{KeyID: k.ARN, CiphertextBlob: blob, EncryptionContext: ec})
		s.must(err)
		if got := take(out.Plaintext); i%2 == 0 && string(got) != "old and new" {
			s.Errorf("blob %d decrypts to something else", i)
		}
		if !seen[out.KeyMaterialID] {
			s.Errorf("blob %d: Decrypt names the key material %q", i, out.KeyMaterialID)
		}
	}
	moved, err := s.ReEncrypt(s.ctx, kmsclient.ReEncryptInput{CiphertextBlob: blobs[0],
		SourceEncryptionContext: ec, DestinationKeyID: k.ARN})
	s.must(err)
	if moved.DestinationKeyMaterialID != s.describe(k.KeyID).CurrentKeyMaterialID ||
		!seen[moved.SourceKeyMaterialID] {
		s.Errorf("ReEncrypt went from %s to %s",
			moved.SourceKeyMaterialID, moved.DestinationKeyMaterialID)
	}
}
