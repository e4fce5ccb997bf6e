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

// ErrOtherRegion: the key of a slot and the one it should be re-wrapped for lie in different
// Regions, or one of them in the embedded keystore.
var ErrOtherRegion = errors.New("KMS ReEncrypt stays within a Region and a key service")

// ErrSharesPair: the file is sealed to key pairs only, so that a further slot would hold a pair's
// private key, which opens all files that were ever sealed to it.
var ErrSharesPair = errors.New("the file is sealed to a key pair only")

// ErrNoSlot: the file has no slot of the kind that is needed.
var ErrNoSlot = errors.New("no such key slot")

// Destination is a KMS key to re-wrap for.
type Destination struct {
	KeyID  string // key id, key ARN, alias/name or alias ARN
	Client kmsclient.Client
	Region string // where the key lies; kmsclient.LocalRegion for a keystore, empty if it is not known
}

// Rewrap changes the KMS keys of a file's slots by KMS ReEncrypt: the data key is in no memory of
// this process, and nobody needs kms:Decrypt. It is an envelope.SlotChange, and safe for concurrent
// use as far as OnChange is.
//
// Slots of type 1 all hold the data key, so any one of them serves to make another. A slot of type
// 2 holds it sealed to a public key, and the private key wrapped by a KMS key: there, it is the
// private key that is re-wrapped. Slots that hold the same secret form a group.
//
//   - To leaves each group exactly one slot for each of these keys. Where one of them had a slot
//     already, it is made anew, under the key's present backing key.
//   - Add makes one slot for each of these keys, of the data key if the file has a slot of type 1,
//     or else, where SharePair allows it, of the first pair. Another slot of the group for the same
//     key is replaced.
//   - Drop removes all slots of these keys, after Add. A key that has none is ErrNoSlot.
//
// To goes with neither of the others. Slots of unknown types or schemes stay as they are, unless
// Drop names their key. A failure changes nothing.
//
// The header cannot be authenticated without the data key: whoever can write the file chooses what
// the key services are asked to re-encrypt. Only ViaDecrypt, which has the secret at hand, checks
// that it is the file's.
type Rewrap struct {
	To   []Destination
	Add  []Destination
	Drop []string // key ARNs or bare key ids, as in the slots: no alias

	// Client returns the key service for the ARN in a slot. It is asked where ViaDecrypt is needed,
	// only.
	Client func(arn kmsclient.ARN) (kmsclient.Client, error)
	// Accounts, if not empty, are the only AWS accounts whose keys are asked to let go of a slot. Drop
	// and the slots that To replaces are free of it.
	Accounts []string
	// Region, if not empty, is where multi-Region keys are asked for Decrypt: their replica there.
	Region      string
	GrantTokens []string
	// ViaDecrypt allows Decrypt in one Region and Encrypt in the other where ReEncrypt cannot reach.
	// The secret is in locked memory meanwhile.
	ViaDecrypt bool
	// SharePair allows Add to give the holder of a further KMS key the private key of a pair, and so
	// every file that is sealed to it.
	SharePair bool
	// DryRun asks KMS whether it would, and changes nothing: the slots that come out are stand-ins.
	DryRun bool
	// OnChange, if set, gets each change. It has taken place when the new header is written, not
	// before.
	OnChange func(SlotEvent)
}

// SlotEvent is one change of a slot.
type SlotEvent struct {
	Pair bool   // a slot of type 2
	From string // key ARN of the slot that was used, or removed
	// key ARN of the slot that was made, in a dry run the key as it was given; empty where one was
	// removed
	To string
	// Decrypted: the secret was in the memory of this process.
	Decrypted bool
	// Kept: the slot stays as it is, since this version does not know its type or scheme. From is
	// empty where the type is unknown.
	Kept bool
}

var _ envelope.SlotChange = (*Rewrap)(nil)

// ChangeSlots implements envelope.SlotChange. Errors wrap ErrOtherRegion, ErrPolicy, ErrNoSlot,
// ErrSharesPair, envelope.ErrLastSlot, or are those of the key services. It tries at most MaxCalls
// slots of each group for a destination.
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
			r.report(SlotEvent{Pair: w.isPair(), From: w.keyID, Kept: true})
			continue
		case slices.Contains(done, w.group):
			continue
		}
		done = append(done, w.group)
		group := ofGroup(old, w.group)
		first := len(made)
		for _, d := range r.To {
			m, event, err := r.newSlot(ctx, h, group, d)
			if err != nil {
				return nil, err
			}
			if !hasKey(made[first:], m.keyID) { // an alias may name a key that was named before
				made = append(made, m)
				r.report(event)
			}
		}
	}
	if len(made) == 0 {
		return nil, fmt.Errorf("%w: the file has none that this version can re-wrap", ErrNoSlot)
	}
	r.reportRemoved(old, made)
	return append(made, kept...), nil
}

// reportRemoved reports slots that gave way without having been the source of a new one.
func (r *Rewrap) reportRemoved(old, made []wrapped) {
	for _, w := range old {
		used := func(m wrapped) bool {
			return m.group == w.group && (m.from == w.keyID || m.keyID == w.keyID)
		}
		if w.group != "" && !slices.ContainsFunc(made, used) {
			r.report(SlotEvent{Pair: w.isPair(), From: w.keyID})
		}
	}
}

func (r *Rewrap) add(ctx context.Context, h *format.Header, all []wrapped,
	d Destination) ([]wrapped, error) {
	group := ofGroup(all, groupKMS)
	if len(group) == 0 {
		pair := slices.IndexFunc(all, func(w wrapped) bool { return w.group != "" })
		if pair < 0 {
			return nil, fmt.Errorf("%w: the file has none that this version can re-wrap", ErrNoSlot)
		}
		if !r.SharePair {
			return nil, fmt.Errorf(
				"%w: its private key, which %s would get, opens every file that was ever sealed to it",
				ErrSharesPair, d)
		}
		group = ofGroup(all, all[pair].group)
	}
	m, event, err := r.newSlot(ctx, h, group, d)
	if err != nil {
		return nil, err
	}
	all = slices.Clone(all)
	i := slices.IndexFunc(all, func(w wrapped) bool {
		return w.group == m.group && w.keyID == m.keyID
	})
	if i < 0 || all[i].from == "" { // and not one that was just made, for another name of the key
		r.report(event)
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
		r.report(SlotEvent{Pair: w.isPair(), From: w.keyID})
	}
	if len(left) == len(all) {
		return nil, fmt.Errorf("%w: the file has none of the key %q", ErrNoSlot, ref)
	}
	return left, nil
}

func (r *Rewrap) report(e SlotEvent) {
	if r.OnChange != nil {
		r.OnChange(e)
	}
}
