package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
)

func TestRewrapTo(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.here.key(t), w.here.key(t), w.here.key(t)
	w.seal(a, b)
	before := *w.header
	w.must(w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.here.to(c)}}))
	w.wantKeys(c)
	w.wantCalls(w.here, "ReEncrypt")
	if !w.opens(c) {
		t.Error("does not open")
	}
	if w.header.Length != before.Length || w.header.Commitment != before.Commitment ||
		w.header.FileID != before.FileID {
		t.Error("more than the slots changed")
	}
	want := []keyring.SlotEvent{{From: a, To: c}, {From: b}}
	if !slices.Equal(w.events, want) {
		t.Errorf("events %+v, want %+v", w.events, want)
	}
	w.must(w.rewrap(keyring.Rewrap{
		To: []keyring.Destination{w.here.to(a), w.here.to(b), w.here.to(a)}}))
	w.wantKeys(a, b)
	if !w.opens(a) || !w.opens(b) {
		t.Error("does not open with each of two")
	}
	blob := w.header.Slots[0].Body
	w.must(w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.here.to(a), w.here.to(b)}}))
	if w.wantKeys(a, b); bytes.Equal(blob, w.header.Slots[0].Body) {
		t.Error("a slot of the same key was not made anew")
	}
}

func TestRewrapSurvivesADisabledSource(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.here.key(t), w.here.key(t), w.here.key(t)
	w.seal(a, b)
	w.must(w.here.DisableKey(context.Background(), w.here.in(a)))
	w.must(w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.here.to(c)}}))
	w.wantCalls(w.here, "ReEncrypt", "ReEncrypt")
	w.must(w.here.DisableKey(context.Background(), w.here.in(b)))
	if !w.opens(c) {
		t.Error("does not open once both old keys are disabled")
	}
	w.must(w.here.DisableKey(context.Background(), w.here.in(c)))
	err := w.rewrap(keyring.Rewrap{Add: []keyring.Destination{w.here.to(a)}})
	if !errors.Is(err, kmsclient.ErrDisabled) {
		t.Errorf("error %v", err)
	}
}

func TestRewrapAddAndDrop(t *testing.T) {
	w := newWorld(t)
	a, b := w.here.key(t), w.here.key(t)
	w.seal(a)
	w.must(w.rewrap(keyring.Rewrap{Add: []keyring.Destination{w.here.to(b)}}))
	w.wantKeys(a, b)
	first, second := w.header.Slots[0].Body, w.header.Slots[1].Body
	w.must(w.rewrap(keyring.Rewrap{Add: []keyring.Destination{w.here.to(b)}}))
	w.wantKeys(a, b)
	if !bytes.Equal(first, w.header.Slots[0].Body) || bytes.Equal(second, w.header.Slots[1].Body) {
		t.Error("adding a key again refreshes its slot and no other")
	}
	if !w.opens(a) || !w.opens(b) {
		t.Error("does not open with each")
	}
	arn, _ := kmsclient.ParseARN(a)
	w.must(w.rewrap(keyring.Rewrap{Drop: []string{arn.KeyID()}}))
	w.wantKeys(b)
	w.wantCalls(w.here)
	if err := w.rewrap(keyring.Rewrap{Drop: []string{b}}); !errors.Is(err, envelope.ErrLastSlot) {
		t.Errorf("last slot: %v", err)
	}
	if err := w.rewrap(keyring.Rewrap{Drop: []string{a}}); !errors.Is(err, keyring.ErrNoSlot) {
		t.Errorf("absent slot: %v", err)
	}
	w.must(w.rewrap(keyring.Rewrap{Add: []keyring.Destination{w.here.to(a)}, Drop: []string{b}}))
	if w.wantKeys(a); !w.opens(a) {
		t.Error("does not open after the exchange")
	}
}

// A key that is named twice, by its ARN and by an alias, gets one slot, and that is told once.
func TestRewrapForAKeyByTwoNames(t *testing.T) {
	w := newWorld(t)
	a, b := w.here.key(t), w.here.key(t)
	w.must(w.here.CreateAlias(context.Background(), "alias/b", w.here.in(b)))
	both := []keyring.Destination{w.here.to("alias/b"), w.here.to(b)}
	for name, change := range map[string]keyring.Rewrap{"to": {To: both},
		"add": {Add: both, Drop: []string{a}}} {
		w.seal(a)
		w.must(w.rewrap(change))
		made := slices.DeleteFunc(w.events, func(e keyring.SlotEvent) bool { return e.To == "" })
		if w.wantKeys(b); !slices.Equal(made, []keyring.SlotEvent{{From: a, To: b}}) {
			t.Errorf("%s: events %+v", name, made)
		}
	}
	w.seal(a, b)
	w.must(w.rewrap(keyring.Rewrap{Add: both[:1]}))
	if w.wantKeys(a, b); len(w.events) != 1 {
		t.Errorf("a slot that was there is made anew: events %+v", w.events)
	}
}

func TestRewrapRegions(t *testing.T) {
	w := newWorld(t)
	a, far := w.here.key(t), w.there.key(t)
	w.seal(a)
	err := w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.there.to(far)}})
	if !errors.Is(err, keyring.ErrOtherRegion) || !strings.Contains(err.Error(), a) ||
		!strings.Contains(err.Error(), far) {
		t.Errorf("error %v", err)
	}
	w.wantCalls(w.here)
	w.wantCalls(w.there)
	w.must(w.rewrap(keyring.Rewrap{Add: []keyring.Destination{w.there.to(far)}, ViaDecrypt: true}))
	w.wantKeys(a, far)
	w.wantCalls(w.here, "Decrypt")
	w.wantCalls(w.there, "Encrypt")
	if !w.events[0].Decrypted || !w.opens(a) || !w.opens(far) {
		t.Errorf("events %+v", w.events)
	}
	// Within reach of ReEncrypt, nothing is decrypted.
	near := w.there.key(t)
	w.must(w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.there.to(near)}, ViaDecrypt: true}))
	w.wantKeys(near)
	w.wantCalls(w.here)
	w.wantCalls(w.there, "ReEncrypt")
	if w.events[0].Decrypted || !w.opens(near) {
		t.Errorf("events %+v", w.events)
	}
}

func TestRewrapViaDecryptChecksTheKey(t *testing.T) {
	w := newWorld(t)
	a, far := w.here.key(t), w.there.key(t)
	w.seal(a)
	planted := w.header.Slots
	w.seal(a)
	w.header.Slots = planted
	err := w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.there.to(far)}, ViaDecrypt: true})
	if !errors.Is(err, envelope.ErrCommitment) {
		t.Errorf("the slot of another file: %v", err)
	}
	// what is too short for a data key is refused as decrypt refuses it: the service answered, but not
	// with a key
	out, err := w.here.Encrypt(t.Context(), kmsclient.EncryptInput{KeyID: a,
		Plaintext: make([]byte, format.MinDataKeySize-1), EncryptionContext: w.header.Context})
	w.must(err)
	short, err := format.KMSSlot{KeyID: a, CiphertextBlob: out.CiphertextBlob}.Slot()
	w.must(err)
	w.header.Slots = []format.Slot{short}
	err = w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.there.to(far)}, ViaDecrypt: true})
	if !errors.Is(err, kmsclient.ErrBadAnswer) {
		t.Errorf("31 bytes: %v", err)
	}
	w.wantCalls(w.there)
}

func TestRewrapAccounts(t *testing.T) {
	w := newWorld(t)
	a, b := w.here.key(t), w.here.key(t)
	w.seal(a)
	err := w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.here.to(b)},
		Accounts: []string{"111122223333"}})
	if !errors.Is(err, keyring.ErrPolicy) {
		t.Errorf("error %v", err)
	}
	w.wantCalls(w.here)
	w.must(w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.here.to(b)},
		Accounts: []string{kmsclient.LocalAccount}}))
}

func TestRewrapKeepsWhatItDoesNotKnow(t *testing.T) {
	w := newWorld(t)
	a, b := w.here.key(t), w.here.key(t)
	w.seal(a)
	unknown, err := format.PrivateSlot{Type: 200, Name: "another.example",
		Body: []byte("theirs")}.Slot()
	w.must(err)
	w.header.Slots = append([]format.Slot{unknown}, w.header.Slots...)
	w.must(w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.here.to(b)}}))
	w.wantKeys(b, "")
	if got := w.header.Slots[1]; got.Type != unknown.Type || !bytes.Equal(got.Body, unknown.Body) {
		t.Errorf("unknown slot became %+v", got)
	}
	if !slices.Contains(w.events, keyring.SlotEvent{Kept: true}) {
		t.Errorf("events %+v", w.events)
	}
	if err := w.rewrap(keyring.Rewrap{Drop: []string{b}}); !errors.Is(err, envelope.ErrLastSlot) {
		t.Errorf("only an unknown slot would be left: %v", err)
	}
	w.header.Slots = []format.Slot{unknown}
	err = w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.here.to(b)}})
	if !errors.Is(err, keyring.ErrNoSlot) {
		t.Errorf("only an unknown slot is there: %v", err)
	}
}

func TestRewrapManySlots(t *testing.T) {
	w := newWorld(t)
	a := w.here.key(t)
	w.seal(a)
	var all []keyring.Destination
	for range format.DefaultMaxSlots {
		all = append(all, w.here.to(w.here.key(t)))
	}
	err := w.rewrap(keyring.Rewrap{Add: all})
	if err == nil || !strings.Contains(err.Error(), "65 key slots") {
		t.Errorf("error %v", err)
	}
	w.must(w.rewrap(keyring.Rewrap{To: all}))
	if len(w.header.Slots) != format.DefaultMaxSlots || w.header.Length <= 768 {
		t.Errorf("%d slots in %d bytes", len(w.header.Slots), w.header.Length)
	}
}

// lying answers with what was not asked for.
type lying struct {
	*abroad
	change func(*kmsclient.ReEncryptInput, *kmsclient.ReEncryptOutput)
}

func (l lying) ReEncrypt(ctx context.Context,
	in kmsclient.ReEncryptInput) (*kmsclient.ReEncryptOutput, error) {
	out, err := l.abroad.ReEncrypt(ctx, in)
	if err == nil {
		l.change(&in, out)
	}
	return out, err
}

func TestRewrapRefusesWrongAnswers(t *testing.T) {
	w := newWorld(t)
	a, b := w.here.key(t), w.here.key(t)
	w.seal(a)
	for name, change := range map[string]func(*kmsclient.ReEncryptInput, *kmsclient.ReEncryptOutput){
		"source": func(_ *kmsclient.ReEncryptInput, o *kmsclient.ReEncryptOutput) { o.SourceKeyID = b },
		"key":    func(_ *kmsclient.ReEncryptInput, o *kmsclient.ReEncryptOutput) { o.KeyID = a },
		"no key": func(_ *kmsclient.ReEncryptInput, o *kmsclient.ReEncryptOutput) { o.KeyID = "" },
		"alias": func(_ *kmsclient.ReEncryptInput, o *kmsclient.ReEncryptOutput) {
			o.KeyID = "arn:aws:kms:eu-west-1:000000000000:alias/b"
		},
		"region": func(_ *kmsclient.ReEncryptInput, o *kmsclient.ReEncryptOutput) {
			o.KeyID = w.here.in(o.KeyID)
		},
		"old blob": func(i *kmsclient.ReEncryptInput, o *kmsclient.ReEncryptOutput) {
			o.CiphertextBlob = i.CiphertextBlob
		},
		"empty blob": func(_ *kmsclient.ReEncryptInput, o *kmsclient.ReEncryptOutput) {
			o.CiphertextBlob = nil
		},
	} {
		for _, ref := range []string{b, strings.TrimPrefix(b[strings.LastIndex(b, "/"):], "/")} {
			d := keyring.Destination{KeyID: ref, Client: lying{w.here, change}, Region: w.here.region}
			if err := w.rewrap(keyring.Rewrap{To: []keyring.Destination{d}}); err == nil {
				t.Errorf("%s: accepted for %s", name, ref)
			}
		}
	}
	w.wantKeys(a)
}

func TestRewrapByReplica(t *testing.T) {
	w := newWorld(t)
	meta, err := w.here.CreateKey(context.Background(), kmsclient.CreateKeyInput{MultiRegion: true})
	w.must(err)
	multi := w.here.out(meta.ARN)
	w.seal(multi)
	far := w.there.key(t)
	err = w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.there.to(far)}})
	if !errors.Is(err, keyring.ErrOtherRegion) {
		t.Errorf("without a replica: %v", err)
	}
	w.wantCalls(w.there, "ReEncrypt")
	w.must(w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.there.to(far)}, ViaDecrypt: true}))
	w.wantCalls(w.there, "ReEncrypt", "Encrypt")

	w.there = &abroad{Store: w.here.Store, region: "us-east-1"} // now the key has one
	w.seal(multi)
	far = w.there.key(t)
	w.must(w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.there.to(far)}, ViaDecrypt: true}))
	w.wantCalls(w.there, "ReEncrypt")
	w.wantCalls(w.here)
	if w.wantKeys(far); !w.opens(far) {
		t.Error("does not open")
	}
}
