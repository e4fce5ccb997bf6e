package keyring

import (
	"cmp"
	"slices"
	"strings"

	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
)

// openable lists the slots of the types and schemes that are known, those of KMS keys before those
// of pairs: they need no key on the heap.
func openable(h *format.Header) ([]wrapped, error) {
	all, err := wrappedSlots(h)
	if err != nil {
		return nil, err
	}
	known := slices.DeleteFunc(all, func(w wrapped) bool { return w.group == "" })
	slices.SortStableFunc(known,
		func(a, b wrapped) int { return cmp.Compare(a.slot.Type, b.slot.Type) })
	return known, nil
}

// isAlias tells whether a key reference names an alias, by name or by ARN.
func isAlias(ref string) bool {
	return strings.HasPrefix(ref, "alias/") || strings.Contains(ref, ":alias/")
}

// groupKMS is the group of all slots of type 1.
const groupKMS = "kms"

// wrapped is a slot and the secret in it: a file's data key or a pair's private key, as a KMS key
// wrapped it.
type wrapped struct {
	slot  format.Slot
	group string // slots of one group hold the same secret; empty: not known how to re-wrap
	keyID string // empty for an unknown type
	arn   kmsclient.ARN
	from  string // keyID of the slot that this one was made of
}

// usable tells whether somebody could be asked for the secret: as they could for a slot just made.
func (w wrapped) usable() bool { return w.group != "" && (w.from != "" || w.arn.KeyID() != "") }

func (w wrapped) isPair() bool { return w.slot.Type == format.SlotPair }

func wrappedSlots(h *format.Header) ([]wrapped, error) {
	all := make([]wrapped, len(h.Slots))
	for i, s := range h.Slots {
		w := &all[i]
		w.slot = s
		switch s.Type {
		case format.SlotKMS:
			k, err := s.KMS()
			if err != nil {
				return nil, err
			}
			w.group, w.keyID = groupKMS, k.KeyID
		case format.SlotPair:
			p, err := s.Pair()
			if err != nil {
				return nil, err
			}
			w.keyID = p.KeyID
			if p.Scheme.Known() {
				w.group = "pair" + string(p.PublicKeyID[:]) + string(p.SealedDataKey)
			}
		}
		// A slot whose KeyId is no key ARN can be replaced and dropped, but nobody can be asked about it.
		w.arn, _ = kmsclient.ParseARN(w.keyID)
	}
	return all, nil
}

// decoded is a slot with what a key service is sent of it. Only the few slots that one is asked
// about are decoded: all those of a hostile header would take a hundred MiB together.
type decoded struct {
	wrapped
	blob    []byte
	context format.Context   // that KMS bound blob to
	pair    *format.PairSlot // nil but for a slot of type 2
}

// decode decodes w, a slot of a file with this header.
func (w wrapped) decode(h *format.Header) (decoded, error) {
	if !w.isPair() {
		k, err := w.slot.KMS()
		return decoded{wrapped: w, blob: k.CiphertextBlob, context: h.Context}, err
	}
	p, err := w.slot.Pair()
	return decoded{wrapped: w, blob: p.PrivateKeyCiphertextBlob, context: p.PairContext, pair: &p}, err
}

// rewrapped is the slot with its secret wrapped by another key: what d's service answered.
func (w decoded) rewrapped(d Destination, keyID string, blob []byte) (wrapped, error) {
	if err := d.checkAnswer(keyID); err != nil {
		return wrapped{}, err
	}
	made := w.wrapped
	made.keyID, made.from = keyID, w.keyID
	made.arn, _ = kmsclient.ParseARN(keyID)
	var err error
	if w.pair == nil {
		made.slot, err = format.KMSSlot{KeyID: keyID, CiphertextBlob: blob}.Slot()
		return made, err
	}
	p := *w.pair
	p.KeyID, p.PrivateKeyCiphertextBlob = keyID, blob
	made.slot, err = p.Slot()
	return made, err
}

func ofGroup(all []wrapped, group string) []wrapped {
	var some []wrapped
	for _, w := range all {
		if w.group == group {
			some = append(some, w)
		}
	}
	return some
}

func hasKey(all []wrapped, keyID string) bool {
	return slices.ContainsFunc(all, func(w wrapped) bool { return w.keyID == keyID })
}
