package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
)

// edges are the lengths at which a file has one chunk more or fewer.
func edges(chunk int) []int {
	return []int{0, 1, chunk - 1, chunk, chunk + 1, 2*chunk - 1, 2 * chunk, 2*chunk + 1}
}

// sealers are all ways to seal, each to the same size.
func (r *rig) sealers(key *envelope.DataKey,
	o envelope.SealOptions) map[string]func([]byte) []byte {
	all := map[string]func(plain []byte) []byte{
		"SealAt": func(plain []byte) []byte { return r.sealAt(key, plain, o) },
		"AppendSealed": func(plain []byte) []byte {
			sealed, _, err := envelope.AppendSealed(context.Background(), nil, plain, key, o)
			if err != nil {
				r.t.Fatal(err)
			}
			return sealed
		},
	}
	for workers := 1; workers <= 3; workers++ {
		o.Workers = workers
		all[fmt.Sprint("Seal, workers: ", workers)] = func(plain []byte) []byte {
			return r.seal(key, plain, o)
		}
	}
	return all
}

// openers are all ways to open.
func (r *rig) openers() map[string]func([]byte) ([]byte, error) {
	all := map[string]func(sealed []byte) ([]byte, error){
		"OpenTo": func(sealed []byte) ([]byte, error) { return r.openTo(sealed, envelope.OpenOptions{}) },
		"OpenAt": func(sealed []byte) ([]byte, error) {
			at, err := r.openAt(sealed)
			if err != nil {
				return nil, err
			}
			defer at.Close()
			return io.ReadAll(io.NewSectionReader(at, 0, at.Size()))
		},
		"AppendOpened": func(sealed []byte) ([]byte, error) {
			plain, _, err := envelope.AppendOpened(context.Background(), nil, sealed,
				envelope.OpenOptions{}, r.identity())
			return plain, err
		},
		"Open, armored, half of the asked": func(sealed []byte) ([]byte, error) {
			var text, out bytes.Buffer
			w := format.NewArmorWriter(&text)
			if _, err := w.Write(sealed); err != nil {
				return nil, err
			}
			if err := w.Close(); err != nil {
				return nil, err
			}
			src, _, err := format.Unarmored(iotest.HalfReader(&text))
			if err != nil {
				return nil, err
			}
			_, err = envelope.Open(context.Background(), &out, src, envelope.OpenOptions{}, r.identity())
			return out.Bytes(), err
		},
	}
	for workers := 1; workers <= 3; workers++ {
		all[fmt.Sprint("Open, workers: ", workers)] = func(sealed []byte) ([]byte, error) {
			return r.open(sealed, workers)
		}
	}
	return all
}

// At every edge each way to seal gives the size that the layout says, each way to open opens it,
// and none opens what lacks its last chunk, a byte of it, or has one more.
func TestEdgesOnEveryPath(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	openers := r.openers()
	for _, log := range []uint8{12, 16, 24} {
		o := envelope.SealOptions{ChunkSizeLog2: log}
		for _, size := range edges(1 << log) {
			plain := random(size)
			for name, seal := range r.sealers(key, o) {
				if log == 24 && name != "SealAt" {
					continue // as much as memory is worth
				}
				what := fmt.Sprintf("chunks of 2^%d, %d bytes, %s", log, size, name)
				r.checkEdge(what, plain, seal(plain), openers, log == 24)
			}
		}
	}
}

func (r *rig) checkEdge(what string, plain, sealed []byte,
	openers map[string]func([]byte) ([]byte, error), large bool) {
	r.t.Helper()
	h, err := format.ParseHeader(sealed, format.Limits{})
	if err != nil {
		r.t.Fatal(what, err)
	}
	l := h.Layout()
	size, err := l.SealedSize(int64(len(plain)))
	if err != nil || size != int64(len(sealed)) {
		r.t.Errorf("%s: %d bytes, the layout says %d, %v", what, len(sealed), size, err)
	}
	last := l.Offset(l.Chunks(int64(len(plain))) - 1)
	for name, open := range openers {
		if large && name != "OpenTo" && name != "Open, workers: 2" {
			continue
		}
		if got, err := open(sealed); err != nil || !bytes.Equal(got, plain) {
			r.t.Errorf("%s: %s: %d bytes, %v", what, name, len(got), err)
		}
		if large {
			continue
		}
		if _, err := open(sealed[:last]); !errors.Is(err, envelope.ErrTruncated) {
			r.t.Errorf("%s: %s without the last chunk: %v", what, name, err)
		}
		for cut, damaged := range map[string][]byte{"a byte less": sealed[:len(sealed)-1],
			"a byte more": append(sealed[:len(sealed):len(sealed)], 7)} {
			if _, err := open(damaged); !errors.Is(err, envelope.ErrDamaged) {
				r.t.Errorf("%s: %s with %s: %v", what, name, cut, err)
			}
		}
	}
}

// The payload of a file with a detached header has the same edges.
func TestEdgesDetached(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	for _, size := range edges(smallChunk) {
		plain := random(size)
		var head bytes.Buffer
		o := envelope.SealOptions{ChunkSizeLog2: 12, Header: &head}
		streamed := r.seal(key, plain, o)
		header := bytes.Clone(head.Bytes())
		head.Reset()
		direct := r.sealAt(key, plain, o)
		want := size + (size/smallChunk+1)*format.TagSize
		if len(streamed) != want || len(direct) != want {
			t.Errorf("%d bytes: payloads of %d and %d, want %d", size, len(streamed), len(direct), want)
		}
		with := func(header []byte) envelope.OpenOptions {
			return envelope.OpenOptions{Header: bytes.NewReader(header)}
		}
		got, err := r.openTo(streamed, with(header))
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: OpenTo: %d bytes, %v", size, len(got), err)
		}
		var out bytes.Buffer
		_, err = envelope.Open(t.Context(), &out, bytes.NewReader(direct),
			with(head.Bytes()), r.identity())
		if err != nil || !bytes.Equal(out.Bytes(), plain) {
			t.Errorf("%d bytes: Open: %d bytes, %v", size, out.Len(), err)
		}
		_, err = envelope.Open(t.Context(), io.Discard, bytes.NewReader(nil), with(header), r.identity())
		if !errors.Is(err, envelope.ErrTruncated) {
			t.Errorf("%d bytes: nothing in place of the payload: %v", size, err)
		}
		if _, err = r.openTo(nil, with(header)); !errors.Is(err, envelope.ErrTruncated) {
			t.Errorf("%d bytes: nothing in place of the payload, direct: %v", size, err)
		}
	}
}

// Wherever the seek table of a compressed file lies, in the last chunk, in the last two or before
// an empty one, the file opens in order and by offset.
func TestEdgesCompressed(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	o := envelope.SealOptions{ChunkSizeLog2: 12, Compress: envelope.LevelFastest}
	kinds := map[string]int{}
	for size := 2*smallChunk - 60; size < 2*smallChunk+20; size++ {
		plain := random(size)
		sealed := r.seal(key, plain, o)
		h, err := format.ParseHeader(sealed, format.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		stream, err := h.Layout().PlaintextSize(int64(len(sealed)))
		if err != nil {
			t.Fatal(err)
		}
		const table = 8 + 8 + 9
		switch last := stream % smallChunk; {
		case last == 0:
			kinds["behind it an empty chunk"]++
		case last < table:
			kinds["in the last two"]++
		default:
			kinds["in the last"]++
		}
		if got, err := r.open(sealed, 2); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %d bytes, %v", size, len(got), err)
		}
		at, err := r.openAt(sealed)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(io.NewSectionReader(at, 0, at.Size()))
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes by offset: %d bytes, %v", size, len(got), err)
		}
		at.Close()
	}
	if len(kinds) != 3 {
		t.Errorf("the seek tables lay %v", kinds)
	}
}

// A read that fails is no end: what came before it is never taken for the last chunk.
func TestBrokenReadIsNoLastChunk(t *testing.T) {
	r := newRig(t, 1)
	sealed := r.seal(r.dataKey(nil), random(2*smallChunk+100), envelope.SealOptions{ChunkSizeLog2: 12})
	for _, broken := range []error{io.ErrUnexpectedEOF, errors.New("input/output error")} {
		for _, n := range []int{len(sealed), len(sealed) - 1, len(sealed) - 116,
			len(sealed) - 116 - 4112} {
			src := io.MultiReader(bytes.NewReader(sealed[:n]), iotest.ErrReader(broken))
			_, err := envelope.Open(t.Context(), io.Discard, src, envelope.OpenOptions{}, r.identity())
			if !errors.Is(err, broken) || isDamage(err) {
				t.Errorf("%d of %d bytes, then %v: %v", n, len(sealed), broken, err)
			}
		}
	}
}

// 4 MiB is the most that a frame may hold; nothing here writes so large a one.
func TestLargestFrames(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	large := rleFrame(4<<20, 32)
	stream := append(append(bytes.Clone(large), large...),
		seekTable(uint32(len(large)), 4<<20, uint32(len(large)), 4<<20)...)
	sealed := r.sealStream(key, stream)
	if got, err := r.open(sealed, 2); err != nil || !bytes.Equal(got, make([]byte, 8<<20)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	at, err := r.openAt(sealed)
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	p := make([]byte, 100)
	if n, err := at.ReadAt(p, 4<<20-50); n != 100 || err != nil {
		t.Errorf("across two frames: %d bytes, %v", n, err)
	}
}
