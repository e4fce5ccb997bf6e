package format_test

import (
	"bytes"
	"crypto"
	"crypto/mlkem"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
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

// pairFields are sealed data key, KeyId, PrivateKeyCiphertextBlob and pair context. They follow
// scheme and public key id.
func (s specSlot) pairFields() ([][]byte, bool) {
	if len(s.body) < 33 {
		return nil, false
	}
	return fields(s.body[33:], 4)
}

// namesKey tells whether the public key id of a pair's slot is that of the private key.
func (s specSlot) namesKey(private any) bool {
	public, err := publicBySpec(private)
	id := sha256.Sum256(public)
	return err == nil && bytes.Equal(s.body[1:33], id[:])
}

// publicBySpec derives the public key, a SubjectPublicKeyInfo.
func publicBySpec(private any) ([]byte, error) {
	switch k := private.(type) {
	case *mlkem.DecapsulationKey768:
		return publicMLKEM(2, k.EncapsulationKey().Bytes())
	case *mlkem.DecapsulationKey1024:
		return publicMLKEM(3, k.EncapsulationKey().Bytes())
	case interface{ Public() crypto.PublicKey }:
		return x509.MarshalPKIXPublicKey(k.Public())
	}
	return nil, fmt.Errorf("%w: %T", errRefused, private)
}

func publicMLKEM(last int, key []byte) ([]byte, error) {
	return asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}{pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, last}},
		asn1.BitString{Bytes: key, BitLength: 8 * len(key)}})
}

func wrappedBySpec(keyID, blob []byte) bool {
	for _, c := range keyID {
		if c < 0x21 || c > 0x7e {
			return false
		}
	}
	return len(keyID) >= 1 && len(keyID) <= 2048 && len(blob) >= 1 && len(blob) <= 6144
}
