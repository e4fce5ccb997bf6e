//go:build torture

package envelope_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
)

// shape is one kind of file, as a reader gets it.
type shape struct {
	name    string
	file    []byte // armored, or chunks only, where it is so
	head    []byte // the detached header, or nil
	armored bool
	plain   []byte
	stream  []byte // what the chunks hold: plain, or a zstd stream
	log     uint8
	id      *keeper
}

func (s *shape) compressed() bool { return !bytes.Equal(s.plain, s.stream) }

// workshop makes shapes.
type workshop struct {
	*rig
	id *keeper
}

func newWorkshop(t testing.TB) *workshop {
	return &workshop{rig: newRig(t, 3), id: &keeper{keys: map[string][]byte{}}}
}

// pairs makes key pairs of the given specs, to seal to.
func (w *workshop) pairs(specs ...string) (all []envelope.Recipient) {
	w.t.Helper()
	for _, spec := range specs {
		made, err := w.store.GenerateDataKeyPairWithoutPlaintext(context.Background(),
			kmsclient.GenerateDataKeyPairInput{KeyID: w.keys[0], KeyPairSpec: spec})
		if err != nil {
			w.t.Fatal(err)
		}
		r, err := keyring.NewPairRecipient(&format.PairFile{KeyID: made.KeyID, KeyPairSpec: spec,
			PublicKey: made.PublicKey, PrivateKeyCiphertextBlob: made.PrivateKeyCiphertextBlob,
			Created: time.Unix(0, 0)})
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// look says how a shape differs from a plain one of 4 KiB chunks and one KMS slot.
type look struct {
	name     string
	size     int
	plain    []byte // instead of size
	log      uint8
	compress envelope.Level
	context  format.Context
	slots    []envelope.Recipient
	armored  bool
	lineEnd  string
	detached bool
	rewrap   func(h *format.Header)
}

// shape seals one.
func (w *workshop) shape(l look) *shape {
	w.t.Helper()
	s := &shape{name: l.name, plain: l.plain, log: max(l.log, format.MinChunkSizeLog2),
		id: w.id, armored: l.armored}
	if s.plain == nil {
		s.plain = random(l.size)
	}
	if l.slots == nil {
		l.slots = w.recipients()[:1]
	}
	key, err := envelope.NewDataKey(context.Background(), l.context, l.slots...)
	if err != nil {
		w.t.Fatal(err)
	}
	defer key.Destroy()
	sealed := w.seal(key, s.plain, envelope.SealOptions{ChunkSizeLog2: s.log, Compress: l.compress})
	h := w.id.learn(w.t, sealed, w.identity())
	if l.rewrap != nil {
		rest := sealed[h.Length:]
		l.rewrap(h)
		raw, err := h.MarshalBinary()
		if err != nil {
			w.t.Fatal(err)
		}
		sealed = append(raw, rest...)
	}
	s.stream = w.streamOf(sealed)
	s.file = sealed
	if l.detached {
		s.head, s.file = sealed[:h.Length], sealed[h.Length:]
	}
	if l.armored {
		s.file = armorOf(w.t, sealed, l.lineEnd)
	}
	return s
}

// streamOf is what the chunks of a sealed file hold.
func (w *workshop) streamOf(sealed []byte) []byte {
	w.t.Helper()
	stream, _, err := envelope.AppendOpened(context.Background(), nil, sealed,
		envelope.OpenOptions{NoDecompress: true}, w.id)
	if err != nil {
		w.t.Fatal(err)
	}
	return stream
}

func armorOf(t testing.TB, sealed []byte, lineEnd string) []byte {
	t.Helper()
	var text bytes.Buffer
	a := format.NewArmorWriter(&text)
	if _, err := io.Copy(a, bytes.NewReader(sealed)); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if lineEnd == "" {
		return text.Bytes()
	}
	return []byte(strings.ReplaceAll(text.String(), "\n", lineEnd))
}

// shapes are the kinds of file that every fault is tried on.
func (w *workshop) shapes() (all []*shape) {
	kms := w.recipients()
	wide := format.Context{}
	for i := range 40 {
		wide[string(rune('A'+i))+"é"] = strings.Repeat("v", i)
	}
	var crowd []envelope.Recipient
	for range 20 {
		crowd = append(crowd, kms...)
	}
	unknown := func(h *format.Header) {
		h.Slots = append([]format.Slot{{Type: 77, Body: []byte("of a later version")}}, h.Slots...)
		h.Length = 2048
	}
	for _, l := range []look{
		{name: "empty"}, {name: "1 byte", size: 1}, {name: "a chunk less 1", size: smallChunk - 1},
		{name: "a chunk", size: smallChunk},
		{name: "a chunk and 1", size: smallChunk + 1}, {name: "2 chunks", size: 2 * smallChunk},
		{name: "2 chunks and 1", size: 2*smallChunk + 1},
		{name: "5 chunks and 7", size: 5*smallChunk + 7},
		{name: "8 KiB chunks", size: 2<<13 + 5, log: 13}, {name: "64 KiB chunks", size: 3000, log: 16},
		{name: "16 MiB chunks", size: 300, log: 24},
		{name: "context", size: 100, context: wide},
		{name: "3 KMS slots", size: smallChunk + 9, slots: kms},
		{name: "60 slots", size: 60, slots: crowd},
		{name: "KMS and pair", size: smallChunk + 2,
			slots: append(kms[:2:2], w.pairs("ECC_NIST_P256")...)},
		{name: "pairs", size: 700,
			slots: w.pairs("RSA_2048", "ECC_NIST_P384", "ECC_NIST_P521", "ML_KEM_768", "ML_KEM_1024")},
		{name: "re-wrapped", size: smallChunk + 3, rewrap: unknown},
		{name: "compressed, empty", compress: envelope.LevelFastest},
		{name: "compressed text", plain: text(5000), compress: envelope.LevelBetter},
		{name: "compressed, stored", size: smallChunk + 50, compress: envelope.LevelFastest},
		{name: "compressed, 2 frames", plain: make([]byte, 1<<20+5), compress: envelope.LevelGood},
		{name: "armored", size: 200, armored: true},
		{name: "armored, 2 chunks", size: smallChunk + 99, armored: true},
		{name: "armored, CRLF", size: 500, armored: true, lineEnd: "\r\n"},
		{name: "armored, compressed", plain: text(300), armored: true, compress: envelope.LevelFastest},
		{name: "detached header", size: smallChunk + 8, detached: true}, {name: "detached, compressed",
			plain: text(900), detached: true, compress: envelope.LevelFastest},
	} {
		all = append(all, w.shape(l))
	}
	return all
}
