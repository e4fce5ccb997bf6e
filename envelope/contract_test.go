package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
)

// holder is a key holder that hands out what it was given: a broken or hostile key service's
// answer.
type holder struct {
	key       []byte
	destroyed bool
	confirmed int
}

func (h *holder) Bytes() []byte { return h.key }
func (h *holder) Destroy()      { h.destroyed = true }
func (h *holder) Confirmed()    { h.confirmed++ }

func (h *holder) Wrap(context.Context, []byte, envelope.FileInfo) (format.Slot, error) {
	return format.KMSSlot{KeyID: "arn:aws:kms:eu-west-1:111122223333:key/1",
		CiphertextBlob: []byte("blob")}.Slot()
}

func (h *holder) Generate(ctx context.Context,
	ec format.Context) (envelope.Secret, format.Slot, error) {
	slot, err := h.Wrap(ctx, h.key, envelope.FileInfo{Context: ec})
	return h, slot, err
}

func (h *holder) Unwrap(context.Context, *format.Header) (envelope.Secret, error) { return h, nil }

// An empty or short key would give keys that anybody can derive. The format allows 32 to 1024
// bytes.
func TestDataKeyLengths(t *testing.T) {
	good := random(32)
	key, err := envelope.NewDataKey(t.Context(), nil, &holder{key: good})
	if err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	h, err := envelope.Seal(t.Context(), &sealed, bytes.NewReader(nil), key, envelope.SealOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 31, 1025, 32, 1024} {
		ok := n == 32 || n == 1024
		id := &holder{key: random(n)}
		if _, err := envelope.NewDataKey(t.Context(), nil, id); (err == nil) != ok || id.destroyed == ok {
			t.Errorf("NewDataKey with %d bytes: %v, destroyed %v", n, err, id.destroyed)
		}
		id = &holder{key: random(n)}
		_, err := envelope.UnwrapDataKey(t.Context(), nil, h.Slots, id)
		if (err == nil) != ok || id.destroyed == ok {
			t.Errorf("UnwrapDataKey with %d bytes: %v, destroyed %v", n, err, id.destroyed)
		}
		refusesLength(t, sealed.Bytes(), h, n)
	}
}

// refusesLength opens with a key of n bytes, never the right one. From a wrong length nothing is
// derived.
func refusesLength(t *testing.T, sealed []byte, h *format.Header, n int) {
	t.Helper()
	wrong := n < 32 || n > 1024
	id := &holder{key: make([]byte, n)}
	_, err := envelope.Open(t.Context(), io.Discard, bytes.NewReader(sealed),
		envelope.OpenOptions{}, id)
	if !errors.Is(err, envelope.ErrCommitment) || !id.destroyed || id.confirmed != 0 ||
		(err.Error() != envelope.ErrCommitment.Error()) != wrong {
		t.Errorf("Open with %d bytes: %v, destroyed %v, confirmed %d", n, err, id.destroyed, id.confirmed)
	}
	err = envelope.CheckDataKey(&holder{key: make([]byte, n)}, h)
	if !errors.Is(err, envelope.ErrCommitment) ||
		(err.Error() != envelope.ErrCommitment.Error()) != wrong {
		t.Errorf("CheckDataKey with %d bytes: %v", n, err)
	}
}

// With LastUse the data key is gone before the first byte of the input is read. Otherwise it stays
// until it is destroyed.
func TestLastUseDestroysBeforeReading(t *testing.T) {
	for _, last := range []bool{true, false} {
		id := &holder{key: random(32)}
		key, err := envelope.NewDataKey(t.Context(), nil, id)
		if err != nil {
			t.Fatal(err)
		}
		atRead := false
		src := io.MultiReader(readerFunc(func([]byte) (int, error) {
			atRead = id.destroyed
			return 0, io.EOF
		}), iotest.OneByteReader(bytes.NewReader(random(10))))
		_, err = envelope.Seal(t.Context(), io.Discard, src, key, envelope.SealOptions{LastUse: last})
		if err != nil {
			t.Fatal(err)
		}
		if atRead != last || id.destroyed != last {
			t.Errorf("LastUse %v: destroyed %v at the first read, %v in the end", last, atRead, id.destroyed)
		}
		if key.Destroy(); !id.destroyed {
			t.Error("Destroy leaves the key")
		}
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A key is confirmed once, when it has proved right, and before anything is written.
func TestConfirmed(t *testing.T) {
	id := &holder{key: random(32)}
	key, err := envelope.NewDataKey(t.Context(), nil, id)
	if err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	_, err = envelope.Seal(t.Context(), &sealed, bytes.NewReader(random(10)),
		key, envelope.SealOptions{})
	if err != nil {
		t.Fatal(err)
	}
	atWrite := -1
	dst := writerFunc(func(p []byte) (int, error) { atWrite = id.confirmed; return len(p), nil })
	_, err = envelope.Open(t.Context(), dst, &sealed, envelope.OpenOptions{}, id)
	if err != nil || atWrite != 1 || id.confirmed != 1 {
		t.Errorf("%v, confirmed %d times at the first write, %d in the end", err, atWrite, id.confirmed)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
