package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
)

// ErrOtherRegion: the key of a slot and the one it should be re-wrapped for lie in different Regions, or one of them in the embedded keystore.
var ErrOtherRegion = errors.New("KMS ReEncrypt stays within a Region and a key service")

// ErrSharesPair: the file is sealed to key pairs only, so that a further slot would hold a pair's private key, which opens all files that were ever sealed to it.
var ErrSharesPair = errors.New("the file is sealed to a key pair only")

// ErrNoSlot: the file has no slot of the kind that is needed.
var ErrNoSlot = errors.New("no such key slot")

// Destination is a KMS key to re-wrap for.
type Destination struct {
	KeyID  string // key id, key ARN, alias/name or alias ARN
	Client kmsclient.Client
	Region string // where the key lies; kmsclient.LocalRegion for a keystore, empty if it is not known
}

// Rewrap changes the KMS keys of a file's slots by KMS ReEncrypt: the data key is in no memory of this process, and nobody needs kms:Decrypt. It is an
// envelope.SlotChange, and safe for concurrent use as far as Told is.
//
// Slots of type 1 all hold the data key, so any one of them serves to make another. A slot of type 2 holds it sealed to a public key, and the private key
// wrapped by a KMS key: there, it is the private key that is re-wrapped. Slots that hold the same secret form a group.
//
//   - To leaves each group exactly one slot for each of these keys. Where one of them had a slot already, it is made anew, under the key's present backing key.
//   - Add makes one slot for each of these keys, of the data key if the file has a slot of type 1, or else, where SharePair allows it, of the first pair.
//     Another slot of the group for the same key is replaced.
//   - Drop removes all slots of these keys, after Add. A key that has none is ErrNoSlot.
//
// To goes with neither of the others. Slots of unknown types or schemes stay as they are, unless Drop names their key. A failure changes nothing.
//
// The header cannot be authenticated without the data key: whoever can write the file chooses what the key services are asked to re-encrypt. Only ViaDecrypt, which has
// the secret at hand, checks that it is the file's.
type Rewrap struct {
	To   []Destination
	Add  []Destination
	Drop []string // key ARNs or bare key ids, as in the slots: no alias

	// Client returns the key service for the ARN in a slot. It is asked where ViaDecrypt is needed, only.
	Client func(arn kmsclient.ARN) (kmsclient.Client, error)
	// Accounts, if not empty, are the only AWS accounts whose keys are asked to let go of a slot. Drop and the slots that To replaces are free of it.
	Accounts []string
	// Region, if not empty, is where multi-Region keys are asked for Decrypt: their replica there.
	Region      string
	GrantTokens []string
	// ViaDecrypt allows Decrypt in one Region and Encrypt in the other where ReEncrypt cannot reach. The secret is in locked memory meanwhile.
	ViaDecrypt bool
	// SharePair allows Add to give the holder of a further KMS key the private key of a pair, and so every file that is sealed to it.
	SharePair bool
	// DryRun asks KMS whether it would, and changes nothing: the slots that come out are stand-ins.
	DryRun bool
	// Told, if set, is told each change. It has taken place when the new header is written, not before.
	Told func(SlotEvent)
}

// SlotEvent is one change of a slot.
type SlotEvent struct {
	Pair bool   // a slot of type 2
	From string // key ARN of the slot that was used, or removed
	To   string // key ARN of the slot that was made, in a dry run the key as it was given; empty where one was removed
	// Decrypted: the secret was in the memory of this process.
	Decrypted bool
	// Kept: the slot stays as it is, since this version does not know its type or scheme. From is empty where the type is unknown.
	Kept bool
}

var _ envelope.SlotChange = (*Rewrap)(nil)

// ChangeSlots implements envelope.SlotChange. Errors wrap ErrOtherRegion, ErrPolicy, ErrNoSlot, ErrSharesPair,
// envelope.ErrLastSlot, or are those of the key services. It tries at most MaxCalls slots of each group for a destination.
func (r *Rewrap) ChangeSlots(ctx context.Context, h *format.Header) ([]format.Slot, error) {
	all, err := wrappedSlots(h)
	if err != nil {
		return nil, err
	}
	if len(r.To) > 0 {
		all, err = r.moveAll(ctx, h, all)
	}
	for i := 0; i < len(r.Add) && err == nil; i++ {
		all, err = r.add(ctx, h, all, r.Add[i])
	}
	for i := 0; i < len(r.Drop) && err == nil; i++ {
		all, err = r.drop(all, r.Drop[i])
	}
	if err == nil && !slices.ContainsFunc(all, wrapped.usable) {
		err = envelope.ErrLastSlot
	}
	if err != nil {
		return nil, err
	}
	slots := make([]format.Slot, len(all))
	for i, w := range all {
		slots[i] = w.slot
	}
	return slots, nil
}

// moveAll makes each group anew, for the keys of To.
func (r *Rewrap) moveAll(ctx context.Context, h *format.Header, old []wrapped) ([]wrapped, error) {
	var made, kept []wrapped
	var done []string
	for _, w := range old {
		switch {
		case w.group == "":
			kept = append(kept, w)
			r.tell(SlotEvent{Pair: w.isPair(), From: w.keyID, Kept: true})
			continue
		case slices.Contains(done, w.group):
			continue
		}
		done = append(done, w.group)
		group := ofGroup(old, w.group)
		first := len(made)
		for _, d := range r.To {
			m, event, err := r.make(ctx, h, group, d)
			if err != nil {
				return nil, err
			}
			if !hasKey(made[first:], m.keyID) { // an alias may name a key that was named before
				made = append(made, m)
				r.tell(event)
			}
		}
	}
	if len(made) == 0 {
		return nil, fmt.Errorf("%w: the file has none that this version can re-wrap", ErrNoSlot)
	}
	r.tellRemoved(old, made)
	return append(made, kept...), nil
}

// tellRemoved tells of slots that gave way without having been the source of a new one.
func (r *Rewrap) tellRemoved(old, made []wrapped) {
	for _, w := range old {
		used := func(m wrapped) bool {
			return m.group == w.group && (m.from == w.keyID || m.keyID == w.keyID)
		}
		if w.group != "" && !slices.ContainsFunc(made, used) {
			r.tell(SlotEvent{Pair: w.isPair(), From: w.keyID})
		}
	}
}

func (r *Rewrap) add(ctx context.Context, h *format.Header, all []wrapped, d Destination) ([]wrapped, error) {
	group := ofGroup(all, groupKMS)
	if len(group) == 0 {
		pair := slices.IndexFunc(all, func(w wrapped) bool { return w.group != "" })
		if pair < 0 {
			return nil, fmt.Errorf("%w: the file has none that this version can re-wrap", ErrNoSlot)
		}
		if !r.SharePair {
			return nil, fmt.Errorf("%w: its private key, which %s would get, opens every file that was ever sealed to it", ErrSharesPair, d)
		}
		group = ofGroup(all, all[pair].group)
	}
	m, event, err := r.make(ctx, h, group, d)
	if err != nil {
		return nil, err
	}
	all = slices.Clone(all)
	i := slices.IndexFunc(all, func(w wrapped) bool { return w.group == m.group && w.keyID == m.keyID })
	if i < 0 || all[i].from == "" { // and not one that was just made, for another name of the key
		r.tell(event)
	}
	if i < 0 {
		return append(all, m), nil
	}
	all[i] = m
	return all, nil
}

func (r *Rewrap) drop(all []wrapped, ref string) ([]wrapped, error) {
	var left []wrapped
	for _, w := range all {
		if w.keyID == "" || w.keyID != ref && w.arn.KeyID() != ref {
			left = append(left, w)
			continue
		}
		r.tell(SlotEvent{Pair: w.isPair(), From: w.keyID})
	}
	if len(left) == len(all) {
		return nil, fmt.Errorf("%w: the file has none of the key %q", ErrNoSlot, ref)
	}
	return left, nil
}

func (r *Rewrap) tell(e SlotEvent) {
	if r.Told != nil {
		r.Told(e)
	}
}

// groupKMS is the group of all slots of type 1.
const groupKMS = "kms"

// wrapped is a slot and the secret in it: a file's data key or a pair's private key, as a KMS key wrapped it.
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

// decoded is a slot with what a key service is sent of it. Only the few slots that one is asked about are decoded: all those of a hostile header
// would take a hundred MiB together.
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
