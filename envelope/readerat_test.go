package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
)

func TestReaderAt(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	for _, size := range []int{0, 1, smallChunk, 3*smallChunk + 9, 3<<20 + 5} {
		plain := random(size)
		sealed := r.seal(key, plain, envelope.SealOptions{ChunkSizeLog2: 12})
		ra, err := envelope.OpenAt(context.Background(), bytes.NewReader(sealed), int64(len(sealed)),
			envelope.OpenOptions{}, r.identity())
		if err != nil {
			t.Fatal(err)
		}
		if ra.Size() != int64(size) {
			t.Errorf("size %d, want %d", ra.Size(), size)
		}
		got, err := io.ReadAll(io.NewSectionReader(ra, 0, ra.Size()))
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %v", size, err)
		}
		rng := rand.New(rand.NewPCG(3, uint64(size)))
		for range 50 {
			off, n := rng.IntN(size+2), rng.IntN(2*smallChunk)
			if size > 1<<20 {
				n *= 100
			}
			p := make([]byte, n)
			m, err := ra.ReadAt(p, int64(off))
			want := plain[min(off, size):min(off+n, size)]
			if !bytes.Equal(p[:m], want) || m < n && err != io.EOF || m == n && n > 0 && err != nil {
				t.Fatalf("ReadAt(%d bytes, %d) of %d: %d bytes, %v", n, off, size, m, err)
			}
		}
		ra.Close()
	}
}

func TestReaderAtFindsDamage(t *testing.T) {
	r := newRig(t, 1)
	plain := random(3*smallChunk + 9)
	sealed := r.seal(r.dataKey(nil), plain, envelope.SealOptions{ChunkSizeLog2: 12})
	openAt := func(b []byte) (*envelope.ReaderAt, error) {
		return envelope.OpenAt(context.Background(), bytes.NewReader(b), int64(len(b)),
			envelope.OpenOptions{}, r.identity())
	}
	for n := range sealed {
		if _, err := openAt(sealed[:n]); err == nil || !isDamage(err) {
			t.Fatalf("%d of %d bytes: %v", n, len(sealed), err)
		}
	}
	if _, err := openAt(slices.Concat(sealed, []byte{0})); !errors.Is(err, envelope.ErrDamaged) {
		t.Errorf("one byte more: %v", err)
	}
	payload := len(sealed) - len(plain) - 4*format.TagSize
	sealed[payload+smallChunk+100] ^= 1 // chunk 1
	ra, err := openAt(sealed)
	if err != nil {
		t.Fatal(err)
	}
	defer ra.Close()
	p := make([]byte, 10)
	if _, err := ra.ReadAt(p, 5); err != nil || !bytes.Equal(p, plain[5:15]) {
		t.Errorf("chunk 0: %v", err)
	}
	if n, err := ra.ReadAt(p, smallChunk+5); !errors.Is(err, envelope.ErrTampered) || n != 0 {
		t.Errorf("chunk 1: %d bytes, %v", n, err)
	}
}
