package zstdseek

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
)

// unevenStream has frames of many lengths.
func unevenStream(t testing.TB) (stream, content []byte) {
	t.Helper()
	rng := rand.New(rand.NewPCG(4, 5))
	parts := [][]byte{}
	for range 100 {
		parts = append(parts, text(1+rng.IntN(40_000)))
	}
	content = bytes.Join(parts, nil)
	e, err := NewEncoder(Fastest)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Release()
	var frames []made
	for _, p := range parts {
		frames = append(frames, made{e.AppendFrame(nil, p), len(p)})
	}
	return withTable(frames...), content
}

func TestReadAtGivesSlices(t *testing.T) {
	stream, content := unevenStream(t)
	defer func(n int64) { maxPoints = n }(maxPoints)
	for _, maxPoints = range []int64{64 << 10, 130, 50, 7, 1} {
		r, err := NewReaderAt(bytes.NewReader(stream), int64(len(stream)))
		if err != nil || r.Size() != int64(len(content)) {
			t.Fatalf("%d points: size %d, want %d, %v", maxPoints, r.Size(), len(content), err)
		}
		if got := int64(len(r.index.points)); got > maxPoints+1 && got > 2 {
			t.Errorf("%d points, at most %d are allowed", got, maxPoints)
		}
		rng := rand.New(rand.NewPCG(6, 7))
		var workers sync.WaitGroup
		for range 6 { // more than the cache has frames
			off, n := rng.IntN(len(content)+10), rng.IntN(100_000)
			seed := rng.Uint64()
			workers.Go(func() {
				rng := rand.New(rand.NewPCG(seed, 8))
				for range 20 {
					if err := checkReadAt(r, content, off, n); err != nil {
						t.Error(err)
					}
					off, n = rng.IntN(len(content)+10), rng.IntN(100_000)
				}
			})
		}
		workers.Wait()
		for _, edge := range []int{0, 1, len(content) - 1, len(content), len(content) + 1} {
			for _, n := range []int{0, 1, len(content), len(content) + 5} {
				if err := checkReadAt(r, content, edge, n); err != nil {
					t.Error(err)
				}
			}
		}
		r.Wipe()
	}
}

func checkReadAt(r *ReaderAt, content []byte, off, n int) error {
	p := make([]byte, n)
	m, err := r.ReadAt(p, int64(off))
	want := content[min(off, len(content)):min(off+n, len(content))]
	if !bytes.Equal(p[:m], want) || m < n && err != io.EOF || m == n && err != nil {
		return fmt.Errorf("ReadAt(%d bytes, %d) of %d: %d bytes, %v", n, off, len(content), m, err)
	}
	return nil
}

func TestReadAtBeforeTheBeginning(t *testing.T) {
	stream := build(t, []byte("a"))
	r, err := NewReaderAt(bytes.NewReader(stream), int64(len(stream)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReadAt(make([]byte, 1), -1); err == nil || err == io.EOF {
		t.Errorf("got %v", err)
	}
}

// A frame is decompressed once for those who read it in pieces.
func TestCacheSavesReads(t *testing.T) {
	stream := build(t, text(FrameContent), text(FrameContent-1))
	src := &countedReads{r: bytes.NewReader(stream)}
	r, err := NewReaderAt(src, int64(len(stream)))
	if err != nil {
		t.Fatal(err)
	}
	src.n = 0
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard},
		struct{ io.Reader }{io.NewSectionReader(r, 0, r.Size())}, make([]byte, 10_000))
	if err != nil {
		t.Fatal(err)
	}
	if src.n != 2 {
		t.Errorf("%d reads for two frames", src.n)
	}
}

type countedReads struct {
	r io.ReaderAt
	n int
}

func (c *countedReads) ReadAt(p []byte, off int64) (int, error) {
	c.n++
	return c.r.ReadAt(p, off)
}

// Damage below is told as it is, and a frame that failed is not in the cache.
func TestReadAtPassesErrorsOn(t *testing.T) {
	stream, content := unevenStream(t)
	src := &breakable{r: bytes.NewReader(stream)}
	r, err := NewReaderAt(src, int64(len(stream)))
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("input/output error")
	for range 2 {
		src.err = broken
		if _, err := r.ReadAt(make([]byte, 10), 500); err != broken {
			t.Errorf("got %v", err)
		}
		src.err = io.EOF
		if _, err := r.ReadAt(make([]byte, 10), 500); err != io.ErrUnexpectedEOF {
			t.Errorf("a shorter stream: got %v", err)
		}
	}
	src.err = nil
	if err := checkReadAt(r, content, 500, 10); err != nil {
		t.Error(err)
	}
}

type breakable struct {
	r   io.ReaderAt
	err error
}

func (b *breakable) ReadAt(p []byte, off int64) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	return b.r.ReadAt(p, off)
}
