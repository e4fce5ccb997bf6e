package exit

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
	code, hint := Explain(fmt.Errorf("a key: %w", kmsclient.ErrQuota))
	if code != Unreachable || !strings.Contains(hint, "quota") ||
		!strings.Contains(hint, "try again") || strings.Contains(hint, "requests") {
		t.Errorf("exit code %d, hint %q", code, hint)
	}
}

// A file of which one slot gave a wrong data key is a damaged one, whatever else its other slots
// were refused for; only what may be another answer in a moment counts more.
func TestWrongDataKeyAmongOtherErrors(t *testing.T) {
	wrong := fmt.Errorf("arn:aws:kms:eu-west-1:111122223333:key/1: %w", envelope.ErrCommitment)
	for other, want := range map[error]int{
		nil:                            Damaged,
		kmsclient.ErrAccessDenied:      Damaged,
		kmsclient.ErrInvalidCiphertext: Damaged,
		kmsclient.ErrDisabled:          Damaged,
		kmsclient.ErrNotFound:          Damaged,
		kmsclient.ErrUnavailable:       Unreachable,
		kmsclient.ErrThrottled:         Unreachable,
	} {
		for _, err := range []error{errors.Join(wrong, other), errors.Join(other, wrong)} {
			if code, hint := Explain(err); code != want || hint == "" {
				t.Errorf("%v: exit code %d, hint %q", err, code, hint)
			}
		}
	}
}
