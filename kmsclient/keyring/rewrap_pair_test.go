package keyring_test

import (
	"errors"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
)

func TestRewrapPairs(t *testing.T) {
	w := newWorld(t)
	a, b, c, far := w.here.key(t), w.here.key(t), w.here.key(t), w.there.key(t)
	w.seal(a)
	one := w.pairSlot(a)
	two := w.pairSlot(b)
	w.header.Slots = append(w.header.Slots, one.slot, two.slot)
	w.must(w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.here.to(c)}}))
	w.wantKeys(c, c, c)
	w.wantCalls(w.here, "ReEncrypt", "ReEncrypt", "ReEncrypt")
	w.wantPrivate(1, one)
	w.wantPrivate(2, two)
	if !w.opens(c) {
		t.Error("does not open")
	}

	// Two keys: each has every pair; and back to one, where the two slots of a pair are one again.
	w.must(w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.here.to(a), w.here.to(b)}}))
	w.wantKeys(a, b, a, b, a, b)
	w.wantPrivate(3, one)
	w.must(w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.there.to(far)}, ViaDecrypt: true}))
	w.wantKeys(far, far, far)
	w.wantPrivate(1, one)
	w.wantPrivate(2, two)
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
	one := w.pairSlot(a)
	w.header.Slots = []format.Slot{one.slot}
	add := keyring.Rewrap{Add: []keyring.Destination{w.here.to(b)}}
	if err := w.rewrap(add); !errors.Is(err, keyring.ErrSharesPair) {
		t.Errorf("the private key of a pair is shared without a word: %v", err)
	}
	w.wantCalls(w.here)
	add.SharePair = true
	w.must(w.rewrap(add))
	w.wantKeys(a, b)
	w.wantPrivate(1, one)
	w.must(w.rewrap(keyring.Rewrap{Drop: []string{a}}))
	w.wantKeys(b)
	w.wantPrivate(0, one)
}

// By way of Decrypt, nothing is handed on that is not what the slot says it is.
func TestRewrapViaDecryptChecksThePair(t *testing.T) {
	w := newWorld(t)
	a, far := w.here.key(t), w.there.key(t)
	w.seal(a)
	good := w.pairSlot(a)
	other := w.pairSlot(a)
	w.seal(a)
	elsewhere := w.pairSlot(a) // of another file
	secret, err := w.here.Encrypt(t.Context(),
		kmsclient.EncryptInput{KeyID: a, Plaintext: []byte("the password of the payroll"),
			EncryptionContext: format.Context{"app": "payroll"}})
	w.must(err)
	for name, change := range map[string]func(p *format.PairSlot){
		"no private key at all": func(p *format.PairSlot) {
			p.PrivateKeyCiphertextBlob, p.PairContext = secret.CiphertextBlob,
				format.Context{"app": "payroll"}
		},
		"the private key of another pair": func(p *format.PairSlot) {
			q, err := other.slot.Pair()
			w.must(err)
			p.PrivateKeyCiphertextBlob = q.PrivateKeyCiphertextBlob
		},
		"the data key of another file": func(p *format.PairSlot) {
			q, err := elsewhere.slot.Pair()
			w.must(err)
			*p = q
		},
	} {
		p, err := good.slot.Pair()
		w.must(err)
		change(&p)
		slot, err := p.Slot()
		w.must(err)
		w.header.Slots = []format.Slot{slot}
		if name == "the data key of another file" {
			h := *w.header
			h.FileID[0] ^= 1
			w.header = &h
		}
		err = w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.there.to(far)}, ViaDecrypt: true})
		if !errors.Is(err, envelope.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		w.wantCalls(w.there)
	}
}

// A slot that no key service could be asked about opens nothing, and is not what may be left alone.
func TestRewrapKeepsOneThatOpens(t *testing.T) {
	w := newWorld(t)
	a := w.here.key(t)
	w.seal(a)
	nobody, err := format.KMSSlot{KeyID: "x", CiphertextBlob: []byte("y")}.Slot()
	w.must(err)
	w.header.Slots = append(w.header.Slots, nobody)
	if err := w.rewrap(keyring.Rewrap{Drop: []string{a}}); !errors.Is(err, envelope.ErrLastSlot) {
		t.Errorf("the last slot that opens the file: %v", err)
	}
}
