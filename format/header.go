package format

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
)

// checksumSize: a CRC-32C ends the header. slotsFixed: header length and slot count.
const (
	checksumSize = 4
	slotsFixed   = 4 + 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Header is all that precedes the payload (README, "Layout"). The descriptor and the commitment
// never change after the file is written. The slots, and with them Length, may.
//
// Header has the methods of the embedded [Descriptor], but an AppendBinary of its own.
type Header struct {
	Descriptor
	Commitment [CommitmentSize]byte
	Slots      []Slot
	// Length counts all bytes of the header with padding and checksum; the payload starts there. 0
	// means that the header was not laid out yet.
	Length int64
}

// MarshalBinary lays the header out and returns its bytes. It keeps h.Length where the slots fit
// into it, so that a header can be written over the one it came from. Otherwise, and where it is 0,
// h.Length becomes the smallest multiple of 256 that leaves at least 256 bytes of padding. A caller
// that must not move the payload compares h.Length before and after. On an error h is unchanged.
//
// There must be 1 to [MaxSlots] slots, and those of known types must be well-formed. A reader takes
// more than [DefaultMaxSlots] only when told to.
func (h *Header) MarshalBinary() ([]byte, error) { return h.AppendBinary(nil) }

// AppendBinary is [Header.MarshalBinary] into the end of b.
func (h *Header) AppendBinary(b []byte) ([]byte, error) {
	descriptor, used, length, err := h.measure()
	if err != nil {
		return nil, err
	}
	start := len(b)
	b = append(slices.Grow(b, int(length)), descriptor...)
	b = append(b, h.Commitment[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(length))
	b = binary.BigEndian.AppendUint16(b, uint16(len(h.Slots)))
	for _, slot := range h.Slots {
		b = appendSlot(b, slot)
	}
	b = append(b, make([]byte, length-used)...)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
	h.Length = length
	return b, nil
}

// LayOut sets h.Length as [Header.MarshalBinary] does, with the same errors, but makes no bytes.
func (h *Header) LayOut() error {
	_, _, length, err := h.measure()
	if err == nil {
		h.Length = length
	}
	return err
}

// measure counts the bytes of the header: those used, and all.
func (h *Header) measure() (descriptor []byte, used, length int64, err error) {
	if used, err = h.checkSlots(); err != nil {
		return nil, 0, 0, err
	}
	if descriptor, err = h.Descriptor.AppendBinary(nil); err != nil {
		return nil, 0, 0, err
	}
	used += int64(len(descriptor)) + CommitmentSize + slotsFixed + checksumSize
	length, err = layOut(h.Length, used)
	return descriptor, used, length, err
}

// checkSlots refuses slots that a reader would refuse, and counts the bytes of the others.
func (h *Header) checkSlots() (int64, error) {
	if len(h.Slots) == 0 || len(h.Slots) > MaxSlots {
		return 0, fmt.Errorf("header: %d slots, 1 to %d are allowed", len(h.Slots), MaxSlots)
	}
	var size int64
	for i, slot := range h.Slots {
		if err := slot.check(); err != nil {
			return 0, fmt.Errorf("header: slot %d: %w", i, err)
		}
		if size += slotFixed + int64(len(slot.Body)); size > MaxHeader {
			return 0, fmt.Errorf("header: slots are longer than %d bytes", MaxHeader)
		}
	}
	return size, nil
}

// layOut gives the header length for used bytes, checksum included. The present length stays if it
// is valid and long enough.
func layOut(present, used int64) (int64, error) {
	if present < 0 || present > MaxHeader || present%headerUnit != 0 {
		return 0,
			fmt.Errorf("header: length %d is not a multiple of %d up to %d", present, headerUnit, MaxHeader)
	}
	if used <= present {
		return present, nil
	}
	length := (used + headerRoom + headerUnit - 1) / headerUnit * headerUnit
	if length > MaxHeader {
		return 0, fmt.Errorf("header: %d bytes needed, the limit is %d", length, MaxHeader)
	}
	return length, nil
}
