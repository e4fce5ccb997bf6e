package envelope

import (
	"context"
	"errors"
	"fmt"

	"github.com/envseal/envseal/format"
)

// SlotChange makes the key slots that a file shall have out of those that it has. Package keyring has one that asks a key service to do it, so that no
// data key is seen.
type SlotChange interface {
	// ChangeSlots returns all slots of the new header, those that stay among them. It changes nothing in h, and fails rather than leave out
	// a slot that it was asked for.
	ChangeSlots(ctx context.Context, h *format.Header) ([]format.Slot, error)
}

// ErrLastSlot: nobody could open the file any more.
var ErrLastSlot = errors.New("no key slot that opens the file would be left")

// Rewrap changes the key slots of a header, and nothing else: descriptor and commitment stay, so the payload stays as it is. The result is laid
// out: where its Length is that of h, it can be written over h in place; otherwise the payload has to move. h is not changed, and the two share memory.
//
// Re-wrapping takes no rights away from anybody who had the data key, or who keeps a copy of the old header and the right to use its key.
func Rewrap(ctx context.Context, h *format.Header, change SlotChange) (*format.Header, error) {
	slots, err := change.ChangeSlots(ctx, h)
	if err != nil {
		return nil, err
	}
	if !anyKnown(slots) {
		return nil, ErrLastSlot
	}
	if most := max(format.DefaultMaxSlots, len(h.Slots)); len(slots) > most {
		return nil, fmt.Errorf("%d key slots are more than the %d that readers accept", len(slots), most)
	}
	changed := *h
	changed.Slots = slots
	if err := changed.LayOut(); err != nil {
		return nil, err
	}
	return &changed, nil
}

// anyKnown tells whether this version can open one of the slots. Those that it keeps without knowing them may be good for nothing.
func anyKnown(slots []format.Slot) bool {
	for _, s := range slots {
		if s.Type == format.SlotKMS {
			return true
		}
		if p, err := s.Pair(); err == nil && p.Scheme.Known() {
			return true
		}
	}
	return false
}

// CheckDataKey tells whether key is the data key of the file with this header: [ErrCommitment] if not. It is for a SlotChange that had to see the key, and for
// an Identity that can try several slots. The caller keeps key.
func CheckDataKey(key Secret, h *format.Header) error {
	if err := checkDataKey(key); err != nil {
		return fmt.Errorf("%w: %w", ErrCommitment, err)
	}
	aead, err := deriveChecked(key.Bytes(), h)
	if err != nil {
		return err
	}
	aead.Destroy()
	return nil
}
