package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
)

const frameSize = 1 << 20

// text is n bytes that can be made smaller, from another place of one long text for every n.
func text(n int) []byte {
	at := n % 1000
	return bytes.Clone(longText()[at : at+n])
}

var longText = sync.OnceValue(func() (b []byte) {
	rng := rand.New(rand.NewPCG(1, 2))
	for len(b) < 4<<20 {
		b = fmt.Appendf(b, "line %d of the file: %x\n", len(b), rng.Uint32N(1000))
	}
	return b
})

// stream opens a file without decompressing it.
func (r *rig) stream(sealed []byte) []byte {
	r.t.Helper()
	var out bytes.Buffer
	_, err := envelope.Open(context.Background(), &out, bytes.NewReader(sealed),
		envelope.OpenOptions{NoDecompress: true}, r.identity())
	if err != nil {
		r.t.Fatal(err)
	}
	return out.Bytes()
}

func (r *rig) openAt(sealed []byte) (*envelope.ReaderAt, error) {
	return envelope.OpenAt(context.Background(), bytes.NewReader(sealed), int64(len(sealed)),
		envelope.OpenOptions{}, r.identity())
}

func TestCompressedRoundTrip(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(format.Context{"app": "web"})
	plaintexts := map[string][]byte{
		"nothing": nil, "a byte": {1}, "short": text(300), "a chunk": text(smallChunk),
		"under a frame": text(frameSize - 1), "a frame": text(frameSize),
		"over a frame": text(frameSize + 1), "frames": text(3*frameSize + 12345),
		"zeros":  make([]byte, 3*frameSize),
		"random": random(2*frameSize + 5),
		"mixed":  slices.Concat(text(700_000), random(900_000), text(300_000)),
	}
	for name, plain := range plaintexts {
		for workers, log := range map[int]uint8{1: 12, 2: 16, 3: 20} {
			sealed := r.seal(key, plain,
				envelope.SealOptions{ChunkSizeLog2: log, Workers: workers, Compress: envelope.LevelFastest})
			if got, err := r.open(sealed, workers); err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("%s, %d workers, chunk 2^%d: %d bytes, want %d, %v",
					name, workers, log, len(got), len(plain), err)
			}
			most := len(plain) + len(plain)>>log*format.TagSize + len(plain)/1000 + 2000
			if len(sealed) > most {
				t.Errorf("%s, chunk 2^%d: %d bytes became %d", name, log, len(plain), len(sealed))
			}
		}
	}
	plain := text(300_000)
	for _, level := range []envelope.Level{envelope.LevelFastest,
		envelope.LevelGood, envelope.LevelBetter} {
		sealed := r.seal(key, plain, envelope.SealOptions{Compress: level})
		got, err := r.open(sealed, 0)
		if err != nil || !bytes.Equal(got, plain) || len(sealed) > len(plain)/2 {
			t.Errorf("%v: %d bytes became %d, and then %d, %v",
				level, len(plain), len(sealed), len(got), err)
		}
	}
}

func TestLevels(t *testing.T) {
	for _, l := range []envelope.Level{envelope.LevelNone, envelope.LevelFastest,
		envelope.LevelGood, envelope.LevelBetter} {
		if got, err := envelope.ParseLevel(l.String()); err != nil || got != l {
			t.Errorf("%v: %v, %v", l, got, err)
		}
	}
	for _, s := range []string{"", "best", "Fastest", "3"} {
		if _, err := envelope.ParseLevel(s); err == nil {
			t.Errorf("%q accepted", s)
		}
	}
	r := newRig(t, 1)
	_, err := envelope.Seal(context.Background(), io.Discard, bytes.NewReader(nil), r.dataKey(nil),
		envelope.SealOptions{Compress: envelope.LevelBetter + 1})
	if err == nil {
		t.Error("an unknown level seals")
	}
}

func TestCompressedReadersOfAllKinds(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	plain := text(100_003)
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"byte": iotest.OneByteReader, "half": iotest.HalfReader, "data with EOF": iotest.DataErrReader,
	} {
		var sealed, out bytes.Buffer
		opts := envelope.SealOptions{ChunkSizeLog2: 12, Workers: 2, Compress: envelope.LevelFastest}
		if _, err := envelope.Seal(context.Background(), &sealed,
			wrap(bytes.NewReader(plain)), key, opts); err != nil {
			t.Fatal(name, err)
		}
		_, err := envelope.Open(context.Background(), &out, wrap(bytes.NewReader(sealed.Bytes())),
			envelope.OpenOptions{Workers: 2}, r.identity())
		if err != nil || !bytes.Equal(out.Bytes(), plain) {
			t.Errorf("%s: %d bytes, %v", name, out.Len(), err)
		}
	}
}

// A cut or an altered byte is found by its chunk, and called that: zstd has no say.
func TestCompressedDamage(t *testing.T) {
	r := newRig(t, 1)
	plain := slices.Concat(text(20_000), random(3*smallChunk))
	sealed := r.seal(r.dataKey(nil), plain,
		envelope.SealOptions{ChunkSizeLog2: 12, Compress: envelope.LevelFastest})
	check := func(what string, file []byte, at int) {
		t.Helper()
		got, err := r.open(file, 1+at%2)
		if !isDamage(err) || errors.Is(err, envelope.ErrCompression) {
			t.Fatalf("%s at %d: %v", what, at, err)
		}
		if !bytes.HasPrefix(plain, got) {
			t.Fatalf("%s at %d: %d bytes came out that are not the plaintext's", what, at, len(got))
		}
		if _, err := r.openAt(file); what == "cut" && !isDamage(err) {
			t.Fatalf("%s at %d: OpenAt: %v", what, at, err)
		}
	}
	for n := 0; n < len(sealed); n += 41 {
		check("cut", sealed[:n], n)
	}
	for i := range sealed {
		if i%41 == 0 {
			sealed[i] ^= 1 << (i % 8)
			check("flip", sealed, i)
			sealed[i] ^= 1 << (i % 8)
		}
	}
	const unit = smallChunk + format.TagSize
	for end := len(sealed) - len(sealed)%unit; end > 1000; end -= unit {
		check("chunk edge", sealed[:end], end)
	}
	check("more", append(bytes.Clone(sealed), 0), len(sealed))
}

func TestBrokenSourceMakesNoWholeCompressedFile(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	for _, broken := range []error{io.ErrUnexpectedEOF, errors.New("input/output error")} {
		for _, size := range []int{0, 1, frameSize, frameSize + 1, 3 * frameSize} {
			var sealed bytes.Buffer
			src := io.MultiReader(bytes.NewReader(text(size)), iotest.ErrReader(broken))
			opts := envelope.SealOptions{ChunkSizeLog2: 12, Workers: 2, Compress: envelope.LevelFastest}
			_, err := envelope.Seal(context.Background(), &sealed, src, key, opts)
			if !errors.Is(err, broken) {
				t.Errorf("%d bytes: %v", size, err)
			}
			_, err = r.open(sealed.Bytes(), 1)
			if !isDamage(err) || errors.Is(err, envelope.ErrCompression) {
				t.Errorf("%d bytes before the break: what was written opens: %v", size, err)
			}
			sealed = *bytes.NewBuffer(r.seal(key, text(size), opts))
			src = io.MultiReader(bytes.NewReader(sealed.Bytes()[:sealed.Len()/2]), iotest.ErrReader(broken))
			_, err = envelope.Verify(context.Background(), src, envelope.OpenOptions{}, r.identity())
			if !errors.Is(err, broken) {
				t.Errorf("half of a file of %d bytes, then a break: %v", size, err)
			}
		}
	}
}

// Whatever ends a run, both stages of it have ended when it returns.
func TestCompressedErrorsComeOut(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	plain := slices.Concat(text(3<<20), random(1<<20))
	opts := envelope.SealOptions{Workers: 3, Compress: envelope.LevelFastest}
	sealed := r.seal(key, plain, opts)
	before := runtime.NumGoroutine()
	for left := 0; left < 1<<20; left += 150_000 {
		if _, err := envelope.Seal(context.Background(), &failingWriter{left}, bytes.NewReader(plain),
			key, opts); !errors.Is(err, errFull) {
			t.Errorf("seal, %d bytes: %v", left, err)
		}
		_, err := envelope.Open(context.Background(), &failingWriter{left}, bytes.NewReader(sealed),
			envelope.OpenOptions{Workers: 3}, r.identity())
		if !errors.Is(err, errFull) {
			t.Errorf("open, %d bytes: %v", left, err)
		}
	}
	for _, cause := range []error{context.Canceled, io.EOF} { // io.EOF must not pass for the end
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(cause)
		var out bytes.Buffer
		if _, err := envelope.Seal(ctx, &out, bytes.NewReader(plain), key, opts); !errors.Is(err, cause) {
			t.Errorf("seal: got %v", err)
		}
		if _, err := r.open(out.Bytes(), 1); !isDamage(err) {
			t.Errorf("what a cancelled Seal wrote opens: %v", err)
		}
	}
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

// A producer that pauses gets everything out but the frame it is in. A reader waits for whole
// frames only.
func TestCompressedSlowProducer(t *testing.T) {
	r := newRig(t, 1)
	pr, pw := io.Pipe()
	between, sealedTo := io.Pipe()
	var sealErr, openErr error
	var out countingWriter
	var wg sync.WaitGroup
	wg.Go(func() {
		opts := envelope.SealOptions{ChunkSizeLog2: 12, Workers: 2, Compress: envelope.LevelFastest}
		_, sealErr = envelope.Seal(context.Background(), sealedTo, pr, r.dataKey(nil), opts)
		sealedTo.CloseWithError(sealErr)
	})
	wg.Go(func() {
		_, openErr = envelope.Open(context.Background(), &out, between,
			envelope.OpenOptions{Workers: 2}, r.identity())
	})
	plain := random(3*frameSize + 1000) // stored, so that a frame fills many chunks
	pw.Write(plain)
	deadline := time.Now().Add(20 * time.Second)
	for ; out.size() < 2*frameSize; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes came out of three whole frames", out.size())
		}
	}
	pw.Close()
	wg.Wait()
	if sealErr != nil || openErr != nil || out.size() != len(plain) {
		t.Errorf("%v, %v, %d bytes", sealErr, openErr, out.size())
	}
}

type countingWriter struct {
	mu sync.Mutex
	n  int
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n += len(p)
	return len(p), nil
}

func (w *countingWriter) size() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n
}
