package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
)

// witness keeps what a key service decrypted, to see what becomes of it.
type witness struct {
	kmsclient.Client
	plain []envelope.Secret
}

func (w *witness) Decrypt(ctx context.Context,
	in kmsclient.DecryptInput) (*kmsclient.DecryptOutput, error) {
	out, err := w.Client.Decrypt(ctx, in)
	if err == nil {
		w.plain = append(w.plain, out.Plaintext)
	}
	return out, err
}

// foreign makes a slot of key that opens to a data key of somebody else, as anybody can who may
// encrypt with key.
func (r *pairRig) foreign(key string) format.Slot {
	r.Helper()
	slot, err := (&keyring.KMSKey{Client: r.store, KeyID: key}).Wrap(r.Context(),
		bytes.Repeat([]byte{7}, 32), envelope.FileInfo{Context: format.Context{"app": "web"}})
	r.check(err)
	return slot
}

// inFront puts slots before those of the file.
func (r *pairRig) inFront(sealed []byte, slots ...format.Slot) []byte {
	r.Helper()
	return r.edit(sealed, func(h *format.Header) { h.Slots = slices.Concat(slots, h.Slots) })
}

// TestForeignSlots: slots that somebody put in do not keep the file's own from opening it, as far
// as MaxCalls goes; and what they gave is wiped.
func TestForeignSlots(t *testing.T) {
	r := newPairRig(t)
	f := r.pair("ECC_NIST_P256")
	sealed := r.seal(&keyring.KMSKey{Client: r.store, KeyID: r.key})
	toPair := r.seal(r.recipient(f))
	other, off := r.store.key(t), r.store.key(t)
	foreign, unusable := r.foreign(other), r.foreign(off)
	r.check(r.store.DisableKey(t.Context(), off))
	for _, c := range []struct {
		name  string
		file  []byte
		calls int
		is    []error
	}{
		{"one", r.inFront(sealed, foreign), 2, nil},
		{"of the file's own key", r.inFront(sealed, r.foreign(r.key)), 2, nil},
		{"two", r.inFront(sealed, foreign, foreign), 3, nil},
		{"before a pair", r.inFront(toPair, foreign), 2, nil},
		{"behind", r.edit(sealed, func(h *format.Header) { h.Slots = append(h.Slots, foreign) }), 1, nil},
		{"one and one that is refused", r.inFront(sealed, foreign, unusable), 3, nil},
		{"three", r.inFront(sealed, foreign, foreign, foreign), 3, []error{envelope.ErrCommitment}},
		{"alone", r.edit(sealed, func(h *format.Header) { h.Slots = []format.Slot{foreign} }), 1,
			[]error{envelope.ErrCommitment}},
		{"alone with one that is refused", r.edit(sealed, func(h *format.Header) {
			h.Slots = []format.Slot{foreign, unusable}
		}), 2, []error{envelope.ErrCommitment, kmsclient.ErrDisabled}},
		{"behind one that is refused", r.edit(sealed, func(h *format.Header) {
			h.Slots = []format.Slot{unusable, foreign}
		}), 2, []error{envelope.ErrCommitment, kmsclient.ErrDisabled}},
	} {
		calls, err := r.openWatched(c.name, c.file)
		if (err == nil) != (c.is == nil) || calls != c.calls {
			t.Errorf("%s: %d calls, %v", c.name, calls, err)
		} else {
			for _, is := range c.is {
				if !errors.Is(err, is) {
					t.Errorf("%s: %v, want %v", c.name, err, is)
				}
			}
		}
	}
}

// openWatched opens a file, and looks that nothing is told of a key that is not the file's, and
// that nothing of what was decrypted is left.
func (r *pairRig) openWatched(name string, file []byte) (calls int, err error) {
	r.Helper()
	w := &witness{Client: r.store}
	used := 0
	d := &keyring.Discovery{Client: func(kmsclient.ARN) (kmsclient.Client, error) {
		return w, nil
	}, Used: func(arn string) {
		if used++; arn != r.key {
			r.Errorf("%s: opened with %s", name, arn)
		}
	}}
	r.store.calls = nil
	var b bytes.Buffer
	_, err = envelope.Open(r.Context(), &b, bytes.NewReader(file), envelope.OpenOptions{}, d)
	if (err == nil) != (b.String() == plain) || (used == 1) != (err == nil) {
		r.Errorf("%s: %d bytes, told of %d keys, %v", name, b.Len(), used, err)
	}
	for i, p := range w.plain {
		if len(p.Bytes()) > 0 {
			r.Errorf("%s: answer %d is still there", name, i)
		}
	}
	return len(r.store.calls), err
}

// TestForeignSlotsThatAreLeft: where MaxCalls ends the search, the error says that not all was
// tried.
func TestForeignSlotsThatAreLeft(t *testing.T) {
	r := newPairRig(t)
	foreign := r.foreign(r.store.key(t))
	_, err := r.open(r.inFront(r.seal(&keyring.KMSKey{Client: r.store, KeyID: r.key}), foreign,
		foreign, foreign), keyring.Discovery{})
	if err == nil || !strings.Contains(err.Error(), "only 3 of 4 keys were tried") {
		t.Errorf("got %v", err)
	}
}

// TestForeignSlotOfOneIdentity: an identity whose key is not the file's does not keep the next
// identity from being asked.
func TestForeignSlotOfOneIdentity(t *testing.T) {
	r := newPairRig(t)
	other := r.store.key(t)
	sealed := r.inFront(r.seal(&keyring.KMSKey{Client: r.store, KeyID: r.key}), r.foreign(other))
	only := func(key string) envelope.Identity {
		return &keyring.Discovery{Client: func(kmsclient.ARN) (kmsclient.Client, error) {
			return r.store, nil
		}, Keys: []keyring.AllowedKey{{KeyID: key}}}
	}
	if _, err := envelope.Open(t.Context(), io.Discard, bytes.NewReader(sealed),
		envelope.OpenOptions{}, only(other), only(r.key)); err != nil {
		t.Error(err)
	}
	_, err := envelope.Open(t.Context(), io.Discard, bytes.NewReader(sealed),
		envelope.OpenOptions{}, only(other))
	if !errors.Is(err, envelope.ErrCommitment) || err.Error() != envelope.ErrCommitment.Error() {
		t.Errorf("the foreign one alone: %v", err)
	}
}

// TestDataKeyOfSeveralSlots: without a file there is nothing to hold a data key against.
func TestDataKeyOfSeveralSlots(t *testing.T) {
	r := newPairRig(t)
	ec := format.Context{"app": "web"}
	d := &keyring.Discovery{Client: func(kmsclient.ARN) (kmsclient.Client, error) {
		return r.store, nil
	}}
	r.store.calls = nil
	key, err := envelope.UnwrapDataKey(t.Context(), ec,
		[]format.Slot{r.foreign(r.key), r.foreign(r.store.key(t))}, d)
	if err != nil {
		t.Fatal(err)
	}
	defer key.Destroy()
	n := slices.Index(r.store.calls, "Decrypt")
	if n < 0 || slices.Contains(r.store.calls[n+1:], "Decrypt") {
		t.Errorf("calls: %v", r.store.calls)
	}
}
