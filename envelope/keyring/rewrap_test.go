package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/envelope/keyring"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keystore"
)

// abroad is a keystore that stands in another Region: the same service, its ARNs translated on the way in and out. It counts the calls.
type abroad struct {
	*keystore.Store
	region string
	calls  []string
}

func newStore(t *testing.T, region string) *abroad {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keystore")
	if err := keystore.Create(path, keystore.CreateOptions{PlaintextInsecure: true}); err != nil {
		t.Fatal(err)
	}
	store, err := keystore.Open(path, keystore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return &abroad{Store: store, region: region}
}

func (a *abroad) in(id string) string {
	return strings.Replace(id, ":"+a.region+":", ":local:", 1)
}

func (a *abroad) out(id string) string {
	return strings.Replace(id, ":local:", ":"+a.region+":", 1)
}

func (a *abroad) key(t *testing.T) string {
	t.Helper()
	meta, err := a.CreateKey(context.Background(), kmsclient.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	return a.out(meta.ARN)
}

func (a *abroad) GenerateDataKey(ctx context.Context, in kmsclient.GenerateDataKeyInput) (*kmsclient.DataKey, error) {
	a.calls = append(a.calls, "GenerateDataKey")
	in.KeyID = a.in(in.KeyID)
	out, err := a.Store.GenerateDataKey(ctx, in)
	if err == nil {
		out.KeyID = a.out(out.KeyID)
	}
	return out, err
}

func (a *abroad) Encrypt(ctx context.Context, in kmsclient.EncryptInput) (*kmsclient.EncryptOutput, error) {
	a.calls = append(a.calls, "Encrypt")
	in.KeyID = a.in(in.KeyID)
	out, err := a.Store.Encrypt(ctx, in)
	if err == nil {
		out.KeyID = a.out(out.KeyID)
	}
	return out, err
}

func (a *abroad) Decrypt(ctx context.Context, in kmsclient.DecryptInput) (*kmsclient.DecryptOutput, error) {
	a.calls = append(a.calls, "Decrypt")
	in.KeyID = a.in(in.KeyID)
	out, err := a.Store.Decrypt(ctx, in)
	if err == nil {
		out.KeyID = a.out(out.KeyID)
	}
	return out, err
}

func (a *abroad) ReEncrypt(ctx context.Context, in kmsclient.ReEncryptInput) (*kmsclient.ReEncryptOutput, error) {
	a.calls = append(a.calls, "ReEncrypt")
	if in.SourceKeyID == "" {
		return nil, errors.New("no SourceKeyId was sent")
	}
	in.SourceKeyID, in.DestinationKeyID = a.in(in.SourceKeyID), a.in(in.DestinationKeyID)
	out, err := a.Store.ReEncrypt(ctx, in)
	if err == nil {
		out.SourceKeyID, out.KeyID = a.out(out.SourceKeyID), a.out(out.KeyID)
	}
	return out, err
}

func (a *abroad) to(key string) keyring.Destination {
	return keyring.Destination{KeyID: key, Client: a, Region: a.region}
}

// world is two Regions and a file.
type world struct {
	*testing.T
	here, there *abroad
	sealed      []byte
	header      *format.Header
	events      []keyring.SlotEvent
}

const plain = "what is inside"

func newWorld(t *testing.T) *world {
	return &world{T: t, here: newStore(t, "eu-west-1"), there: newStore(t, "us-east-1")}
}

func (w *world) client(arn kmsclient.ARN) (kmsclient.Client, error) {
	switch arn.Region {
	case w.here.region:
		return w.here, nil
	case w.there.region:
		return w.there, nil
	}
	return nil, errors.New("no such Region: " + arn.Region)
}

// seal makes the file, for keys of here.
func (w *world) seal(keys ...string) {
	w.Helper()
	var recipients []envelope.Recipient
	for _, k := range keys {
		recipients = append(recipients, &keyring.KMSKey{Client: w.here, KeyID: k})
	}
	key, err := envelope.NewDataKey(context.Background(), format.Context{"app": "web"}, recipients...)
	w.must(err)
	defer key.Destroy()
	var b bytes.Buffer
	w.header, err = envelope.Seal(context.Background(), &b, strings.NewReader(plain), key, envelope.SealOptions{})
	w.must(err)
	w.sealed = b.Bytes()
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// rewrap applies the change to the header, and forgets the calls so far.
func (w *world) rewrap(r keyring.Rewrap) error {
	w.here.calls, w.there.calls, w.events = nil, nil, nil
	r.Client = w.client
	r.Told = func(e keyring.SlotEvent) { w.events = append(w.events, e) }
	h, err := envelope.Rewrap(context.Background(), w.header, &r)
	if err == nil && !r.DryRun {
		w.header = h
	}
	return err
}

// opens tells whether the payload opens by the header's slots of these keys only.
func (w *world) opens(keys ...string) bool {
	w.Helper()
	h := *w.header
	h.Slots = nil
	for i, s := range w.header.Slots {
		if slices.Contains(keys, w.keyOf(i)) {
			h.Slots = append(h.Slots, s)
		}
	}
	if len(h.Slots) == 0 {
		return false
	}
	raw, err := h.MarshalBinary()
	w.must(err)
	old, err := format.ReadHeader(bytes.NewReader(w.sealed), format.Limits{})
	w.must(err)
	var out bytes.Buffer
	_, err = envelope.Open(context.Background(), &out, bytes.NewReader(append(raw, w.sealed[old.Length:]...)), envelope.OpenOptions{}, &keyring.Discovery{Client: w.client})
	return err == nil && out.String() == plain
}

func (w *world) keyOf(i int) string {
	if k, err := w.header.Slots[i].KMS(); err == nil {
		return k.KeyID
	}
	p, err := w.header.Slots[i].Pair()
	if err != nil {
		return ""
	}
	return p.KeyID
}

func (w *world) keys() []string {
	var all []string
	for i := range w.header.Slots {
		all = append(all, w.keyOf(i))
	}
	return all
}

func (w *world) wantKeys(want ...string) {
	w.Helper()
	if got := w.keys(); !slices.Equal(got, want) {
		w.Fatalf("slots of %q, want %q", got, want)
	}
}

func (w *world) wantCalls(a *abroad, want ...string) {
	w.Helper()
	if !slices.Equal(a.calls, want) {
		w.Errorf("calls %q, want %q", a.calls, want)
	}
}

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
	if w.header.Length != before.Length || w.header.Commitment != before.Commitment || w.header.FileID != before.FileID {
		t.Error("more than the slots changed")
	}
	want := []keyring.SlotEvent{{From: a, To: c}, {From: b}}
	if !slices.Equal(w.events, want) {
		t.Errorf("events %+v, want %+v", w.events, want)
	}
	w.must(w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.here.to(a), w.here.to(b), w.here.to(a)}}))
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
	if err := w.rewrap(keyring.Rewrap{Add: []keyring.Destination{w.here.to(a)}}); !errors.Is(err, kmsclient.ErrDisabled) {
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

func TestRewrapRegions(t *testing.T) {
	w := newWorld(t)
	a, far := w.here.key(t), w.there.key(t)
	w.seal(a)
	err := w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.there.to(far)}})
	if !errors.Is(err, keyring.ErrOtherRegion) || !strings.Contains(err.Error(), a) || !strings.Contains(err.Error(), far) {
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
	w.wantCalls(w.there)
}

func TestRewrapDryRun(t *testing.T) {
	w := newWorld(t)
	a, b, far := w.here.key(t), w.here.key(t), w.there.key(t)
	w.seal(a)
	was := w.header.Slots[0].Body
	w.must(w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.here.to(b)}, DryRun: true}))
	w.wantCalls(w.here, "ReEncrypt")
	w.must(w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.there.to(far)}, DryRun: true, ViaDecrypt: true}))
	w.wantCalls(w.here, "Decrypt")
	w.wantCalls(w.there, "Encrypt")
	if len(w.events) != 1 || w.events[0] != (keyring.SlotEvent{From: a, To: far, Decrypted: true}) {
		t.Errorf("events %+v", w.events)
	}
	w.must(w.here.DisableKey(context.Background(), w.here.in(b)))
	if err := w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.here.to(b)}, DryRun: true}); !errors.Is(err, kmsclient.ErrDisabled) {
		t.Errorf("disabled: %v", err)
	}
	if err := w.rewrap(keyring.Rewrap{Drop: []string{a}, DryRun: true}); !errors.Is(err, envelope.ErrLastSlot) {
		t.Errorf("last slot: %v", err)
	}
	if !bytes.Equal(was, w.header.Slots[0].Body) {
		t.Error("the slots were changed")
	}
}

func TestRewrapAccounts(t *testing.T) {
	w := newWorld(t)
	a, b := w.here.key(t), w.here.key(t)
	w.seal(a)
	err := w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.here.to(b)}, Accounts: []string{"111122223333"}})
	if !errors.Is(err, keyring.ErrPolicy) {
		t.Errorf("error %v", err)
	}
	w.wantCalls(w.here)
	w.must(w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.here.to(b)}, Accounts: []string{kmsclient.LocalAccount}}))
}

// pairSlot is a slot for a pair of key. What it seals stands for a sealed data key: re-wrapping does not look at it.
func (w *world) pairSlot(key, sealed string) (format.Slot, []byte) {
	w.Helper()
	ec := format.Context{"team": "backup"}
	pair, err := w.here.GenerateDataKeyPair(context.Background(), kmsclient.GenerateDataKeyPairInput{
		KeyID: w.here.in(key), KeyPairSpec: "ECC_NIST_P256", EncryptionContext: ec,
	})
	w.must(err)
	private := bytes.Clone(pair.PrivateKeyPlaintext.Bytes())
	pair.PrivateKeyPlaintext.Destroy()
	slot, err := format.PairSlot{
		Scheme: format.PairHPKEP256, PublicKeyID: [32]byte{1}, SealedDataKey: []byte(sealed),
		KeyID: key, PrivateKeyCiphertextBlob: pair.PrivateKeyCiphertextBlob, PairContext: ec,
	}.Slot()
	w.must(err)
	return slot, private
}

// wantPrivate checks that slot i is the old pair, and that its key opens the private key.
func (w *world) wantPrivate(i int, sealed string, private []byte) {
	w.Helper()
	p, err := w.header.Slots[i].Pair()
	w.must(err)
	if string(p.SealedDataKey) != sealed || p.PublicKeyID != [32]byte{1} || p.Scheme != format.PairHPKEP256 || p.PairContext["team"] != "backup" {
		w.Errorf("slot %d: more than the private key's wrapping changed: %+v", i, p)
	}
	arn, err := kmsclient.ParseARN(p.KeyID)
	w.must(err)
	client, err := w.client(arn)
	w.must(err)
	out, err := client.Decrypt(context.Background(), kmsclient.DecryptInput{KeyID: p.KeyID, CiphertextBlob: p.PrivateKeyCiphertextBlob, EncryptionContext: p.PairContext})
	w.must(err)
	defer out.Plaintext.Destroy()
	if !bytes.Equal(out.Plaintext.Bytes(), private) {
		w.Errorf("slot %d: another private key", i)
	}
}

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

func TestRewrapKeepsWhatItDoesNotKnow(t *testing.T) {
	w := newWorld(t)
	a, b := w.here.key(t), w.here.key(t)
	w.seal(a)
	unknown := format.Slot{Type: 200, Body: []byte("from a later version")}
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
	if err := w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.here.to(b)}}); !errors.Is(err, keyring.ErrNoSlot) {
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
	if err := w.rewrap(keyring.Rewrap{Add: all}); err == nil || !strings.Contains(err.Error(), "65 key slots") {
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

func (l lying) ReEncrypt(ctx context.Context, in kmsclient.ReEncryptInput) (*kmsclient.ReEncryptOutput, error) {
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
		"region":     func(_ *kmsclient.ReEncryptInput, o *kmsclient.ReEncryptOutput) { o.KeyID = w.here.in(o.KeyID) },
		"old blob":   func(i *kmsclient.ReEncryptInput, o *kmsclient.ReEncryptOutput) { o.CiphertextBlob = i.CiphertextBlob },
		"empty blob": func(_ *kmsclient.ReEncryptInput, o *kmsclient.ReEncryptOutput) { o.CiphertextBlob = nil },
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
	if err := w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.there.to(far)}}); !errors.Is(err, keyring.ErrOtherRegion) {
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
