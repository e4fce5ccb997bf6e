package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/envseal/envseal/kmsclient/keystore"
)

// abroad is a keystore that stands in another Region: the same service, its ARNs translated on the
// way in and out. It counts the calls.
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

func (a *abroad) GenerateDataKey(ctx context.Context,
	in kmsclient.GenerateDataKeyInput) (*kmsclient.DataKey, error) {
	a.calls = append(a.calls, "GenerateDataKey")
	in.KeyID = a.in(in.KeyID)
	out, err := a.Store.GenerateDataKey(ctx, in)
	if err == nil {
		out.KeyID = a.out(out.KeyID)
	}
	return out, err
}

func (a *abroad) Encrypt(ctx context.Context,
	in kmsclient.EncryptInput) (*kmsclient.EncryptOutput, error) {
	a.calls = append(a.calls, "Encrypt")
	in.KeyID = a.in(in.KeyID)
	out, err := a.Store.Encrypt(ctx, in)
	if err == nil {
		out.KeyID = a.out(out.KeyID)
	}
	return out, err
}

func (a *abroad) Decrypt(ctx context.Context,
	in kmsclient.DecryptInput) (*kmsclient.DecryptOutput, error) {
	a.calls = append(a.calls, "Decrypt")
	in.KeyID = a.in(in.KeyID)
	out, err := a.Store.Decrypt(ctx, in)
	if err == nil {
		out.KeyID = a.out(out.KeyID)
	}
	return out, err
}

func (a *abroad) ReEncrypt(ctx context.Context,
	in kmsclient.ReEncryptInput) (*kmsclient.ReEncryptOutput, error) {
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
	w.header, err = envelope.Seal(context.Background(), &b, strings.NewReader(plain),
		key, envelope.SealOptions{})
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
	r.OnChange = func(e keyring.SlotEvent) { w.events = append(w.events, e) }
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
	_, err = envelope.Open(context.Background(), &out,
		bytes.NewReader(append(raw, w.sealed[old.Length:]...)), envelope.OpenOptions{},
		&keyring.Discovery{Client: w.client})
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

// aPair is a slot of type 2 as it was made, and the private key in it.
type aPair struct {
	slot    format.Slot
	private []byte
}

// pairSlot seals the file's data key to a new pair of key. The file's first slot must be of type 1,
// for a key of here.
func (w *world) pairSlot(key string) aPair {
	w.Helper()
	ctx, ec := context.Background(), format.Context{"team": "backup"}
	pair, err := w.here.GenerateDataKeyPair(ctx, kmsclient.GenerateDataKeyPairInput{
		KeyID: w.here.in(key), KeyPairSpec: "ECC_NIST_P256", EncryptionContext: ec})
	w.must(err)
	defer pair.PrivateKeyPlaintext.Destroy()
	to, err := keyring.NewPairRecipient(&format.PairFile{
		PublicKey: pair.PublicKey, KeyPairSpec: "ECC_NIST_P256", KeyID: key,
		PrivateKeyCiphertextBlob: pair.PrivateKeyCiphertextBlob, Context: ec,
	})
	w.must(err)
	digest, err := w.header.Digest()
	w.must(err)
	k, err := w.header.Slots[0].KMS()
	w.must(err)
	dataKey, err := w.here.Decrypt(ctx, kmsclient.DecryptInput{KeyID: k.KeyID,
		CiphertextBlob: k.CiphertextBlob, EncryptionContext: w.header.Context})
	w.must(err)
	defer dataKey.Plaintext.Destroy()
	slot, err := to.Wrap(ctx, dataKey.Plaintext.Bytes(),
		envelope.FileInfo{Context: w.header.Context, Digest: digest})
	w.must(err)
	return aPair{slot, bytes.Clone(pair.PrivateKeyPlaintext.Bytes())}
}

// wantPrivate checks that slot i is the old pair, and that its key opens the private key.
func (w *world) wantPrivate(i int, old aPair) {
	w.Helper()
	want, err := old.slot.Pair()
	w.must(err)
	p, err := w.header.Slots[i].Pair()
	w.must(err)
	want.KeyID, want.PrivateKeyCiphertextBlob = p.KeyID, p.PrivateKeyCiphertextBlob
	if !reflect.DeepEqual(p, want) {
		w.Errorf("slot %d: more than the private key's wrapping changed: %+v, was %+v", i, p, want)
	}
	arn, err := kmsclient.ParseARN(p.KeyID)
	w.must(err)
	client, err := w.client(arn)
	w.must(err)
	out, err := client.Decrypt(context.Background(), kmsclient.DecryptInput{KeyID: p.KeyID,
		CiphertextBlob: p.PrivateKeyCiphertextBlob, EncryptionContext: p.PairContext})
	w.must(err)
	defer out.Plaintext.Destroy()
	if !bytes.Equal(out.Plaintext.Bytes(), old.private) {
		w.Errorf("slot %d: another private key", i)
	}
}
