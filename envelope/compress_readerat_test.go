package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/envseal/envseal/envelope"
)

func TestMaxSize(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	plain := text(2*frameSize + 500)
	for _, level := range []envelope.Level{envelope.LevelNone, envelope.LevelFastest} {
		sealed := r.seal(key, plain, envelope.SealOptions{ChunkSizeLog2: 12, Compress: level})
		for limit, fits := range map[int]bool{0: true, 1: false, frameSize: false, len(plain) - 1: false,
			len(plain): true, len(plain) + 1: true} {
			var out bytes.Buffer
			_, err := envelope.Open(context.Background(), &out, bytes.NewReader(sealed),
				envelope.OpenOptions{MaxSize: int64(limit)}, r.identity())
			if fits && (err != nil || out.Len() != len(plain)) ||
				!fits && (!errors.Is(err, envelope.ErrMaxSize) || out.Len() > limit) {
				t.Errorf("%v, at most %d: %d bytes, %v", level, limit, out.Len(), err)
			}
		}
	}
	// a bomb: little in, much out
	sealed := r.seal(key, make([]byte, 64<<20), envelope.SealOptions{Compress: envelope.LevelFastest})
	var out bytes.Buffer
	_, err := envelope.Open(context.Background(), &out, bytes.NewReader(sealed),
		envelope.OpenOptions{MaxSize: 3 << 20}, r.identity())
	if len(sealed) > 100_000 || !errors.Is(err, envelope.ErrMaxSize) || out.Len() > 3<<20 {
		t.Errorf("%d bytes sealed, %d came out, %v", len(sealed), out.Len(), err)
	}
}

func TestCompressedReaderAt(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	for _, plain := range [][]byte{nil, {7}, text(5000),
		slices.Concat(text(frameSize+frameSize/2), random(frameSize), make([]byte, frameSize))} {
		sealed := r.seal(key, plain,
			envelope.SealOptions{ChunkSizeLog2: 12, Compress: envelope.LevelFastest})
		ra, err := r.openAt(sealed)
		if err != nil || ra.Size() != int64(len(plain)) {
			t.Fatalf("%d bytes: size %d, %v", len(plain), ra.Size(), err)
		}
		rng := rand.New(rand.NewPCG(3, uint64(len(plain))))
		var readers sync.WaitGroup
		for range 50 {
			off, n := rng.IntN(len(plain)+2), rng.IntN(len(plain)/2+10)
			readers.Go(func() {
				p := make([]byte, n)
				m, err := ra.ReadAt(p, int64(off))
				want := plain[min(off, len(plain)):min(off+n, len(plain))]
				if !bytes.Equal(p[:m], want) || m < n && err != io.EOF || m == n && n > 0 && err != nil {
					t.Errorf("ReadAt(%d bytes, %d) of %d: %d bytes, %v", n, off, len(plain), m, err)
				}
			})
		}
		readers.Wait()
		if err := ra.Close(); err != nil {
			t.Error(err)
		}
	}
	sealed := r.seal(key, text(frameSize),
		envelope.SealOptions{ChunkSizeLog2: 12, Compress: envelope.LevelFastest})
	stream := r.stream(sealed)
	ra, err := envelope.OpenAt(context.Background(), bytes.NewReader(sealed), int64(len(sealed)),
		envelope.OpenOptions{NoDecompress: true}, r.identity())
	if err != nil {
		t.Fatal(err)
	}
	defer ra.Close()
	got, err := io.ReadAll(io.NewSectionReader(ra, 0, ra.Size()))
	if err != nil || !bytes.Equal(got, stream) {
		t.Errorf("as it is: %d bytes, want %d, %v", len(got), len(stream), err)
	}
}

// An altered chunk fails those reads that need it, as what it is.
func TestCompressedReaderAtFindsDamage(t *testing.T) {
	r := newRig(t, 1)
	plain := random(3 * frameSize)
	sealed := r.seal(r.dataKey(nil), plain,
		envelope.SealOptions{ChunkSizeLog2: 12, Compress: envelope.LevelFastest})
	sealed[len(sealed)/2] ^= 1
	ra, err := r.openAt(sealed)
	if err != nil {
		t.Fatal(err)
	}
	defer ra.Close()
	p := make([]byte, 10)
	for range 2 {
		if _, err := ra.ReadAt(p, 5); err != nil || !bytes.Equal(p, plain[5:15]) {
			t.Errorf("frame 0: %v", err)
		}
		if n, err := ra.ReadAt(p, frameSize+5); !errors.Is(err, envelope.ErrTampered) || n != 0 {
			t.Errorf("frame 1: %d bytes, %v", n, err)
		}
	}
}
