package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
)

var errGivenUp = errors.New("given up")

// stuck reads what it has, and then blocks until it is interrupted.
type stuck struct {
	io.Reader
	once sync.Once
	free chan struct{}
}

func newStuck(data []byte) *stuck {
	return &stuck{Reader: bytes.NewReader(data), free: make(chan struct{})}
}

func (s *stuck) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err == io.EOF {
		<-s.free
		err = errGivenUp
	}
	return n, err
}

func (s *stuck) Interrupt() { s.once.Do(func() { close(s.free) }) }

// within fails if f takes long: it waits for a reader that never returns.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		buf := make([]byte, 1<<16)
		t.Fatalf("%s: still waiting\n%s", what, buf[:runtime.Stack(buf, true)])
	}
}

// A writer that fails ends Seal and Open although their reader blocks, and theirs is the error.
func TestBlockedReaderIsGivenUp(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	plain := slices.Concat(text(1<<20), random(2<<20))
	for _, level := range []envelope.Level{envelope.LevelNone, envelope.LevelFastest} {
		for _, workers := range []int{1, 3} {
			opts := envelope.SealOptions{Workers: workers, Compress: level}
			sealed := r.seal(key, plain, opts)
			for _, left := range []int{1000, 3 << 19} {
				within(t, "seal", func() {
					_, err := envelope.Seal(context.Background(), &failingWriter{left}, newStuck(plain), key, opts)
					if !errors.Is(err, errFull) {
						t.Errorf("seal, %v, %d workers: %v", level, workers, err)
					}
				})
				within(t, "open", func() {
					_, err := envelope.Open(context.Background(), &failingWriter{left},
						newStuck(sealed[:len(sealed)-50]), envelope.OpenOptions{Workers: workers}, r.identity())
					if !errors.Is(err, errFull) {
						t.Errorf("open, %v, %d workers: %v", level, workers, err)
					}
				})
			}
		}
	}
}

// A damaged chunk is told at once, and not when the rest has come.
func TestDamageBeforeABlockedReader(t *testing.T) {
	r := newRig(t, 1)
	sealed := r.seal(r.dataKey(nil), random(3<<20), envelope.SealOptions{})
	sealed[1<<20] ^= 1
	within(t, "open", func() {
		_, err := envelope.Open(context.Background(), io.Discard, newStuck(sealed[:2<<20]),
			envelope.OpenOptions{Workers: 2}, r.identity())
		if !errors.Is(err, envelope.ErrTampered) {
			t.Error(err)
		}
	})
}

func TestCancelledWhileReaderBlocks(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	for _, level := range []envelope.Level{envelope.LevelNone, envelope.LevelFastest} {
		opts := envelope.SealOptions{Workers: 2, Compress: level}
		sealed := r.seal(key, random(100_000), opts)
		cause := errors.New("cause")
		soon := func() context.Context {
			ctx, cancel := context.WithCancelCause(context.Background())
			time.AfterFunc(100*time.Millisecond, func() { cancel(cause) })
			return ctx
		}
		within(t, "seal", func() {
			_, err := envelope.Seal(soon(), io.Discard, newStuck(random(100_000)), key, opts)
			if !errors.Is(err, cause) {
				t.Errorf("seal, %v: %v", level, err)
			}
		})
		within(t, "open", func() {
			_, err := envelope.Open(soon(), io.Discard, newStuck(sealed[:80_000]),
				envelope.OpenOptions{Workers: 2}, r.identity())
			if !errors.Is(err, cause) {
				t.Errorf("open, %v: %v", level, err)
			}
		})
	}
}

// Begun tells the header, and so the size of the file, before the first byte.
func TestBegunComesFirst(t *testing.T) {
	r := newRig(t, 1)
	var out bytes.Buffer
	var size int64
	opts := envelope.SealOptions{Begun: func(h *format.Header) {
		if out.Len() != 0 {
			t.Error("something was written before")
		}
		size, _ = h.Layout().SealedSize(100_000)
	}}
	_, err := envelope.Seal(context.Background(), &out,
		bytes.NewReader(random(100_000)), r.dataKey(nil), opts)
	if err != nil || int64(out.Len()) != size {
		t.Errorf("%d bytes, %d were told, %v", out.Len(), size, err)
	}
}

// Random access with a detached header: the chunks start at 0.
func TestReaderAtWithDetachedHeader(t *testing.T) {
	r := newRig(t, 1)
	ctx := context.Background()
	for _, level := range []envelope.Level{envelope.LevelNone, envelope.LevelFastest} {
		plain := slices.Concat(text(1<<20), random(300_001))
		var head, chunks bytes.Buffer
		_, err := envelope.Seal(ctx, &chunks, bytes.NewReader(plain), r.dataKey(nil),
			envelope.SealOptions{Header: &head, Compress: level})
		if err != nil {
			t.Fatal(err)
		}
		at, err := envelope.OpenAt(ctx, bytes.NewReader(chunks.Bytes()), int64(chunks.Len()),
			envelope.OpenOptions{Header: &head}, r.identity())
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(io.NewSectionReader(at, 0, at.Size()))
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%v: %d bytes of %d: %v", level, len(got), len(plain), err)
		}
		at.Close()
	}
}
