package kmstest

import (
	"slices"
	"strings"
	"time"

	"github.com/envseal/envseal/kmsclient"
)

func (s *suite) aliases(keyID string) []kmsclient.AliasEntry {
	s.Helper()
	list, err := s.ListAliases(s.ctx, keyID)
	s.must(err)
	return list
}

func testAliases(s *suite) {
	a, b := s.key(), s.key()
	const name = "alias/team/Web_1-prod"
	before := time.Now().Truncate(time.Second)
	s.must(s.CreateAlias(s.ctx, name, a.KeyID))
	s.must(s.CreateAlias(s.ctx, "alias/second", a.ARN))
	s.must(s.CreateAlias(s.ctx, "alias/third", b.ARN))
	list := s.aliases(a.KeyID)
	if len(list) != 2 || len(s.aliases(a.ARN)) != 2 || len(s.aliases(b.KeyID)) != 1 ||
		len(s.aliases("")) != 3 {
		s.Fatalf("aliases of the first key: %+v; all: %+v", list, s.aliases(""))
	}
	i := slices.IndexFunc(list, func(e kmsclient.AliasEntry) bool { return e.Name == name })
	if i < 0 {
		s.Fatalf("%s is not among %+v", name, list)
	}
	e := list[i]
	arn, err := kmsclient.ParseARN(e.ARN)
	s.must(err)
	if e.TargetKeyID != a.KeyID || arn.Resource != name || e.CreatedAt.Before(before) ||
		e.UpdatedAt.Before(before) {
		s.Errorf("alias entry %+v", e)
	}
	blob := s.encrypt(name, "by name", nil)
	s.must(s.UpdateAlias(s.ctx, name, b.KeyID))
	s.must(s.UpdateAlias(s.ctx, name, b.ARN)) // to where it leads already
	if got := s.describe(name).KeyID; got != b.KeyID {
		s.Errorf("after UpdateAlias the name leads to %s", got)
	}
	s.opens(blob, "by name", nil)
	s.must(s.DeleteAlias(s.ctx, name))
	_, err = s.DescribeKey(s.ctx, name, kmsclient.Options{})
	s.coded("DescribeKey", err, kmsclient.ErrNotFound, "NotFoundException")
	s.describe(b.KeyID)
	s.must(s.CreateAlias(s.ctx, name, a.KeyID)) // a name that is free again
	if got := s.describe(name).KeyID; got != a.KeyID {
		s.Errorf("the name leads to %s", got)
	}
}

func testAliasErrors(s *suite) {
	k := s.key()
	s.must(s.CreateAlias(s.ctx, "alias/taken", k.KeyID))
	s.coded("CreateAlias", s.CreateAlias(s.ctx, "alias/taken", k.KeyID), kmsclient.ErrAlreadyExists,
		"AlreadyExistsException")
	for _, bad := range []string{"name", "alias/", "Alias/x", "alias/a b", "alias/ä", "alias/x:y",
		"alias/aws/s3", "alias/" + strings.Repeat("x", 251)} {
		s.refused("CreateAlias", s.CreateAlias(s.ctx, bad, k.KeyID), kmsclient.ErrInvalidRequest)
	}
	s.must(s.CreateAlias(s.ctx, "alias/"+strings.Repeat("x", 250), k.KeyID))
	const absent = "00000000-0000-4000-8000-000000000000"
	s.refused("CreateAlias", s.CreateAlias(s.ctx, "alias/new", absent), kmsclient.ErrNotFound)
	s.refused("UpdateAlias", s.UpdateAlias(s.ctx, "alias/taken", absent), kmsclient.ErrNotFound)
	s.refused("UpdateAlias", s.UpdateAlias(s.ctx, "alias/nowhere", k.KeyID), kmsclient.ErrNotFound)
	s.refused("DeleteAlias", s.DeleteAlias(s.ctx, "alias/nowhere"), kmsclient.ErrNotFound)
	s.refused("CreateAlias", s.CreateAlias(s.ctx, "alias/new", "alias/taken"), kmsclient.ErrNotFound)
	doomed := s.key()
	_, err := s.ScheduleKeyDeletion(s.ctx, doomed.KeyID, 7)
	s.must(err)
	s.refused("UpdateAlias", s.UpdateAlias(s.ctx, "alias/taken", doomed.KeyID),
		kmsclient.ErrInvalidState)
	if got := s.describe("alias/taken").KeyID; got != k.KeyID {
		s.Errorf("after refusals the alias leads to %s", got)
	}
	if n := len(s.aliases("")); n != 2 {
		s.Errorf("after refusals there are %d aliases, want 2", n)
	}
}

func testKeyReferences(s *suite) {
	k := s.key()
	s.must(s.CreateAlias(s.ctx, "alias/ref", k.KeyID))
	aliasARN := s.aliases(k.KeyID)[0].ARN
	blob := s.encrypt(k.ARN, "text", nil)
	for _, ref := range []string{k.KeyID, k.ARN, "alias/ref", aliasARN} {
		if got := s.describe(ref); got.ARN != k.ARN {
			s.Errorf("%s leads to %s", ref, got.ARN)
		}
		key, err := s.GenerateDataKey(s.ctx,
			kmsclient.GenerateDataKeyInput{KeyID: ref, KeySpec: kmsclient.AES128})
		s.must(err)
		key.Plaintext.Destroy()
		sealed, err := s.Encrypt(s.ctx, kmsclient.EncryptInput{KeyID: ref, Plaintext: []byte("text")})
		s.must(err)
		opened, err := s.Decrypt(s.ctx, kmsclient.DecryptInput{KeyID: ref, CiphertextBlob: blob})
		s.must(err)
		opened.Plaintext.Destroy()
		moved, err := s.ReEncrypt(s.ctx,
			kmsclient.ReEncryptInput{SourceKeyID: ref, CiphertextBlob: blob, DestinationKeyID: ref})
		s.must(err)
		for _, got := range []string{key.KeyID, sealed.KeyID, opened.KeyID,
			moved.KeyID, moved.SourceKeyID} {
			if got != k.ARN {
				s.Errorf("asked for %s, the answer names %s and not the key ARN", ref, got)
			}
		}
	}
	// The operations on the key itself take its id or ARN, no alias.
	for _, ref := range []string{"alias/ref", aliasARN} {
		s.refused("DisableKey", s.DisableKey(s.ctx, ref), kmsclient.ErrNotFound)
		s.refused("EnableKey", s.EnableKey(s.ctx, ref), kmsclient.ErrNotFound)
		s.refused("RotateKeyOnDemand", s.RotateKeyOnDemand(s.ctx, ref), kmsclient.ErrNotFound)
		s.refused("CancelKeyDeletion", s.CancelKeyDeletion(s.ctx, ref), kmsclient.ErrNotFound)
		_, err := s.ScheduleKeyDeletion(s.ctx, ref, 7)
		s.refused("ScheduleKeyDeletion", err, kmsclient.ErrNotFound)
		_, err = s.ListAliases(s.ctx, ref)
		s.refused("ListAliases", err, kmsclient.ErrNotFound)
	}
	s.inState(k.KeyID, kmsclient.StateEnabled)
}

func testUnknownKeys(s *suite) {
	k := s.key()
	blob := s.encrypt(k.ARN, "text", nil)
	arn, err := kmsclient.ParseARN(k.ARN)
	s.must(err)
	foreignAccount := arn
	foreignAccount.Account = "444455556666"
	const absent = "11111111-2222-4333-8444-555555555555"
	arn.Resource = "key/" + absent
	unknown := []string{absent, "mrk-" + strings.Repeat("0", 32), "alias/unknown", "word",
		strings.ToUpper(k.KeyID) + "x", arn.String(), foreignAccount.String()}
	for _, ref := range unknown {
		for _, use := range s.uses(ref, blob, kmsclient.Options{}) {
			s.refused(use.op, use.call(), kmsclient.ErrNotFound)
		}
		_, err := s.DescribeKey(s.ctx, ref, kmsclient.Options{})
		s.coded("DescribeKey", err, kmsclient.ErrNotFound, "NotFoundException")
		s.refused("EnableKey", s.EnableKey(s.ctx, ref), kmsclient.ErrNotFound)
		s.refused("RotateKeyOnDemand", s.RotateKeyOnDemand(s.ctx, ref), kmsclient.ErrNotFound)
	}
	_, err = s.DescribeKey(s.ctx, strings.Repeat("a", kmsclient.MaxKeyID+1), kmsclient.Options{})
	s.refused("DescribeKey", err, kmsclient.ErrInvalidRequest)
}
