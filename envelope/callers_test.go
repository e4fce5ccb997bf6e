package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"math"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
)

// What a caller does with its map, its slots or a header that it was given changes no later file.
func TestDataKeyKeepsNothingOfItsCaller(t *testing.T) {
	want := format.Context{"app": "web"}
	generated := func(ec format.Context, id *holder) (*envelope.DataKey, func(), error) {
		key, err := envelope.NewDataKey(t.Context(), ec, id)
		return key, func() {}, err
	}
	unwrapped := func(ec format.Context, id *holder) (*envelope.DataKey, func(), error) {
		slot, err := id.Wrap(t.Context(), nil, envelope.FileInfo{})
		if err != nil {
			return nil, nil, err
		}
		slots, bound := []format.Slot{slot}, []envelope.FileRecipient{boundHolder{id}}
		key, err := envelope.UnwrapDataKey(t.Context(), ec, slots, id, bound...)
		return key, func() { slots[0].Type, slots[0].Body[0], bound[0] = 99, 0xff, nil }, err
	}
	type maker func(format.Context, *holder) (*envelope.DataKey, func(), error)
	for name, make := range map[string]maker{"made": generated, "unwrapped": unwrapped} {
		id := &holder{key: random(32)}
		ec := maps.Clone(want)
		key, spoil, err := make(ec, id)
		if err != nil {
			t.Fatal(err)
		}
		defer key.Destroy()
		spoil()
		ec["app"], ec["more"] = "changed", ""
		for range 2 {
			sealAndSpoil(t, name, key, id, want)
		}
		if !maps.Equal(key.Context(), want) {
			t.Errorf("%s: context %v", name, key.Context())
		}
	}
}

// sealAndSpoil seals a file, which must have the wanted context, and overwrites the header it got.
func sealAndSpoil(t *testing.T, name string, key *envelope.DataKey,
	id *holder, want format.Context) {
	t.Helper()
	var sealed bytes.Buffer
	h, err := envelope.Seal(t.Context(), &sealed, bytes.NewReader(nil), key, envelope.SealOptions{})
	if err != nil {
		t.Fatal(name, err)
	}
	opened, err := envelope.Open(t.Context(), io.Discard, bytes.NewReader(sealed.Bytes()),
		envelope.OpenOptions{}, id)
	if err != nil || !maps.Equal(opened.Context, want) || opened.Slots[0].Type != format.SlotKMS {
		t.Errorf("%s: sealed for %v, %v", name, opened, err)
	}
	h.Context["app"] = "changed again"
	for i := range h.Slots {
		h.Slots[i].Type, h.Slots[i].Body[0] = 99, 0xff
	}
}

// boundHolder makes a slot for each file.
type boundHolder struct{ *holder }

func (boundHolder) BoundToFile() {}

// counted counts how often it is asked.
type counted struct {
	*holder
	asked *int
}

func (c counted) Wrap(ctx context.Context, key []byte,
	file envelope.FileInfo) (format.Slot, error) {
	*c.asked++
	return c.holder.Wrap(ctx, key, file)
}

func (c counted) Generate(ctx context.Context,
	ec format.Context) (envelope.Secret, format.Slot, error) {
	*c.asked++
	return c.holder.Generate(ctx, ec)
}

func (c counted) Unwrap(ctx context.Context, h *format.Header) (envelope.Secret, error) {
	*c.asked++
	return c.holder.Unwrap(ctx, h)
}

func (counted) BoundToFile() {}

// More keys than readers accept are refused before anybody is asked; as many as they accept are
// not.
func TestAsManyKeysAsReadersAccept(t *testing.T) {
	for n, ok := range map[int]bool{format.DefaultMaxSlots: true, format.DefaultMaxSlots + 1: false} {
		asked := 0
		id := counted{&holder{key: random(32)}, &asked}
		recipients := make([]envelope.Recipient, n)
		for i := range recipients {
			recipients[i] = id
		}
		recipients[1] = &holder{key: random(32)} // not bound to a file either, like the first
		slot, err := id.holder.Wrap(t.Context(), nil, envelope.FileInfo{})
		if err != nil {
			t.Fatal(err)
		}
		slots, bound := make([]format.Slot, n/2), make([]envelope.FileRecipient, n-n/2)
		for i := range slots {
			slots[i] = slot
		}
		for i := range bound {
			bound[i] = id
		}
		made, err := envelope.NewDataKey(t.Context(), nil, recipients...)
		opensWithDefaults(t, made, err, id, ok)
		unwrapped, err := envelope.UnwrapDataKey(t.Context(), nil, slots, id, bound...)
		opensWithDefaults(t, unwrapped, err, id, ok)
		if !ok && asked > 0 {
			t.Errorf("%d keys: asked %d times", n, asked)
		}
	}
}

func opensWithDefaults(t *testing.T, key *envelope.DataKey, err error,
	id envelope.Identity, ok bool) {
	t.Helper()
	if (err == nil) != ok {
		t.Fatalf("got %v", err)
	}
	if !ok {
		return
	}
	defer key.Destroy()
	var sealed bytes.Buffer
	_, err = envelope.Seal(t.Context(), &sealed, bytes.NewReader(nil), key, envelope.SealOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = envelope.Open(t.Context(), io.Discard, &sealed, envelope.OpenOptions{}, id)
	if err != nil {
		t.Error(err)
	}
}

// untouched is an input and output that nobody may use.
type untouched struct{ testing.TB }

func (u untouched) ReadAt([]byte, int64) (int, error)  { u.Error("read"); return 0, io.EOF }
func (u untouched) WriteAt([]byte, int64) (int, error) { u.Error("written"); return 0, errFull }
func (u untouched) Write([]byte) (int, error) {
	u.Error("header written")
	return 0, errFull
}

// A size that no file has is refused before the first byte is written.
func TestSealAtOfImpossibleSizes(t *testing.T) {
	key := newRig(t, 1).dataKey(nil)
	none := untouched{t}
	for size, want := range map[int64]error{-1: nil, math.MinInt64: nil,
		format.MaxChunks*smallChunk + 1: envelope.ErrTooLarge, math.MaxInt64: envelope.ErrTooLarge} {
		for _, level := range []envelope.Level{envelope.LevelNone, envelope.LevelFastest} {
			if level != envelope.LevelNone && size > 0 {
				continue // nobody knows how many chunks that will be
			}
			for _, header := range []io.Writer{nil, none} {
				o := envelope.SealOptions{ChunkSizeLog2: format.MinChunkSizeLog2, Compress: level,
					Header: header, Begun: func(*format.Header) { t.Error("begun") }}
				_, err := envelope.SealAt(t.Context(), none, none, size, key, o)
				if err == nil || want != nil && !errors.Is(err, want) {
					t.Errorf("%d bytes, %v: %v", size, level, err)
				}
			}
		}
	}
}

// A detached header is read to its end, however reluctantly its bytes come.
func TestDetachedHeaderIsReadToItsEnd(t *testing.T) {
	r := newRig(t, 1)
	var head bytes.Buffer
	chunks := r.seal(r.dataKey(nil), random(100), envelope.SealOptions{Header: &head})
	open := func(header io.Reader) error {
		_, err := envelope.Open(t.Context(), io.Discard, bytes.NewReader(chunks),
			envelope.OpenOptions{Header: header}, r.identity())
		return err
	}
	pause := func() io.Reader {
		said := false
		return readerFunc(func([]byte) (int, error) {
			if said {
				return 0, io.EOF
			}
			said = true
			return 0, nil
		})
	}
	first := func() io.Reader { return bytes.NewReader(head.Bytes()) }
	if err := open(io.MultiReader(first(), pause())); err != nil {
		t.Errorf("a pause before the end: %v", err)
	}
	err := open(io.MultiReader(first(), pause(), bytes.NewReader([]byte{0})))
	if !errors.Is(err, format.ErrDamaged) {
		t.Errorf("a byte behind the header, after a pause: %v", err)
	}
	err = open(io.MultiReader(first(), readerFunc(func([]byte) (int, error) { return 0, nil })))
	if !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("neither byte nor end: %v", err)
	}
	err = open(io.MultiReader(first(), readerFunc(func([]byte) (int, error) { return 0, errFull })))
	if !errors.Is(err, errFull) {
		t.Errorf("a failure: %v", err)
	}
}
