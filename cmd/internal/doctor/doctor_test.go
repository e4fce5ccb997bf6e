package doctor

import (
	"strings"
	"testing"

	"github.com/envseal/envseal/kmsclient"
)

// TestHalf: a denial of ReEncrypt names the permission that is missing. It decides that half;
// the other stays open until another key decides it.
func TestHalf(t *testing.T) {
	denied := func(permission string) error {
		return &kmsclient.Error{Op: "ReEncrypt", Code: "AccessDeniedException",
			Kind: kmsclient.ErrAccessDenied,
			Message: "User: arn:aws:iam::111122223333:user/ann is not authorized to perform: kms:" +
				permission + " on resource: arn:aws:kms:eu-west-1:111122223333:key/1"}
	}
	for _, c := range []struct {
		name    string
		answers []error // to ReEncrypt from the key: to itself, then to others
		want    string
	}{
		{"allowed", []error{kmsclient.ErrDryRun}, verdictAllowed},
		{"denied", []error{denied("ReEncryptFrom")}, verdictDenied},
		{"denied for another reason", []error{denied("ReEncryptTo")}, verdictUnknown},
		{"another key decides it: allowed", []error{denied("ReEncryptTo"), kmsclient.ErrDryRun},
			verdictAllowed},
		{"another key decides it: denied", []error{denied("ReEncryptTo"), denied("ReEncryptFrom")},
			verdictDenied},
		{"none decides it", []error{denied("ReEncryptTo"), denied("ReEncryptTo")}, verdictUnknown},
		{"denied without a reason", []error{&kmsclient.Error{Kind: kmsclient.ErrAccessDenied}},
			verdictDenied},
		{"nothing to ask about", []error{errNoSample}, verdictUnknown},
		{"not dry", []error{kmsclient.ErrNotDryRun}, verdictUnknown},
		{"disabled", []error{kmsclient.ErrDisabled}, verdictRefused},
	} {
		h, p := openHalf("nothing to ask about"), &keyCheck{}
		for _, err := range c.answers {
			if h.open {
				h.take(err, "kms:ReEncryptTo")
			}
		}
		h.record(p, opFrom)
		o := p.found.operation(opFrom)
		if o.Verdict != c.want || o.Verdict != verdictAllowed && o.Reason == "" {
			t.Errorf("%s: %+v, want %s", c.name, o, c.want)
		}
	}
}

func TestMultiRegionText(t *testing.T) {
	yes, no := true, false
	for want, f := range map[string]keyFinding{
		"no":  {MultiRegion: &no},
		"yes": {MultiRegion: &yes},
		"replica of P": {MultiRegion: &yes,
			MultiRegionConfiguration: &multiRegionFinding{kmsclient.ReplicaKey, "P", []string{"Q"}}},
		"primary key, replicas Q R": {MultiRegion: &yes,
			MultiRegionConfiguration: &multiRegionFinding{kmsclient.PrimaryKey, "P", []string{"Q", "R"}}},
		"primary key, without replicas": {MultiRegion: &yes,
			MultiRegionConfiguration: &multiRegionFinding{kmsclient.PrimaryKey, "P", nil}},
	} {
		if got := f.multiRegionText(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestDoctorIsNotSteered: what a service says cannot move the cursor of a terminal.
func TestDoctorIsNotSteered(t *testing.T) {
	d := diagnosis{Identity: &diagnosedCaller{ARN: "\x1b[2J"}, Region: "r\n",
		Keys: []*keyFinding{{Key: "\x1b]0;", ARN: "\r", Problem: "\u009b", Hint: "\u202e",
			Operations: []operationFinding{{Operation: opDecrypt, Verdict: verdictDenied, Reason: "\x07"}}}}}
	var b strings.Builder
	err := d.write(&b, false)
	if err != nil || strings.ContainsAny(b.String(), "\x1b\r\x07\u009b\u202e") ||
		strings.Contains(b.String(), "r\n\n") {
		t.Errorf("%q, %v", b.String(), err)
	}
}
