package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/envseal/envseal/envelope"
)

// metered counts what is read of a source.
type metered struct {
	*bytes.Reader
	calls, bytes atomic.Int64
}

func (m *metered) ReadAt(p []byte, off int64) (int, error) {
	m.calls.Add(1)
	m.bytes.Add(int64(len(p)))
	return m.Reader.ReadAt(p, off)
}

func (r *rig) openMetered(sealed []byte) (*envelope.ReaderAt, *metered) {
	r.t.Helper()
	src := &metered{Reader: bytes.NewReader(sealed)}
	ra, err := envelope.OpenAt(context.Background(), src, int64(len(sealed)),
		envelope.OpenOptions{}, r.identity())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { ra.Close() })
	src.calls.Store(0)
	src.bytes.Store(0)
	return ra, src
}

// A chunk read piece by piece is read from the source and opened once, even if the pieces of two
// chunks alternate.
func TestReadAtInPieces(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	for _, c := range []struct {
		log   uint8
		size  int
		piece int
	}{{12, 1 << 20, 100}, {16, 4<<20 + 5, 32 << 10}, {20, 5<<20 + 1, 10_000},
		{24, 20 << 20, 32 << 10}} {
		plain := random(c.size)
		sealed := r.seal(key, plain, envelope.SealOptions{ChunkSizeLog2: c.log})
		ra, src := r.openMetered(sealed)
		p := make([]byte, c.piece)
		for off := 0; off < c.size; off += c.piece {
			want := plain[off:min(off+c.piece, c.size)]
			n, err := ra.ReadAt(p, int64(off))
			if !bytes.Equal(p[:n], want) || err != nil && (err != io.EOF || n == c.piece) {
				t.Fatalf("chunk 2^%d, at %d: %d bytes, %v", c.log, off, n, err)
			}
		}
		if n := src.bytes.Load(); n > int64(len(sealed)) {
			t.Errorf("chunk 2^%d: %d bytes of %d were read for the whole plaintext", c.log, n, len(sealed))
		}
		src.bytes.Store(0)
		for i := range 100 {
			for _, off := range []int{i, c.size - 1 - i} {
				if n, err := ra.ReadAt(p[:1], int64(off)); n != 1 || err != nil || p[0] != plain[off] {
					t.Fatalf("chunk 2^%d, at %d: %v", c.log, off, err)
				}
			}
		}
		if n := src.bytes.Load(); n > 3*(1<<c.log+16) {
			t.Errorf("chunk 2^%d: %d bytes were read for the first and the last hundred in turns", c.log, n)
		}
	}
}

// A seek table of several pieces is opened once.
func TestSeekTableInOneLargeChunk(t *testing.T) {
	r := newRig(t, 1)
	const frames = 40_000
	frame := rleFrame(frameSize, 8)
	stream := append(bytes.Repeat(frame, frames),
		seekTable(slices.Repeat([]uint32{uint32(len(frame)), frameSize}, frames)...)...)
	var sealed bytes.Buffer
	err := envelope.SealStream(t.Context(), &sealed, bytes.NewReader(stream), r.dataKey(nil),
		envelope.SealOptions{ChunkSizeLog2: 24})
	if err != nil {
		t.Fatal(err)
	}
	src := &metered{Reader: bytes.NewReader(sealed.Bytes())}
	ra, err := envelope.OpenAt(t.Context(), src, int64(sealed.Len()),
		envelope.OpenOptions{}, r.identity())
	if err != nil || ra.Size() != frames*frameSize {
		t.Fatal(ra, err)
	}
	defer ra.Close()
	p := []byte{1}
	for _, off := range []int64{0, 5 * frameSize, ra.Size() - 1} {
		if n, err := ra.ReadAt(p, off); n != 1 || p[0] != 0 || err != nil {
			t.Errorf("at %d: %d, %v", off, p, err)
		}
	}
	if n := src.bytes.Load(); n > int64(sealed.Len())+16<<10 { // the header comes through a buffer
		t.Errorf("%d bytes were read of a file of %d", n, sealed.Len())
	}
}

// Any number of readers at any places get what is there.
func TestReadAtOfManyReaders(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	for _, log := range []uint8{12, 16, 22} {
		plain := random(20<<20 + 3)
		ra, _ := r.openMetered(r.seal(key, plain, envelope.SealOptions{ChunkSizeLog2: log}))
		var readers sync.WaitGroup
		for seed := range uint64(8) {
			readers.Go(func() {
				rng := rand.New(rand.NewPCG(seed, 5))
				for range 40 {
					off, n := rng.IntN(len(plain)), rng.IntN(30_000)
					if rng.IntN(8) == 0 {
						n = rng.IntN(3 << 20)
					}
					n = min(n, len(plain)-off)
					p := make([]byte, n)
					m, err := ra.ReadAt(p, int64(off))
					if m != n || err != nil || !bytes.Equal(p, plain[off:off+n]) {
						t.Errorf("chunk 2^%d, %d bytes at %d: %d, %v", log, n, off, m, err)
					}
				}
			})
		}
		readers.Wait()
	}
}

// A source that has nothing to say where there should be bytes is a file that has become shorter.
func TestReadAtOfASilentSource(t *testing.T) {
	r := newRig(t, 1)
	plain := random(40_000)
	sealed := r.seal(r.dataKey(nil), plain, envelope.SealOptions{ChunkSizeLog2: 12})
	silent := &silentFrom{Reader: bytes.NewReader(sealed), from: int64(len(sealed))}
	ra, err := envelope.OpenAt(t.Context(), silent, int64(len(sealed)),
		envelope.OpenOptions{}, r.identity())
	if err != nil {
		t.Fatal(err)
	}
	defer ra.Close()
	silent.from = 10_000
	p := make([]byte, 10_000)
	if n, err := ra.ReadAt(p[:100], 5); n != 100 || err != nil || !bytes.Equal(p[:100], plain[5:105]) {
		t.Errorf("before the silence: %d bytes, %v", n, err)
	}
	for _, off := range []int64{4096 * 3, 4096*3 + 5} { // whole chunks and pieces
		if n, err := ra.ReadAt(p, off); n != 0 || !errors.Is(err, envelope.ErrTruncated) {
			t.Errorf("at %d: %d bytes, %v", off, n, err)
		}
	}
}

// silentFrom reads no byte from an offset on, and no error either.
type silentFrom struct {
	*bytes.Reader
	from int64
}

func (s *silentFrom) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > s.from {
		return 0, nil
	}
	return s.Reader.ReadAt(p, off)
}

func BenchmarkReadAtInPieces(b *testing.B) {
	r := newRig(b, 1)
	key := r.dataKey(nil)
	plain := random(8 << 20)
	for _, log := range []uint8{12, 16, 24} {
		ra, _ := r.openMetered(r.seal(key, plain, envelope.SealOptions{ChunkSizeLog2: log}))
		b.Run([]string{12: "4KiB chunks", 16: "64KiB chunks", 24: "16MiB chunks"}[log],
			func(b *testing.B) {
				p := make([]byte, 32<<10)
				b.SetBytes(int64(len(plain)))
				b.ReportAllocs()
				for b.Loop() {
					for off := int64(0); off < int64(len(plain)); off += int64(len(p)) {
						if _, err := ra.ReadAt(p, off); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
	}
}
