package kmsclient

import (
	"errors"
	"strings"
	"testing"
)

func TestParseARN(t *testing.T) {
	const key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	a, err := ParseARN(key)
	if err != nil || a.Partition != "aws" || a.Region != "eu-west-1" || a.Account != "111122223333" ||
		a.KeyID() != "1234abcd-12ab-34cd-56ef-1234567890ab" || a.IsAlias() ||
		a.IsMultiRegion() || a.String() != key {
		t.Errorf("%+v, %v", a, err)
	}
	a, err = ParseARN("arn:aws-cn:kms:cn-north-1:111122223333:alias/a/b")
	if err != nil || !a.IsAlias() || a.KeyID() != "" || a.Resource != "alias/a/b" {
		t.Errorf("%+v, %v", a, err)
	}
	a, err = ParseARN("arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab")
	if err != nil || !a.IsMultiRegion() || a.InRegion("eu-west-1").String() !=
		"arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab" {
		t.Errorf("%+v, %v", a, err)
	}
	other := a
	other.Account = "444455556666"
	if !a.InRegion("eu-west-1").IsReplica(a) || !a.IsReplica(a) ||
		a.IsReplica(other) || other.IsReplica(a) {
		t.Error("a replica is the same key id of the same account, in any Region")
	}
	local := ARN{"aws", LocalRegion, LocalAccount, a.Resource}
	if a.ReplicaIn("eu-west-1").Region != "eu-west-1" || a.ReplicaIn("") != a ||
		local.ReplicaIn("eu-west-1") != local {
		t.Error("a multi-Region key is asked for in the Region that is named; one of a keystore has none")
	}
	b := (ARN{"aws", "us-east-1", "111122223333", "key/1234abcd-12ab-34cd-56ef-1234567890ab"})
	if b.IsReplica(b) || b.IsReplica(a) || a.IsReplica(b) || b.ReplicaIn("eu-west-1") != b {
		t.Error("a key of one Region has no replicas")
	}
	for _, bad := range []string{"", "arn", "alias/x", "arn:aws:s3:::bucket/key",
		"arn:aws:kms:eu-west-1:111122223333:key", "arn:aws:kms:eu-west-1:111122223333:key/",
		"arn:aws:kms::111122223333:key/1", "arn:aws:kms:eu-west-1::key/1",
		"arn::kms:eu-west-1:111122223333:key/1", "arn:aws:kms:eu-west-1:111122223333:grant/1",
		"arn:evil:kms:eu-west-1:111122223333:key/1", "arn:awsx:kms:eu-west-1:111122223333:key/1",
		"arn:aws:kms:evil.example.com:111122223333:key/1", "arn:aws:kms:x/:111122223333:key/1",
		"arn:aws:kms:-x:111122223333:key/1", "arn:aws:kms:eu-west-1:11112222333:key/1",
		"arn:aws:kms:eu-west-1:11112222333x:key/1", key + ":more", "x" + key,
		strings.Repeat("a", MaxKeyID+1)} {
		if a, err := ParseARN(bad); err == nil {
			t.Errorf("%.80q parsed as %+v", bad, a)
		}
	}
}

func TestError(t *testing.T) {
	cause := errors.New("cause")
	err := &Error{Op: "Decrypt", KeyID: "alias/app", Code: "DisabledException",
		Message: "it is disabled.", RequestID: "1-2", Kind: ErrDisabled, Err: cause}
	got, want := err.Error(), "Decrypt alias/app: it is disabled. (DisabledException, request id 1-2)"
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !errors.Is(err, ErrDisabled) || !errors.Is(err, cause) || errors.Is(err, ErrNotFound) {
		t.Error("kind or cause cannot be found")
	}
	for want, err := range map[string]*Error{
		"ListKeys: cause":     {Op: "ListKeys", Err: cause, Kind: ErrThrottled},
		"ListKeys: throttled": {Op: "ListKeys", Kind: ErrThrottled},
		"ListKeys: failed":    {Op: "ListKeys"},
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}
