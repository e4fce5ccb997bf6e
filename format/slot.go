package format

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// slotFixed counts the bytes of a slot before its body: type and body length.
const slotFixed = 1 + 4

// SlotType says how a slot's body is laid out. A type is never used again for something else.
type SlotType uint8

// The slot types of version 1. A reader skips all others.
const (
	SlotKMS     SlotType = 1   // [KMSSlot]
	SlotPair    SlotType = 2   // [PairSlot]
	SlotPrivate SlotType = 128 // the first of the types for private use: [PrivateSlot]
)

// String gives "kms", "pair", or the number of another type.
func (t SlotType) String() string {
	switch t {
	case SlotKMS:
		return "kms"
	case SlotPair:
		return "pair"
	}
	return fmt.Sprintf("slot type %d", uint8(t))
}

// Slot holds the data key for one key holder, still wrapped. Slots of a header that was read share
// its memory: change none of their bytes. A slot of an unknown type is kept and written as it was.
type Slot struct {
	Type SlotType
	Body []byte
}

// KMSSlot is the body of a slot of type [SlotKMS].
type KMSSlot struct {
	KeyID          string // the key ARN that KMS returned: 1 to MaxKeyID bytes of visible ASCII
	CiphertextBlob []byte // 1 to MaxCiphertextBlob bytes; KMS bound it to the file's context
}

// Slot encodes s. It fails if a field is outside its limits. The result does not alias s.
func (s KMSSlot) Slot() (Slot, error) {
	if err := checkWrapped(s.KeyID, s.CiphertextBlob); err != nil {
		return Slot{}, fmt.Errorf("slot: %w", err)
	}
	body := appendShort(nil, []byte(s.KeyID))
	return Slot{Type: SlotKMS, Body: appendShort(body, s.CiphertextBlob)}, nil
}

// KMS decodes the body. It fails for a slot of another type. If the body is malformed, the error
// wraps [ErrDamaged]. The result does not alias the slot.
func (s Slot) KMS() (KMSSlot, error) {
	if s.Type != SlotKMS {
		return KMSSlot{}, fmt.Errorf("%v is not a kms slot", s.Type)
	}
	k, err := s.kmsFields()
	k.CiphertextBlob = bytes.Clone(k.CiphertextBlob)
	return k, err
}

// kmsFields decodes the body. The result aliases the slot.
func (s Slot) kmsFields() (KMSSlot, error) {
	c := cursor{b: s.Body}
	k := KMSSlot{KeyID: string(c.short("KeyId")), CiphertextBlob: c.short("CiphertextBlob")}
	c.end()
	if c.err != nil {
		return KMSSlot{}, c.err
	}
	if err := checkWrapped(k.KeyID, k.CiphertextBlob); err != nil {
		return KMSSlot{}, fmt.Errorf("%w: %w", err, ErrDamaged)
	}
	return k, nil
}

// PrivateSlot is the body of a slot of a type for private use. No version of the format assigns
// those types, so whoever defines one says who he is.
type PrivateSlot struct {
	Type SlotType // SlotPrivate to 255
	Name string   // a domain name of whoever defines it: 3 to 255 bytes of visible ASCII
	Body []byte   // what the owner of the name puts behind it
}

// Slot encodes s. It fails if a field is outside its limits. The result does not alias s.
func (s PrivateSlot) Slot() (Slot, error) {
	if s.Type < SlotPrivate {
		return Slot{}, fmt.Errorf("%v is not for private use", s.Type)
	}
	if err := checkPrivateName(s.Name); err != nil {
		return Slot{}, fmt.Errorf("slot: %w", err)
	}
	body := append([]byte{byte(len(s.Name))}, s.Name...)
	return Slot{Type: s.Type, Body: append(body, s.Body...)}, nil
}

// Private decodes the body. It fails for a slot of another type. If there is no proper name, the
// error wraps [ErrDamaged]; a reader skips such a slot as it does one of a name that it does not
// know. The result does not alias the slot.
func (s Slot) Private() (PrivateSlot, error) {
	if s.Type < SlotPrivate {
		return PrivateSlot{}, fmt.Errorf("%v is not for private use", s.Type)
	}
	c := cursor{b: s.Body}
	name := string(c.bytes(int(c.u8("name")), "name"))
	if c.err != nil {
		return PrivateSlot{}, c.err
	}
	if err := checkPrivateName(name); err != nil {
		return PrivateSlot{}, fmt.Errorf("%w: %w", err, ErrDamaged)
	}
	return PrivateSlot{Type: s.Type, Name: name, Body: bytes.Clone(c.b)}, nil
}

func checkPrivateName(name string) error {
	if len(name) < MinPrivateName || len(name) > MaxPrivateName {
		return fmt.Errorf("name of %d bytes, %d to %d are allowed",
			len(name), MinPrivateName, MaxPrivateName)
	}
	return checkVisible("name", name)
}

// checkVisible holds text to visible ASCII, so that it cannot steer the terminal that it is shown
// on if it comes from a hostile file.
func checkVisible(what, text string) error {
	for i := range len(text) {
		if text[i] < 0x21 || text[i] > 0x7e {
			return fmt.Errorf("%s has the byte 0x%02x, which is not visible ASCII", what, text[i])
		}
	}
	return nil
}

// checkWrapped holds a KeyId and a CiphertextBlob to their limits.
func checkWrapped(keyID string, blob []byte) error {
	if len(keyID) == 0 || len(keyID) > MaxKeyID {
		return fmt.Errorf("KeyId of %d bytes, 1 to %d are allowed", len(keyID), MaxKeyID)
	}
	if err := checkVisible("KeyId", keyID); err != nil {
		return err
	}
	if len(blob) == 0 || len(blob) > MaxCiphertextBlob {
		return fmt.Errorf("CiphertextBlob of %d bytes, 1 to %d are allowed", len(blob), MaxCiphertextBlob)
	}
	return nil
}

// check refuses a malformed body of a type that this package knows. It keeps nothing: a header may
// have many slots, and few of them are looked at again.
func (s Slot) check() error {
	switch s.Type {
	case SlotKMS:
		_, err := s.kmsFields()
		return err
	case SlotPair:
		_, context, err := s.pairFields()
		if err != nil {
			return err
		}
		return checkContext(context)
	}
	return nil
}

// appendSlot appends type, body length and body.
func appendSlot(b []byte, s Slot) []byte {
	b = append(b, byte(s.Type))
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.Body)))
	return append(b, s.Body...)
}

// parseSlots reads count slots from the front of b and returns what follows them. It allocates for
// the slots that are there, not for those that are claimed.
func parseSlots(b []byte, count int) ([]Slot, []byte, error) {
	if count*slotFixed > len(b) {
		return nil, nil, damaged("%d slots do not fit into %d bytes", count, len(b))
	}
	slots := make([]Slot, 0, count)
	c := cursor{b: b}
	for i := range count {
		kind, size := SlotType(c.u8("type")), c.u32("body length")
		if c.err == nil && uint64(size) > uint64(len(c.b)) {
			c.fail("body of %d bytes, %d are left", size, len(c.b))
		}
		slot := Slot{Type: kind}
		if c.err == nil {
			slot.Body = c.bytes(int(size), "body")
			c.err = slot.check()
		}
		if c.err != nil {
			return nil, nil, fmt.Errorf("header: slot %d: %w", i, c.err)
		}
		slots = append(slots, slot)
	}
	return slots, c.b, nil
}
