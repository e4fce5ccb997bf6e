package keyring_test

import (
	"testing"

	"github.com/envseal/envseal/envelope/keyring"
	"github.com/envseal/envseal/format"
)

func TestRewrapPairs(t *testing.T) {
	w := newWorld(t)
	a, b, c, far := w.here.key(t), w.here.key(t), w.here.key(t), w.there.key(t)
	w.seal(a)
	one, private1 := w.pairSlot(a, "one")
	two, private2 := w.pairSlot(b, "two")
	w.header.Slots = append(w.header.Slots, one, two)
	w.must(w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.here.to(c)}}))
	w.wantKeys(c, c, c)
	w.wantCalls(w.here, "ReEncrypt", "ReEncrypt", "ReEncrypt")
	w.wantPrivate(1, "one", private1)
	w.wantPrivate(2, "two", private2)
	if !w.opens(c) {
		t.Error("does not open")
	}

	// Two keys: each has every pair; and back to one, where the two slots of a pair are one again.
	w.must(w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.here.to(a), w.here.to(b)}}))
	w.wantKeys(a, b, a, b, a, b)
	w.wantPrivate(3, "one", private1)
	w.must(w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.there.to(far)}, ViaDecrypt: true}))
	w.wantKeys(far, far, far)
	w.wantPrivate(1, "one", private1)
	w.wantPrivate(2, "two", private2)
	w.wantCalls(w.here, "Decrypt", "Decrypt", "Decrypt")

	w.must(w.rewrap(keyring.Rewrap{Add: []keyring.Destination{w.here.to(c)}, ViaDecrypt: true}))
	w.wantKeys(far, far, far, c)
	w.must(w.rewrap(keyring.Rewrap{Drop: []string{far}}))
	w.wantKeys(c)
}

func TestRewrapPairsOnly(t *testing.T) {
	w := newWorld(t)
	a, b := w.here.key(t), w.here.key(t)
	w.seal(a)
	one, private := w.pairSlot(a, "one")
	w.header.Slots = []format.Slot{one}
	w.must(w.rewrap(keyring.Rewrap{Add: []keyring.Destination{w.here.to(b)}}))
	w.wantKeys(a, b)
	w.wantPrivate(1, "one", private)
	w.must(w.rewrap(keyring.Rewrap{Drop: []string{a}}))
	w.wantKeys(b)
	w.wantPrivate(0, "one", private)
}
