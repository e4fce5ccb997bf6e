package keyring_test

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
)

// pairRig is a key service with a key, and files that are sealed to pairs of it.
type pairRig struct {
	*testing.T
	store *abroad
	key   string
}

func newPairRig(t *testing.T) *pairRig {
	store := newStore(t, kmsclient.LocalRegion)
	return &pairRig{T: t, store: store, key: store.key(t)}
}

var pairContext = format.Context{"team": "backup"}

func (r *pairRig) check(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// pair makes a pair file.
func (r *pairRig) pair(spec string) *format.PairFile {
	r.Helper()
	made, err := r.store.GenerateDataKeyPairWithoutPlaintext(r.Context(),
		kmsclient.GenerateDataKeyPairInput{
			KeyID: r.key, KeyPairSpec: spec, EncryptionContext: pairContext,
		})
	r.check(err)
	return &format.PairFile{
		KeyID: made.KeyID, KeyPairSpec: spec, PublicKey: made.PublicKey,
		PrivateKeyCiphertextBlob: made.PrivateKeyCiphertextBlob,
		Context:                  pairContext, Created: time.Now(),
	}
}

func (r *pairRig) recipient(f *format.PairFile) envelope.Recipient {
	r.Helper()
	p, err := keyring.NewPairRecipient(f)
	r.check(err)
	return p
}

// seal makes a file for the recipients.
func (r *pairRig) seal(recipients ...envelope.Recipient) []byte {
	r.Helper()
	key, err := envelope.NewDataKey(r.Context(), format.Context{"app": "web"}, recipients...)
	r.check(err)
	defer key.Destroy()
	var b bytes.Buffer
	_, err = envelope.Seal(r.Context(), &b, strings.NewReader(plain), key, envelope.SealOptions{})
	r.check(err)
	return b.Bytes()
}

// open opens a file and tells how many calls that took.
func (r *pairRig) open(sealed []byte, d keyring.Discovery) (calls int, err error) {
	r.Helper()
	d.Client = func(kmsclient.ARN) (kmsclient.Client, error) { return r.store, nil }
	r.store.calls = nil
	var b bytes.Buffer
	_, err = envelope.Open(r.Context(), &b, bytes.NewReader(sealed), envelope.OpenOptions{}, &d)
	if err == nil && b.String() != plain {
		r.Errorf("opened to %q", b.String())
	}
	return len(r.store.calls), err
}

// edit changes the slots of a file, with a right checksum.
func (r *pairRig) edit(sealed []byte, change func(h *format.Header)) []byte {
	r.Helper()
	in := bytes.NewReader(sealed)
	h, err := format.ReadHeader(in, format.Limits{})
	r.check(err)
	h.Slots = slices.Clone(h.Slots)
	change(h)
	head, err := h.MarshalBinary()
	r.check(err)
	payload, err := io.ReadAll(in)
	r.check(err)
	return append(head, payload...)
}

// editPair changes the only pair slot of a file.
func (r *pairRig) editPair(sealed []byte, change func(p *format.PairSlot)) []byte {
	r.Helper()
	return r.edit(sealed, func(h *format.Header) {
		p, err := h.Slots[0].Pair()
		r.check(err)
		change(&p)
		h.Slots[0], err = p.Slot()
		r.check(err)
	})
}
