package keyring_test

import (
	"testing"

	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
)

func TestHasExactly(t *testing.T) {
	w := newWorld(t)
	a, b := w.here.key(t), w.here.key(t)
	arn, err := kmsclient.ParseARN(a)
	w.must(err)
	byID := keyring.Destination{KeyID: arn.KeyID(), Region: "eu-west-1"}
	elsewhere := keyring.Destination{KeyID: arn.KeyID(), Region: "us-east-1"}
	w.seal(a)
	of := func(keys ...string) (slots []format.Slot) {
		w.seal(keys...)
		return w.header.Slots
	}
	one := w.pairSlot(a).slot
	onA, onAB, twice := of(a), of(a, b), append(of(a), of(a)...)
	unknown := format.Slot{Type: 200, Body: []byte("of a later version")}
	toA, toB := w.here.to(a), w.here.to(b)
	for name, c := range map[string]struct {
		slots []format.Slot
		keys  []keyring.Destination
		want  bool
	}{
		"the key":                  {onA, []keyring.Destination{toA}, true},
		"by its id":                {onA, []keyring.Destination{byID}, true},
		"by two names":             {onA, []keyring.Destination{byID, toA}, true},
		"its id in another Region": {onA, []keyring.Destination{elsewhere}, false},
		"an alias": {onA,
			[]keyring.Destination{{KeyID: "alias/a", Region: "eu-west-1"}}, false},
		"no key":                {onA, []keyring.Destination{{Region: "eu-west-1"}}, false},
		"another key":           {onA, []keyring.Destination{toB}, false},
		"one too few":           {onA, []keyring.Destination{toA, toB}, false},
		"one too many":          {onAB, []keyring.Destination{toA}, false},
		"both":                  {onAB, []keyring.Destination{toB, toA}, true},
		"two slots":             {twice, []keyring.Destination{toA}, false},
		"a pair as well":        {append(of(a), one), []keyring.Destination{toA}, true},
		"a pair alone":          {[]format.Slot{one}, []keyring.Destination{toA}, true},
		"a pair of another key": {append(of(b), one), []keyring.Destination{toB}, false},
		"unknown as well":       {append(of(a), unknown), []keyring.Destination{toA}, true},
		"unknown alone":         {[]format.Slot{unknown}, []keyring.Destination{toA}, false},
		"what names no key of any KMS": {[]format.Slot{kmsSlot(t, "x")},
			[]keyring.Destination{{Region: "eu-west-1"}}, false},
	} {
		h := *w.header
		h.Slots = c.slots
		if got, err := keyring.HasExactly(&h, c.keys); err != nil || got != c.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func kmsSlot(t *testing.T, keyID string) format.Slot {
	s, err := format.KMSSlot{KeyID: keyID, CiphertextBlob: []byte("y")}.Slot()
	if err != nil {
		t.Fatal(err)
	}
	return s
}
