package envelope

import (
	"context"
	"errors"
	"fmt"

	"github.com/envseal/envseal/format"
)

// SlotChange makes the new key slots of a file from those that it has. That of package keyring asks
// a key service, so that nobody sees the data key.
type SlotChange interface {
	// ChangeSlots returns all slots of the new header, with those that stay. It changes nothing in h.
	// If it cannot make a slot that it was asked for, it fails.
	ChangeSlots(ctx context.Context, h *format.Header) ([]format.Slot, error)
}

// ErrLastSlot: nobody could open the file any more.
var ErrLastSlot = errors.New("no key slot that opens the file would be left")

// Rewrap changes the key slots of a header and nothing else. Descriptor and commitment stay, and so
// does the payload. The result is laid out: if its Length is that of h, it can be written over h in
// place; otherwise the payload has to move. h is not changed, and the two share memory.
//
// Re-wrapping takes no rights away from anybody who had the data key, or who keeps a copy of the
// old header and the right to use its key.
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

// anyKnown tells whether this version can open one of the slots. Those that it keeps unknown may be
// of no use.
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

// CheckDataKey tells whether key is the data key of the file with this header: [ErrCommitment] if
// not. It is for a SlotChange that had to see the key, and for an Identity that can try several
// slots. The caller keeps key.
func CheckDataKey(key Secret, h *format.Header) error {
	if err := checkDataKey(key); err != nil {
		return fmt.Errorf("%w: %w", ErrCommitment, err)
	}
	payload, err := deriveChecked(key.Bytes(), h)
	if err != nil {
		return err
	}
	payload.Destroy()
	return nil
}
