package envelope

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/envseal/envseal/envelope/internal/secret"
	"github.com/envseal/envseal/format"
)

// MinDataKey is the least number of bytes in a data key. KMS gives as many for AES_256.
const MinDataKey = format.MinDataKeySize

// DataKey is a data key with its slots: what is needed to seal. It is safe for concurrent use.
// Destroy waits until every Seal that is starting has its payload key. A later one fails.
type DataKey struct {
	context format.Context
	slots   []format.Slot
	bound   []FileRecipient

	mu  sync.RWMutex // against Destroy; files begin side by side
	key Secret
}

var errDestroyed = errors.New("data key was destroyed")

// NewDataKey makes a data key and wraps it for all recipients. The first Generator among them
// generates it. If all are key pairs, it is 32 random bytes. It fails if any recipient fails. If
// there are more than the format.DefaultMaxSlots that readers accept, it asks none. ec and
// recipients may be changed afterwards.
func NewDataKey(ctx context.Context, ec format.Context, recipients ...Recipient) (*DataKey, error) {
	if len(recipients) == 0 {
		return nil, errors.New("no recipient to seal for")
	}
	if err := checkSlotCount(len(recipients)); err != nil {
		return nil, err
	}
	if _, err := ec.AppendBinary(nil); err != nil {
		return nil, err
	}
	k := &DataKey{context: maps.Clone(ec)}
	made, err := k.generate(ctx, recipients)
	if err != nil {
		return nil, err
	}
	for i, r := range recipients {
		if i == made {
			continue
		}
		if b, ok := r.(FileRecipient); ok {
			k.bound = append(k.bound, b)
			continue
		}
		slot, err := r.Wrap(ctx, k.key.Bytes(), FileInfo{Context: k.context})
		if err != nil {
			k.Destroy()
			return nil, err
		}
		k.slots = append(k.slots, slot)
	}
	return k, nil
}

// generate sets the key and tells which recipient made it, -1 for none.
func (k *DataKey) generate(ctx context.Context, recipients []Recipient) (made int, err error) {
	for i, r := range recipients {
		g, ok := r.(Generator)
		if !ok {
			continue
		}
		key, slot, err := g.Generate(ctx, k.context)
		if err != nil {
			return 0, err
		}
		if err := checkDataKey(key); err != nil {
			key.Destroy()
			return 0, err
		}
		k.key, k.slots = key, append(k.slots, slot)
		return i, nil
	}
	key, err := secret.New(MinDataKey)
	if err != nil {
		return 0, err
	}
	if _, err := rand.Read(key.Bytes()); err != nil {
		key.Destroy()
		return 0, err
	}
	k.key = key
	return -1, nil
}

// UnwrapDataKey makes a DataKey from one that was made in advance: slots and their encryption
// context. It is unwrapped once, here. Further recipients of files (key pairs) may be added. If
// slots and recipients are more than the format.DefaultMaxSlots that readers accept, nobody is
// asked. ec, slots and bound may be changed afterwards.
func UnwrapDataKey(ctx context.Context, ec format.Context, slots []format.Slot, id Identity,
	bound ...FileRecipient) (*DataKey, error) {
	if err := checkSlotCount(len(slots) + len(bound)); err != nil {
		return nil, err
	}
	ec, slots = maps.Clone(ec), cloneSlots(slots)
	key, err := id.Unwrap(ctx,
		&format.Header{Descriptor: format.Descriptor{Context: ec}, Slots: slots})
	if err != nil {
		return nil, err
	}
	if err := checkDataKey(key); err != nil {
		key.Destroy()
		return nil, err
	}
	confirm(key) // there is no file yet to compare it with
	return &DataKey{context: ec, slots: slots, bound: slices.Clone(bound), key: key}, nil
}

// checkSlotCount refuses a file that no reader would open unless told to.
func checkSlotCount(n int) error {
	if n > format.DefaultMaxSlots {
		return fmt.Errorf("%d keys to seal for, readers accept %d", n, format.DefaultMaxSlots)
	}
	return nil
}

// cloneSlots shares nothing with slots.
func cloneSlots(slots []format.Slot) []format.Slot {
	all := slices.Clone(slots)
	for i := range all {
		all[i].Body = bytes.Clone(all[i].Body)
	}
	return all
}

// checkDataKey guards against a key service that answers with nothing: an empty key gives derived
// keys that anyone can derive.
func checkDataKey(key Secret) error {
	if n := len(key.Bytes()); n < MinDataKey || n > format.MaxDataKeySize {
		return fmt.Errorf("data key has %d bytes, it must have %d to %d",
			n, MinDataKey, format.MaxDataKeySize)
	}
	return nil
}

// Context is the encryption context that the key was made with. It must not be changed.
func (k *DataKey) Context() format.Context { return k.context }

// Destroy wipes the key. What was sealed or is being sealed with it is not touched.
func (k *DataKey) Destroy() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key != nil {
		k.key.Destroy()
		k.key = nil
	}
}

// begin makes the header of a new file, which shares nothing with k, and its payload key. d.Context
// is the file's own.
func (k *DataKey) begin(ctx context.Context,
	d format.Descriptor) (*format.Header, *payloadKey, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.key == nil {
		return nil, nil, errDestroyed
	}
	digest, err := d.Digest()
	if err != nil {
		return nil, nil, err
	}
	h := &format.Header{Descriptor: d, Slots: cloneSlots(k.slots)}
	for _, r := range k.bound {
		slot, err := r.Wrap(ctx, k.key.Bytes(), FileInfo{Context: d.Context, Digest: digest})
		if err != nil {
			return nil, nil, err
		}
		h.Slots = append(h.Slots, slot)
	}
	var payload *payloadKey
	h.Commitment, payload, err = derive(k.key.Bytes(), &d)
	if err != nil {
		return nil, nil, err
	}
	return h, payload, nil
}
