package format_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

func slotsBySpec(b []byte, count, most int) ([]specSlot, error) {
	if count < 1 || count > most {
		return nil, fmt.Errorf("%w: slot count", errRefused)
	}
	var list []specSlot
	for range count {
		if len(b) < 5 || uint64(len(b)-5) < uint64(binary.BigEndian.Uint32(b[1:])) {
			return nil, fmt.Errorf("%w: slot length", errRefused)
		}
		end := 5 + int(binary.BigEndian.Uint32(b[1:]))
		slot := specSlot{b[0], b[5:end]}
		if !slot.wellFormed() {
			return nil, fmt.Errorf("%w: slot", errRefused)
		}
		list = append(list, slot)
		b = b[end:]
	}
	if len(bytes.Trim(b, "\x00")) != 0 {
		return nil, fmt.Errorf("%w: padding", errRefused)
	}
	return list, nil
}

// fields takes count fields behind lengths of 16 bits, which must end where b ends.
func fields(b []byte, count int) (all [][]byte, ok bool) {
	for range count {
		if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
			return nil, false
		}
		end := 2 + int(binary.BigEndian.Uint16(b))
		all, b = append(all, b[2:end]), b[end:]
	}
	return all, len(b) == 0
}

// wellFormed holds slots of types 1 and 2 to the specification.
func (s specSlot) wellFormed() bool {
	switch s.kind {
	case 1:
		f, ok := fields(s.body, 2)
		return ok && wrappedBySpec(f[0], f[1])
	case 2:
		f, ok := s.pairFields()
		return ok && len(f[0]) > 0 && wrappedBySpec(f[1], f[2]) && canonicalBySpec(f[3])
	}
	return true
}

// pairFields are sealed data key, KeyId, PrivateKeyCiphertextBlob and pair context, which stand behind scheme and public key id.
func (s specSlot) pairFields() ([][]byte, bool) {
	if len(s.body) < 33 {
		return nil, false
	}
	return fields(s.body[33:], 4)
}

func wrappedBySpec(keyID, blob []byte) bool {
	for _, c := range keyID {
		if c < 0x21 || c > 0x7e {
			return false
		}
	}
	return len(keyID) >= 1 && len(keyID) <= 2048 && len(blob) >= 1 && len(blob) <= 6144
}
