package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/envseal/envseal/envelope"
)

// A source that breaks must not make a file that passes for whole.
func TestBrokenSourceMakesNoWholeFile(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	for _, broken := range []error{io.ErrUnexpectedEOF, errors.New("input/output error")} {
		for _, size := range []int{0, 1, smallChunk, 3 * smallChunk, 300 << 10} {
			var sealed bytes.Buffer
			src := io.MultiReader(bytes.NewReader(random(size)), iotest.ErrReader(broken))
			_, err := envelope.Seal(context.Background(), &sealed, src, key,
				envelope.SealOptions{ChunkSizeLog2: 12, Workers: 2})
			if !errors.Is(err, broken) {
				t.Errorf("%d bytes: %v", size, err)
			}
			if _, err := r.open(sealed.Bytes(), 1); !isDamage(err) {
				t.Errorf("%d bytes before the break: what was written opens: %v", size, err)
			}
		}
	}
}

type failingWriter struct{ left int }

var errFull = errors.New("no space left")

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestWriteErrorsComeOut(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	sealed := r.seal(key, random(1<<20), envelope.SealOptions{})
	for left := 0; left < 1<<20; left += 100_000 {
		_, err := envelope.Seal(context.Background(), &failingWriter{left}, bytes.NewReader(sealed), key,
			envelope.SealOptions{Workers: 3})
		if !errors.Is(err, errFull) {
			t.Errorf("seal, %d bytes: %v", left, err)
		}
		_, err = envelope.Open(context.Background(), &failingWriter{left}, bytes.NewReader(sealed),
			envelope.OpenOptions{Workers: 3}, r.identity())
		if !errors.Is(err, errFull) {
			t.Errorf("open, %d bytes: %v", left, err)
		}
	}
}

func TestCancelled(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := envelope.Seal(ctx, io.Discard, bytes.NewReader(random(1<<20)),
		key, envelope.SealOptions{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
