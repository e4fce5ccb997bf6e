package keyring_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
)

func TestEverySchemeSealsAndOpens(t *testing.T) {
	r := newPairRig(t)
	for _, spec := range []string{"RSA_2048", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521",
		"ML_KEM_768", "ML_KEM_1024"} {
		f := r.pair(spec)
		r.store.calls = nil
		sealed := r.seal(r.recipient(f))
		if len(r.store.calls) > 0 {
			t.Errorf("%s: sealing called %v", spec, r.store.calls)
		}
		used := ""
		calls, err := r.open(sealed, keyring.Discovery{Used: func(arn string) { used = arn }})
		if err != nil || calls != 1 || used != r.key {
			t.Errorf("%s: %d calls, opened with %q, %v", spec, calls, used, err)
		}
		h, err := format.ReadHeader(bytes.NewReader(sealed), format.Limits{})
		r.check(err)
		slot, err := h.Slots[0].Pair()
		want, _ := format.PairSchemeOf(spec)
		if err != nil || len(h.Slots) != 1 || slot.Scheme != want ||
			slot.PublicKeyID != sha256.Sum256(f.PublicKey) || slot.PairContext["team"] != "backup" {
			t.Errorf("%s: slot %+v, %v", spec, slot, err)
		}
	}
}

// TestPairBesideKMSKey: with a KMS key beside it, each of the two opens the file where the other
// does not.
func TestPairBesideKMSKey(t *testing.T) {
	r := newPairRig(t)
	other := r.store.key(t)
	sealed := r.seal(r.recipient(r.pair("ECC_NIST_P256")),
		&keyring.KMSKey{Client: r.store, KeyID: other})
	opens := func(key string, calls int) {
		t.Helper()
		used := ""
		n, err := r.open(sealed, keyring.Discovery{Used: func(arn string) { used = arn }})
		if err != nil || used != key || n != calls {
			t.Errorf("%d calls, used %q, %v", n, used, err)
		}
	}
	opens(other, 1) // though the pair's slot may come first in the header
	r.check(r.store.DisableKey(t.Context(), other))
	opens(r.key, 2)
	r.check(r.store.EnableKey(t.Context(), other))
	r.check(r.store.DisableKey(t.Context(), r.key))
	opens(other, 1)
}

// TestOneDataKeyManyFiles: a data key made in advance seals for its own slots and for a pair, each
// file anew.
func TestOneDataKeyManyFiles(t *testing.T) {
	r := newPairRig(t)
	ec := format.Context{"job": "nightly"}
	made, err := r.store.GenerateDataKeyWithoutPlaintext(t.Context(),
		kmsclient.GenerateDataKeyInput{KeyID: r.key, KeySpec: "AES_256", EncryptionContext: ec})
	r.check(err)
	slot, err := format.KMSSlot{KeyID: made.KeyID, CiphertextBlob: made.CiphertextBlob}.Slot()
	r.check(err)
	pair, err := keyring.NewPairRecipient(r.pair("ML_KEM_768"))
	r.check(err)
	id := &keyring.Discovery{Client: func(kmsclient.ARN) (kmsclient.Client, error) {
		return r.store, nil
	}}
	r.store.calls = nil
	key, err := envelope.UnwrapDataKey(t.Context(), ec, []format.Slot{slot}, id, pair)
	r.check(err)
	defer key.Destroy()
	var files [][]byte
	for range 20 {
		var b bytes.Buffer
		_, err := envelope.Seal(t.Context(), &b, strings.NewReader(plain), key, envelope.SealOptions{})
		r.check(err)
		files = append(files, b.Bytes())
	}
	if !slices.Equal(r.store.calls, []string{"Decrypt"}) {
		t.Errorf("sealing 20 files called %v", r.store.calls)
	}
	dropKMS := func(h *format.Header) { h.Slots = h.Slots[1:] }
	for _, sealed := range files {
		if _, err := r.open(sealed, keyring.Discovery{}); err != nil {
			t.Error(err)
		}
		if _, err := r.open(r.edit(sealed, dropKMS), keyring.Discovery{}); err != nil {
			t.Errorf("by the pair: %v", err)
		}
	}
	if bytes.Equal(files[0][:200], files[1][:200]) {
		t.Error("two files have one file id")
	}
}

// pairSlotRefusal is an edit of the only pair slot of a file, and what opening the file then says.
type pairSlotRefusal struct {
	name string
	edit func(p *format.PairSlot)
	is   error
}

// sealedKeyRefusals are edits of the sealed data key and of what tells how to unseal it.
var sealedKeyRefusals = []pairSlotRefusal{
	{"flipped encapsulated key", func(p *format.PairSlot) { p.SealedDataKey[40] ^= 1 },
		envelope.ErrDamaged},
	{"flipped data key", func(p *format.PairSlot) { p.SealedDataKey[100] ^= 1 }, envelope.ErrDamaged},
	{"short sealed data key", func(p *format.PairSlot) { p.SealedDataKey = p.SealedDataKey[:50] },
		envelope.ErrDamaged},
	{"long sealed data key",
		func(p *format.PairSlot) { p.SealedDataKey = append(p.SealedDataKey, 0) }, envelope.ErrDamaged},
	{"other public key id", func(p *format.PairSlot) { p.PublicKeyID[0] ^= 1 }, envelope.ErrDamaged},
	{"other scheme", func(p *format.PairSlot) { p.Scheme = format.PairHPKEP256 }, envelope.ErrDamaged},
}

// privateKeyRefusals are edits of the encrypted private key and of what tells how to decrypt it.
func (r *pairRig) privateKeyRefusals() []pairSlotRefusal {
	r.Helper()
	twin := r.pair("ECC_NIST_P384").PrivateKeyCiphertextBlob
	rsa := r.pair("RSA_2048").PrivateKeyCiphertextBlob
	out, err := r.store.Encrypt(r.Context(), kmsclient.EncryptInput{KeyID: r.key,
		Plaintext: []byte("no private key"), EncryptionContext: pairContext})
	r.check(err)
	junk, other := out.CiphertextBlob, r.store.key(r.T)
	private := func(blob []byte) func(*format.PairSlot) {
		return func(p *format.PairSlot) { p.PrivateKeyCiphertextBlob = blob }
	}
	return []pairSlotRefusal{
		{"other private key", private(twin), envelope.ErrDamaged},
		{"RSA private key", private(rsa), envelope.ErrDamaged},
		{"no private key", private(junk), keyring.ErrPair},
		{"no private key is damage", private(junk), envelope.ErrDamaged},
		{"other pair context", func(p *format.PairSlot) { p.PairContext = nil },
			kmsclient.ErrInvalidCiphertext},
		{"flipped private key", func(p *format.PairSlot) { p.PrivateKeyCiphertextBlob[60] ^= 1 },
			kmsclient.ErrInvalidCiphertext},
		{"other KMS key", func(p *format.PairSlot) { p.KeyID = other }, kmsclient.ErrIncorrectKey},
		{"unknown KMS key", func(p *format.PairSlot) { p.KeyID = r.key[:len(r.key)-12] + "ffffffffffff" },
			kmsclient.ErrNotFound},
	}
}

func TestPairSlotRefusals(t *testing.T) {
	r := newPairRig(t)
	f := r.pair("ECC_NIST_P384")
	sealed := r.seal(r.recipient(f))
	refused := func(name string, file []byte, is error) {
		t.Helper()
		if _, err := r.open(file, keyring.Discovery{}); !errors.Is(err, is) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range slices.Concat(sealedKeyRefusals, r.privateKeyRefusals()) {
		refused(c.name, r.editPair(sealed, c.edit), c.is)
	}
	var stolen format.Slot
	r.edit(r.seal(r.recipient(f)), func(h *format.Header) { stolen = h.Slots[0] })
	for _, c := range []struct {
		name string
		edit func(h *format.Header)
		is   error
	}{
		{"slot of another file", func(h *format.Header) { h.Slots[0] = stolen }, envelope.ErrDamaged},
		{"unknown scheme", func(h *format.Header) {
			h.Slots[0].Body = append([]byte{99}, h.Slots[0].Body[1:]...)
		}, envelope.ErrNoMatch},
		{"other context of the file", func(h *format.Header) {
			h.Context = format.Context{"app": "wen"}
		}, envelope.ErrDamaged},
	} {
		refused(c.name, r.edit(sealed, c.edit), c.is)
	}
	if _, err := r.open(sealed, keyring.Discovery{}); err != nil {
		t.Errorf("unchanged: %v", err)
	}
}

// TestPairOfUnusableKey: the state of the KMS key that encrypted the private key counts when a file
// is opened, not when it is sealed.
func TestPairOfUnusableKey(t *testing.T) {
	r := newPairRig(t)
	f := r.pair("ECC_NIST_P256")
	r.check(r.store.DisableKey(t.Context(), r.key))
	sealed := r.seal(r.recipient(f))
	if _, err := r.open(sealed, keyring.Discovery{}); !errors.Is(err, kmsclient.ErrDisabled) {
		t.Errorf("disabled: %v", err)
	}
	_, err := r.store.ScheduleKeyDeletion(t.Context(), r.key, 7)
	r.check(err)
	if _, err := r.open(sealed, keyring.Discovery{}); !errors.Is(err, kmsclient.ErrInvalidState) {
		t.Errorf("pending deletion: %v", err)
	}
	r.check(r.store.CancelKeyDeletion(t.Context(), r.key))
	r.check(r.store.EnableKey(t.Context(), r.key))
	if _, err := r.open(sealed, keyring.Discovery{}); err != nil {
		t.Errorf("enabled again: %v", err)
	}
}

// TestCallsAreSharedBySlots: slots of both types together cost no more than MaxCalls.
func TestCallsAreSharedBySlots(t *testing.T) {
	r := newPairRig(t)
	lost := r.store.key(t)
	recipients := []envelope.Recipient{&keyring.KMSKey{Client: r.store, KeyID: lost},
		&keyring.KMSKey{Client: r.store, KeyID: lost}}
	for range 4 {
		recipients = append(recipients, r.recipient(r.pair("ECC_NIST_P256")))
	}
	sealed := r.seal(recipients...)
	r.check(r.store.DisableKey(t.Context(), lost))
	if calls, err := r.open(sealed, keyring.Discovery{}); err != nil || calls != 3 {
		t.Errorf("the third opens: %d calls, %v", calls, err)
	}
	r.check(r.store.DisableKey(t.Context(), r.key))
	calls, err := r.open(sealed, keyring.Discovery{})
	if !errors.Is(err, kmsclient.ErrDisabled) || calls != keyring.MaxCalls {
		t.Errorf("none opens: %d calls, %v", calls, err)
	}
}

func TestPoliciesHoldForPairs(t *testing.T) {
	r := newPairRig(t)
	sealed := r.seal(r.recipient(r.pair("ECC_NIST_P256")))
	r.check(r.store.CreateAlias(t.Context(), "alias/pairs", r.key))
	r.check(r.store.CreateAlias(t.Context(), "alias/other", r.store.key(t)))
	for _, c := range []struct {
		name  string
		d     keyring.Discovery
		calls int
		is    error
	}{
		{"its key", keyring.Discovery{Keys: []keyring.AllowedKey{{KeyID: r.key}}}, 1, nil},
		{"its alias",
			keyring.Discovery{Keys: []keyring.AllowedKey{{KeyID: "alias/pairs", Client: r.store}}}, 1, nil},
		{"another alias",
			keyring.Discovery{Keys: []keyring.AllowedKey{{KeyID: "alias/other", Client: r.store}}}, 1,
			kmsclient.ErrIncorrectKey},
		{"another key", keyring.Discovery{Keys: []keyring.AllowedKey{{KeyID: r.store.key(t)}}}, 0,
			keyring.ErrPolicy},
		{"its account", keyring.Discovery{Accounts: []string{kmsclient.LocalAccount}}, 1, nil},
		{"another account", keyring.Discovery{Accounts: []string{"111122223333"}}, 0, keyring.ErrPolicy},
	} {
		if calls, err := r.open(sealed, c.d); !errors.Is(err, c.is) || calls != c.calls {
			t.Errorf("%s: %d calls, %v", c.name, calls, err)
		}
	}
}

// TestKeysNamedTwice: doubles in the policy use up none of the calls.
func TestKeysNamedTwice(t *testing.T) {
	r := newPairRig(t)
	sealed := r.seal(&keyring.KMSKey{Client: r.store, KeyID: r.key})
	r.check(r.store.CreateAlias(t.Context(), "alias/app", r.key))
	r.check(r.store.CreateAlias(t.Context(), "alias/other", r.store.key(t)))
	other, app := keyring.AllowedKey{KeyID: "alias/other", Client: r.store},
		keyring.AllowedKey{KeyID: "alias/app", Client: r.store}
	calls, err := r.open(sealed,
		keyring.Discovery{Keys: []keyring.AllowedKey{other, other, other, app}})
	if err != nil || calls != 2 {
		t.Errorf("the second alias opens: %d calls, %v", calls, err)
	}
	elsewhere := newStore(t, r.store.region)
	r.check(elsewhere.CreateAlias(t.Context(), "alias/app", elsewhere.key(t)))
	abroad := keyring.AllowedKey{KeyID: "alias/app", Client: elsewhere}
	calls, err = r.open(sealed,
		keyring.Discovery{Keys: []keyring.AllowedKey{abroad, abroad, abroad, app}})
	if err != nil || calls != 1 || len(elsewhere.calls) != 1 {
		t.Errorf("one alias at two services: %d and %d calls, %v", len(elsewhere.calls), calls, err)
	}
}

// TestServiceThatCannotBeAsked: one slot of which the key service is not there does not keep
// another from opening.
func TestServiceThatCannotBeAsked(t *testing.T) {
	r := newPairRig(t)
	sealed := r.seal(&keyring.KMSKey{Client: r.store, KeyID: r.key},
		r.recipient(r.pair("ECC_NIST_P256")))
	gone := errors.New("no such service")
	asked := 0
	d := &keyring.Discovery{Client: func(kmsclient.ARN) (kmsclient.Client, error) {
		if asked++; asked == 1 {
			return nil, gone
		}
		return r.store, nil
	}}
	_, err := envelope.Verify(t.Context(), bytes.NewReader(sealed), envelope.OpenOptions{}, d)
	if err != nil {
		t.Error(err)
	}
	d.Client = func(kmsclient.ARN) (kmsclient.Client, error) { return nil, gone }
	_, err = envelope.Verify(t.Context(), bytes.NewReader(sealed), envelope.OpenOptions{}, d)
	if !errors.Is(err, gone) {
		t.Errorf("no service at all: %v", err)
	}
}

func TestPairFilesThatCannotBeUsed(t *testing.T) {
	r := newPairRig(t)
	good := r.pair("ECC_NIST_P256")
	for name, edit := range map[string]func(f *format.PairFile){
		"other spec":   func(f *format.PairFile) { f.KeyPairSpec = "ECC_NIST_P384" },
		"no key":       func(f *format.PairFile) { f.PublicKey = []byte("key") },
		"cut key":      func(f *format.PairFile) { f.PublicKey = f.PublicKey[:len(f.PublicKey)-1] },
		"bytes behind": func(f *format.PairFile) { f.PublicKey = append(bytes.Clone(f.PublicKey), 0) },
		"not on curve": func(f *format.PairFile) {
			f.PublicKey = bytes.Clone(f.PublicKey)
			f.PublicKey[60] ^= 1
		},
		"other curve": func(f *format.PairFile) { f.PublicKey = r.pair("ECC_SECG_P256K1").PublicKey },
		"Edwards key": func(f *format.PairFile) {
			f.PublicKey = r.pair("ECC_NIST_EDWARDS25519").PublicKey
		},
		"cut ML-KEM key": func(f *format.PairFile) {
			f.PublicKey = r.pair("ML_KEM_768").PublicKey[:1000]
		},
	} {
		f := *good
		edit(&f)
		if _, err := keyring.NewPairRecipient(&f); !errors.Is(err, keyring.ErrPair) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := keyring.NewPairRecipient(good); err != nil {
		t.Errorf("unchanged: %v", err)
	}
	good.KeyID = ""
	if _, err := keyring.NewPairRecipient(good); err == nil {
		t.Error("a pair without a KeyId")
	}
}

// TestDataKeyTooLongForRSA: RSA_2048 takes 190 bytes (format specification, scheme 1).
func TestDataKeyTooLongForRSA(t *testing.T) {
	r := newPairRig(t)
	p := r.recipient(r.pair("RSA_2048"))
	file := envelope.FileInfo{Digest: [64]byte{1}}
	if _, err := p.Wrap(context.Background(), make([]byte, 190), file); err != nil {
		t.Errorf("190 bytes: %v", err)
	}
	_, err := p.Wrap(context.Background(), make([]byte, 191), file)
	if err == nil || !strings.Contains(err.Error(), r.key) {
		t.Errorf("191 bytes: %v", err)
	}
	if _, err := p.Wrap(context.Background(), make([]byte, 32), envelope.FileInfo{}); err == nil {
		t.Error("sealed for no file")
	}
}
