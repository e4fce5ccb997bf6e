package format_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/envseal/envseal/format"
)

func goodPair() format.PairSlot {
	return format.PairSlot{
		Scheme: format.PairRSAOAEP, PublicKeyID: [32]byte{1, 2, 3},
		SealedDataKey: []byte("sealed"), KeyID: examplePairKey,
		PrivateKeyCiphertextBlob: []byte("private"), PairContext: format.Context{"team": "backup"},
	}
}

func TestSlotKMS(t *testing.T) {
	for _, want := range []format.KMSSlot{
		{KeyID: "k", CiphertextBlob: []byte{0}},
		{KeyID: exampleKMSKey, CiphertextBlob: span(0, 255)},
		{KeyID: strings.Repeat("~", format.MaxKeyID),
			CiphertextBlob: make([]byte, format.MaxCiphertextBlob)},
	} {
		slot, err := want.Slot()
		if err != nil {
			t.Fatal(err)
		}
		body := u16(u16(nil, []byte(want.KeyID)), want.CiphertextBlob)
		if slot.Type != format.SlotKMS || !bytes.Equal(slot.Body, body) {
			t.Errorf("slot %v", slot)
		}
		got, err := slot.KMS()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v, %v", got, err)
		}
		clear(slot.Body)
		if !reflect.DeepEqual(got, want) {
			t.Error("the decoded slot aliases the body")
		}
	}
	for name, s := range map[string]format.KMSSlot{
		"no KeyId": {"", []byte{1}}, "long KeyId": {strings.Repeat("k", 2049), []byte{1}},
		"very long KeyId": {strings.Repeat("k", 65537), []byte{1}},
		"control byte":    {"k\x1b[2J", []byte{1}}, "space": {"a b", []byte{1}},
		"DEL":       {"a\x7f", []byte{1}},
		"not ASCII": {"é", []byte{1}},
		"no blob":   {"k", nil}, "long blob": {"k", make([]byte, 6145)},
		"very long blob": {"k", make([]byte, 65537)},
	} {
		if slot, err := s.Slot(); err == nil || slot.Body != nil {
			t.Errorf("%s: written", name)
		}
		if len(s.KeyID) > 65535 || len(s.CiphertextBlob) > 65535 {
			continue // has no encoding at all
		}
		slot := format.Slot{Type: format.SlotKMS, Body: u16(u16(nil, []byte(s.KeyID)), s.CiphertextBlob)}
		if got, err := slot.KMS(); !errors.Is(err, format.ErrDamaged) || got.KeyID != "" {
			t.Errorf("%s: read: %v", name, err)
		}
	}
}

func TestSlotPair(t *testing.T) {
	for scheme := format.PairRSAOAEP; scheme <= format.PairHPKEMLKEM1024; scheme++ {
		want := goodPair()
		want.Scheme = scheme
		slot, err := want.Slot()
		if err != nil {
			t.Fatal(err)
		}
		got, err := slot.Pair()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v: %v, %v", scheme, got, err)
		}
	}
	refused := map[string]func(s *format.PairSlot){
		"scheme 0":           func(s *format.PairSlot) { s.Scheme = 0 },
		"scheme 7":           func(s *format.PairSlot) { s.Scheme = 7 },
		"no sealed data key": func(s *format.PairSlot) { s.SealedDataKey = nil },
		"long sealed key":    func(s *format.PairSlot) { s.SealedDataKey = make([]byte, 65536) },
		"no KeyId":           func(s *format.PairSlot) { s.KeyID = "" },
		"KeyId":              func(s *format.PairSlot) { s.KeyID = "\n" },
		"no private key":     func(s *format.PairSlot) { s.PrivateKeyCiphertextBlob = nil },
		"long private key": func(s *format.PairSlot) {
			s.PrivateKeyCiphertextBlob = make([]byte, 6145)
		},
		"context": func(s *format.PairSlot) { s.PairContext = format.Context{"\xff": ""} },
		"context of 65536": func(s *format.PairSlot) {
			s.PairContext = format.Context{"k": strings.Repeat("x", 65536-7)}
		},
	}
	for name, edit := range refused {
		s := goodPair()
		edit(&s)
		if _, err := s.Slot(); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	largest := goodPair()
	largest.PairContext = format.Context{"k": strings.Repeat("x", 65535-7)}
	slot, err := largest.Slot()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := slot.Pair(); err != nil || !reflect.DeepEqual(got, largest) {
		t.Errorf("largest context: %v", err)
	}
}

// TestSlotBodies cuts the bodies everywhere and adds to them.
func TestSlotBodies(t *testing.T) {
	h := exampleHeader(t)
	for _, slot := range exampleHeader(t).Slots {
		bodies := [][]byte{append(bytes.Clone(slot.Body), 0)}
		for n := range slot.Body {
			bodies = append(bodies, slot.Body[:n])
		}
		for _, body := range bodies {
			bad := format.Slot{Type: slot.Type, Body: body}
			var err error
			if slot.Type == format.SlotKMS {
				_, err = bad.KMS()
			} else {
				_, err = bad.Pair()
			}
			if !errors.Is(err, format.ErrDamaged) {
				t.Errorf("%v slot with a body of %d instead of %d bytes: %v",
					slot.Type, len(body), len(slot.Body), err)
			}
			h.Slots = []format.Slot{bad}
			if _, err := h.MarshalBinary(); err == nil {
				t.Errorf("%v slot with a body of %d bytes is written", slot.Type, len(body))
			}
		}
	}
}

// TestSlotOtherType asks a slot for what it is not.
func TestSlotOtherType(t *testing.T) {
	slots := exampleHeader(t).Slots
	if _, err := slots[0].Pair(); err == nil || errors.Is(err, format.ErrDamaged) {
		t.Errorf("kms slot as pair: %v", err)
	}
	if _, err := slots[1].KMS(); err == nil || errors.Is(err, format.ErrDamaged) {
		t.Errorf("pair slot as kms: %v", err)
	}
}

// TestSlotUnknown: what a later version may have written is kept: other types with any body, and
// other schemes.
func TestSlotUnknown(t *testing.T) {
	want := exampleHeader(t)
	later := format.Slot{Type: format.SlotPair, Body: bytes.Clone(want.Slots[1].Body)}
	later.Body[0] = 7
	want.Slots = append(want.Slots, later, format.Slot{Type: 0, Body: []byte{}},
		format.Slot{Type: 3, Body: []byte("later")}, format.Slot{Type: 255, Body: make([]byte, 70000)})
	b, err := want.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var h format.Header
	if err := h.UnmarshalBinary(b); err != nil || !reflect.DeepEqual(h.Slots, want.Slots) {
		t.Fatalf("%v", err)
	}
	again, err := h.MarshalBinary()
	if err != nil || !bytes.Equal(again, b) {
		t.Errorf("not written as read: %v", err)
	}
	if pair, err := h.Slots[2].Pair(); err != nil || pair.Scheme != 7 || pair.Scheme.Known() {
		t.Errorf("scheme %v, %v", pair.Scheme, err)
	}
}

// TestPrivateSlots: a private type carries its owner's name. One without a proper name is kept like
// any other that is not known.
func TestPrivateSlots(t *testing.T) {
	for _, want := range []format.PrivateSlot{
		{Type: 128, Name: "keys.example", Body: []byte("anything")},
		{Type: 255, Name: "a.b", Body: []byte{}},
		{Type: 200, Name: strings.Repeat("n", 255), Body: make([]byte, 70000)},
	} {
		slot, err := want.Slot()
		if err != nil {
			t.Fatal(err)
		}
		h := exampleHeader(t)
		h.Slots = append(h.Slots, slot)
		b, err := h.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		back, err := format.ParseHeader(b, format.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := back.Slots[2].Private(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%d %q came back as %d %q with %d bytes, %v",
				want.Type, want.Name, got.Type, got.Name, len(got.Body), err)
		}
	}
	for what, s := range map[string]format.PrivateSlot{
		"type 127": {Type: 127, Name: "keys.example"}, "no name": {Type: 128},
		"2 bytes": {Type: 128, Name: "a."}, "256 bytes": {Type: 128, Name: strings.Repeat("n", 256)},
		"a space": {Type: 128, Name: "keys example"}, "an escape": {Type: 128, Name: "keys\x1b"},
		"an umlaut": {Type: 128, Name: "schl\u00fcssel.example"},
	} {
		if _, err := s.Slot(); err == nil {
			t.Errorf("%s: written", what)
		}
	}
	for _, body := range []string{"", "\x03", "\x03ab", "\x02ab", "\x03a\x00b", "\xffkeys.example"} {
		slot := format.Slot{Type: 128, Body: []byte(body)}
		if _, err := slot.Private(); !errors.Is(err, format.ErrDamaged) {
			t.Errorf("%q: %v", body, err)
		}
		h := exampleHeader(t)
		h.Slots = append(h.Slots, slot)
		b, err := h.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := format.ParseHeader(b, format.Limits{}); err != nil ||
			!bytes.Equal(back.Slots[2].Body, slot.Body) {
			t.Errorf("%q is not kept: %v", body, err)
		}
	}
	if _, err := (format.Slot{Type: 127, Body: []byte("\x03a.b")}).Private(); err == nil ||
		errors.Is(err, format.ErrDamaged) {
		t.Errorf("type 127 as a private one: %v", err)
	}
}

func TestHoldsBeginning(t *testing.T) {
	for text, want := range map[string]bool{"": false, "envseal": false, "envseal\x02": false,
		"envseal\x01": true, "..envseal\x01..": true, "\n-----BEGIN ENVSEAL FILE-----": true,
		"-----BEGIN ENVSEAL": false} {
		if got := format.HoldsBeginning([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
