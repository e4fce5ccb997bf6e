package cmd

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/kmsclient"
)

// A quota is none of the caller's mistakes, and not too many requests either.
func TestQuotaIsExplained(t *testing.T) {
	code, hint := explain(fmt.Errorf("a key: %w", kmsclient.ErrQuota))
	if code != exitUnreachable || !strings.Contains(hint, "quota") || !strings.Contains(hint, "try again") || strings.Contains(hint, "requests") {
		t.Errorf("exit code %d, hint %q", code, hint)
	}
}

// A file of which one slot gave a wrong data key is a damaged one, whatever else its other slots were refused for; only what may be another answer in a moment counts more.
func TestWrongDataKeyAmongOtherErrors(t *testing.T) {
	wrong := fmt.Errorf("arn:aws:kms:eu-west-1:111122223333:key/1: %w", envelope.ErrCommitment)
	for other, want := range map[error]int{
		nil:                            exitDamaged,
		kmsclient.ErrAccessDenied:      exitDamaged,
		kmsclient.ErrInvalidCiphertext: exitDamaged,
		kmsclient.ErrDisabled:          exitDamaged,
		kmsclient.ErrNotFound:          exitDamaged,
		kmsclient.ErrUnavailable:       exitUnreachable,
		kmsclient.ErrThrottled:         exitUnreachable,
	} {
		for _, err := range []error{errors.Join(wrong, other), errors.Join(other, wrong)} {
			if code, hint := explain(err); code != want || hint == "" {
				t.Errorf("%v: exit code %d, hint %q", err, code, hint)
			}
		}
	}
}
