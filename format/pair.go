package format

import (
	"bytes"
	"fmt"
)

// PairScheme says how a data key is sealed to a public key (README, "Slot type 2").
type PairScheme uint8

// The schemes of version 1. HPKE is RFC 9180 in base mode with AES-256-GCM and the KDF named.
const (
	PairRSAOAEP       PairScheme = 1 // RSA-OAEP with SHA-256 (RFC 8017)
	PairHPKEP256      PairScheme = 2 // DHKEM(P-256, HKDF-SHA256), HKDF-SHA256
	PairHPKEP384      PairScheme = 3 // DHKEM(P-384, HKDF-SHA384), HKDF-SHA384
	PairHPKEP521      PairScheme = 4 // DHKEM(P-521, HKDF-SHA512), HKDF-SHA512
	PairHPKEMLKEM768  PairScheme = 5 // ML-KEM-768 (FIPS 203), HKDF-SHA512
	PairHPKEMLKEM1024 PairScheme = 6 // ML-KEM-1024 (FIPS 203), HKDF-SHA512
)

// Known tells whether version 1 has the scheme. A reader skips slots of schemes that it does not
// know, as it skips unknown types.
func (p PairScheme) Known() bool { return p >= PairRSAOAEP && p <= PairHPKEMLKEM1024 }

// String gives the scheme's name, or its number where it has none.
func (p PairScheme) String() string {
	names := [...]string{"RSA-OAEP-SHA256", "HPKE-P256", "HPKE-P384", "HPKE-P521",
		"HPKE-MLKEM768", "HPKE-MLKEM1024"}
	if !p.Known() {
		return fmt.Sprintf("pair scheme %d", uint8(p))
	}
	return names[p-PairRSAOAEP]
}

// PairSlot is the body of a slot of type [SlotPair]: a data key sealed to a public key whose
// private half KMS has encrypted. SealedDataKey has 1 to 65 535 bytes.
type PairSlot struct {
	Scheme                   PairScheme
	PublicKeyID              [32]byte // SHA-256 of the public key's DER SubjectPublicKeyInfo
	SealedDataKey            []byte   // RSA ciphertext, or encapsulated key and ciphertext
	KeyID                    string   // ARN of the KMS key of the private key; limits as in KMSSlot
	PrivateKeyCiphertextBlob []byte   // 1 to MaxCiphertextBlob bytes; KMS bound it to PairContext
	PairContext              Context  // at most MaxPairContext bytes serialised; not the file's
}

// Slot encodes s. It fails if a field is outside its limits or the scheme is unknown. The result
// does not alias s.
func (s PairSlot) Slot() (Slot, error) {
	if !s.Scheme.Known() {
		return Slot{}, fmt.Errorf("slot: %v is unknown", s.Scheme)
	}
	if err := s.check(); err != nil {
		return Slot{}, fmt.Errorf("slot: %w", err)
	}
	context, err := s.PairContext.AppendBinary(nil)
	if err == nil && len(context) > MaxPairContext {
		err = fmt.Errorf("encryption context: longer than %d bytes", MaxPairContext)
	}
	if err != nil {
		return Slot{}, fmt.Errorf("slot: %w", err)
	}
	body := append([]byte{byte(s.Scheme)}, s.PublicKeyID[:]...)
	body = appendShort(body, s.SealedDataKey)
	body = appendShort(body, []byte(s.KeyID))
	body = appendShort(body, s.PrivateKeyCiphertextBlob)
	return Slot{Type: SlotPair, Body: appendShort(body, context)}, nil
}

// Pair decodes the body. It fails for a slot of another type. If the body is malformed, the error
// wraps [ErrDamaged]. An unknown scheme is no error: ask [PairScheme.Known]. The result does not
// alias the slot.
func (s Slot) Pair() (PairSlot, error) {
	if s.Type != SlotPair {
		return PairSlot{}, fmt.Errorf("%v is not a pair slot", s.Type)
	}
	p, context, err := s.pairFields()
	if err != nil {
		return PairSlot{}, err
	}
	p.SealedDataKey, p.PrivateKeyCiphertextBlob = bytes.Clone(p.SealedDataKey),
		bytes.Clone(p.PrivateKeyCiphertextBlob)
	if p.PairContext, err = ParseContext(context); err != nil {
		return PairSlot{}, err
	}
	return p, nil
}

// pairFields decodes all but the context, which it returns in bytes. The result aliases the slot.
func (s Slot) pairFields() (p PairSlot, context []byte, err error) {
	c := cursor{b: s.Body}
	p.Scheme = PairScheme(c.u8("scheme"))
	copy(p.PublicKeyID[:], c.bytes(len(p.PublicKeyID), "public key id"))
	p.SealedDataKey = c.short("sealed data key")
	p.KeyID = string(c.short("KeyId"))
	p.PrivateKeyCiphertextBlob = c.short("PrivateKeyCiphertextBlob")
	context = c.short("encryption context")
	c.end()
	if c.err != nil {
		return PairSlot{}, nil, c.err
	}
	if err := p.check(); err != nil {
		return PairSlot{}, nil, fmt.Errorf("%w: %w", err, ErrDamaged)
	}
	return p, context, nil
}

// check holds the fields to their limits, but for scheme and context.
func (s *PairSlot) check() error {
	if len(s.SealedDataKey) == 0 || len(s.SealedDataKey) > 65535 {
		return fmt.Errorf("sealed data key of %d bytes, 1 to 65535 are allowed", len(s.SealedDataKey))
	}
	return checkWrapped(s.KeyID, s.PrivateKeyCiphertextBlob)
}
