package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
)

func TestCheckComesBeforeAnyKey(t *testing.T) {
	r := newRig(t, 1)
	sealed := r.seal(r.dataKey(format.Context{"env": "prod"}), nil, envelope.SealOptions{})
	refused := errors.New("not this one")
	asked := false
	id := &keyring.Discovery{Client: func(kmsclient.ARN) (kmsclient.Client, error) {
		asked = true
		return r.store, nil
	}}
	_, err := envelope.Verify(context.Background(), bytes.NewReader(sealed),
		envelope.OpenOptions{Check: func(h *format.Header) error {
			if h.Context["env"] != "prod" {
				t.Error("check sees no context")
			}
			return refused
		}}, id)
	if !errors.Is(err, refused) || asked {
		t.Errorf("%v, key service asked: %v", err, asked)
	}
}

func TestPolicies(t *testing.T) {
	r := newRig(t, 2)
	ctx := context.Background()
	sealed := r.seal(r.dataKey(nil), []byte("x"), envelope.SealOptions{})
	if err := r.store.CreateAlias(ctx, "alias/first", r.keys[0]); err != nil {
		t.Fatal(err)
	}
	client := func(kmsclient.ARN) (kmsclient.Client, error) { return r.store, nil }
	arn, err := kmsclient.ParseARN(r.keys[1])
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		d    keyring.Discovery
		used string
		err  error
	}{
		"second by ARN": {keyring.Discovery{Keys: []keyring.AllowedKey{{KeyID: r.keys[1]}}},
			r.keys[1], nil},
		"second by id": {keyring.Discovery{Keys: []keyring.AllowedKey{{KeyID: arn.KeyID()}}},
			r.keys[1], nil},
		"first by alias": {keyring.Discovery{
			Keys: []keyring.AllowedKey{{KeyID: "alias/first", Client: r.store}}}, r.keys[0], nil},
		"account":       {keyring.Discovery{Accounts: []string{kmsclient.LocalAccount}}, r.keys[0], nil},
		"other account": {keyring.Discovery{Accounts: []string{"111122223333"}}, "", keyring.ErrPolicy},
		"other key": {keyring.Discovery{Keys: []keyring.AllowedKey{
			{KeyID: "arn:aws:kms:local:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"}}}, "",
			keyring.ErrPolicy},
		"unknown alias": {keyring.Discovery{
			Keys: []keyring.AllowedKey{{KeyID: "alias/nothing", Client: r.store}}},
			"", kmsclient.ErrNotFound},
		"account and key": {keyring.Discovery{Accounts: []string{"111122223333"},
			Keys: []keyring.AllowedKey{{KeyID: r.keys[0]}}}, "", keyring.ErrPolicy},
	} {
		used := ""
		c.d.Client, c.d.Used = client, func(arn string) { used = arn }
		_, err := envelope.Verify(ctx, bytes.NewReader(sealed), envelope.OpenOptions{}, &c.d)
		if !errors.Is(err, c.err) || used != c.used {
			t.Errorf("%s: used %q, %v", name, used, err)
		}
	}
}
