package envelope_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"log"
	"strings"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
)

// cupboard wraps data keys under a key that a company has in a device of its own; here it is in
// memory. Its slots are of a type for private use and begin with a name that is the company's:
// other readers skip them, and rewrap keeps them.
type cupboard struct{ key cipher.AEAD }

const (
	cupboardType = format.SlotPrivate // any type for private use will do: the name tells them apart
	cupboardName = "cupboard.example"
)

func newCupboard(key []byte) (*cupboard, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	return &cupboard{gcm}, err
}

// BoundToFile makes it an envelope.FileRecipient: a slot is made for every file, from its digest.
func (c *cupboard) BoundToFile() {}

// Wrap implements envelope.Recipient. With the digest a slot cannot be moved to another file.
func (c *cupboard) Wrap(_ context.Context, key []byte,
	file envelope.FileInfo) (format.Slot, error) {
	wrapped := c.key.Seal(nil, nil, key, file.Digest[:])
	return format.PrivateSlot{Type: cupboardType, Name: cupboardName, Body: wrapped}.Slot()
}

// Unwrap implements envelope.Identity.
func (c *cupboard) Unwrap(_ context.Context, h *format.Header) (envelope.Secret, error) {
	digest, err := h.Digest()
	if err != nil {
		return nil, err
	}
	for _, slot := range h.Slots {
		p, err := slot.Private()
		if err != nil || p.Type != cupboardType || p.Name != cupboardName {
			continue // somebody else's
		}
		key, err := c.key.Open(nil, nil, p.Body, digest[:])
		if err != nil {
			continue
		}
		secret := &heapKey{key}
		if envelope.CheckDataKey(secret, h) == nil {
			return secret, nil
		}
		secret.Destroy()
	}
	return nil, envelope.ErrNoMatch
}

// heapKey is a key in ordinary memory. Package keymem has some that is locked.
type heapKey struct{ b []byte }

func (k *heapKey) Bytes() []byte { return k.b }
func (k *heapKey) Destroy()      { clear(k.b) }

// A library user's own kind of key, in a slot of a type for private use.
func Example_privateSlot() {
	ctx := context.Background()
	ours, err := newCupboard([]byte("a key of AES, 32 bytes, in here."))
	if err != nil {
		log.Fatal(err)
	}
	key, err := envelope.NewDataKey(ctx, format.Context{"app": "example"}, ours)
	if err != nil {
		log.Fatal(err)
	}
	defer key.Destroy()
	var sealed, opened bytes.Buffer
	h, err := envelope.Seal(ctx, &sealed, strings.NewReader("what nobody else may read"), key,
		envelope.SealOptions{})
	if err != nil {
		log.Fatal(err)
	}
	slot, err := h.Slots[0].Private()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("slot type %d of %s\n", slot.Type, slot.Name)
	if _, err := envelope.Open(ctx, &opened, &sealed, envelope.OpenOptions{}, ours); err != nil {
		log.Fatal(err)
	}
	fmt.Println(opened.String())
	// Output:
	// slot type 128 of cupboard.example
	// what nobody else may read
}
