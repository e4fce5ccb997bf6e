package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
)

func TestRewrapDryRun(t *testing.T) {
	w := newWorld(t)
	a, b, far := w.here.key(t), w.here.key(t), w.there.key(t)
	w.seal(a)
	was := w.header.Slots[0].Body
	w.must(w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.here.to(b)}, DryRun: true}))
	w.wantCalls(w.here, "ReEncrypt")
	w.must(w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.there.to(far)},
		DryRun: true, ViaDecrypt: true}))
	w.wantCalls(w.here, "Decrypt")
	w.wantCalls(w.there, "Encrypt")
	if len(w.events) != 1 || w.events[0] != (keyring.SlotEvent{From: a, To: far, Decrypted: true}) {
		t.Errorf("events %+v", w.events)
	}
	w.must(w.here.DisableKey(context.Background(), w.here.in(b)))
	err := w.rewrap(keyring.Rewrap{To: []keyring.Destination{w.here.to(b)}, DryRun: true})
	if !errors.Is(err, kmsclient.ErrDisabled) {
		t.Errorf("disabled: %v", err)
	}
	err = w.rewrap(keyring.Rewrap{Drop: []string{a}, DryRun: true})
	if !errors.Is(err, envelope.ErrLastSlot) {
		t.Errorf("last slot: %v", err)
	}
	if !bytes.Equal(was, w.header.Slots[0].Body) {
		t.Error("the slots were changed")
	}
}

// heedless does what it is asked for as a dry run only.
type heedless struct {
	*abroad
	gave []kmsclient.Secret
}

func (s *heedless) Decrypt(ctx context.Context,
	in kmsclient.DecryptInput) (*kmsclient.DecryptOutput, error) {
	in.DryRun = false
	out, err := s.abroad.Decrypt(ctx, in)
	if err == nil {
		s.gave = append(s.gave, out.Plaintext)
	}
	return out, err
}

func TestRewrapDryRunKeepsNoSecret(t *testing.T) {
	w := newWorld(t)
	near, far := w.here.key(t), w.there.key(t)
	w.seal(near)
	s := &heedless{abroad: w.here}
	r := keyring.Rewrap{
		To: []keyring.Destination{w.there.to(far)}, DryRun: true, ViaDecrypt: true,
		Client: func(kmsclient.ARN) (kmsclient.Client, error) { return s, nil },
	}
	if _, err := r.ChangeSlots(t.Context(), w.header); !errors.Is(err, kmsclient.ErrBadAnswer) {
		t.Errorf("error %v", err)
	}
	if len(s.gave) != 1 || s.gave[0].Bytes() != nil {
		t.Errorf("%d secrets were given, and not destroyed", len(s.gave))
	}
}
