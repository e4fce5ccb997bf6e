package format_test

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/envseal/envseal/format"
)

// TestHeaderLength: a header keeps its length where the slots fit, and grows by the rule otherwise.
func TestHeaderLength(t *testing.T) {
	marshal := func(body int, length int64) (int64, int, error) {
		h := exampleHeader(t)
		h.Slots = []format.Slot{{Type: 99, Body: bytes.Repeat([]byte{1}, body)}}
		h.Length = length
		b, err := h.MarshalBinary()
		return h.Length, len(b), err
	}
	const fixed = atSlots + 5 + 4 // all but the body
	cases := []struct {
		body         int
		before, want int64
	}{
		{512 - 256 - fixed, 0, 512},         // exactly 256 bytes of padding
		{512 - 256 - fixed + 1, 0, 768},     // one fewer
		{512 - fixed, 512, 512},             // kept, without any padding
		{512 - fixed + 1, 512, 1024},        // one too many: laid out anew
		{0, 4096, 4096},                     // never shrunk
		{16<<20 - 256 - fixed, 0, 16 << 20}, // the largest
		{16<<20 - fixed, 16 << 20, 16 << 20},
	}
	for _, c := range cases {
		length, n, err := marshal(c.body, c.before)
		if err != nil || length != c.want || int64(n) != length {
			t.Errorf("body %d, length %d: length %d, %d bytes, %v; want %d",
				c.body, c.before, length, n, err, c.want)
		}
	}
	for _, c := range []struct {
		body   int
		before int64
	}{{16<<20 - 256 - fixed + 1, 0}, {16 << 20, 0}, {10, 100}, {10, -256}, {10, 16<<20 + 256}} {
		if length, _, err := marshal(c.body, c.before); err == nil || length != c.before {
			t.Errorf("body %d, length %d: no error, length %d", c.body, c.before, length)
		}
	}
}

var smallest = format.Layout{HeaderLen: 512, ChunkSize: 4096}

// TestLayoutSizes goes over the edges of chunks of 4 KiB, 64 KiB and 16 MiB: those of the first
// two, and of the last that a file can have.
func TestLayoutSizes(t *testing.T) {
	for log, most := range map[int]int64{12: 1 << 32, 16: 1 << 32, 24: 1 << 28} {
		l := format.Layout{HeaderLen: 512, ChunkSize: 1 << log}
		c := int64(l.ChunkSize)
		if l.MaxChunks() != most {
			t.Errorf("chunks of 2^%d: %d at the most, want %d", log, l.MaxChunks(), most)
		}
		cases := []struct{ plain, chunks int64 }{
			{0, 1}, {1, 1}, {c - 1, 1}, {c, 2}, {c + 1, 2}, {2*c - 1, 2}, {2 * c, 3}, {2*c + 1, 3},
			{4 << 30, 4<<30/c + 1}, {4<<30 - 1, 4 << 30 / c}, {4<<30 + 1, 4<<30/c + 1},
			{(most - 1) * c, most}, {(most-1)*c - 1, most - 1}, {most*c - 1, most},
		}
		for _, k := range cases {
			want := 512 + k.plain + 16*k.chunks
			sealed, err := l.SealedSize(k.plain)
			if n := l.Chunks(k.plain); err != nil || sealed != want || n != k.chunks {
				t.Errorf("2^%d: %d: %d chunks, %d bytes, %v; want %d, %d",
					log, k.plain, n, sealed, err, k.chunks, want)
			}
			if plain, err := l.PlaintextSize(sealed); err != nil || plain != k.plain {
				t.Errorf("2^%d: %d: back %d, %v", log, k.plain, plain, err)
			}
			if at := l.Offset(k.chunks - 1); at+16 > sealed || at+16+c <= sealed {
				t.Errorf("2^%d: %d: the last chunk at %d of %d bytes", log, k.plain, at, sealed)
			}
		}
		for _, plain := range []int64{most * c, most*c + 1, 2 * most * c, math.MaxInt64} {
			if n, err := l.SealedSize(plain); !errors.Is(err, format.ErrTooLarge) {
				t.Errorf("2^%d: %d bytes: %d, %v", log, plain, n, err)
			}
		}
		for _, body := range []int64{most*(c+16) + 16, most*(c+16) + 100} {
			if n, err := l.PlaintextSize(512 + body); !errors.Is(err, format.ErrDamaged) {
				t.Errorf("2^%d: a payload of %d bytes: %d, %v", log, body, n, err)
			}
		}
	}
	// Every sealed size up to four chunks either has a plaintext size that seals to it, or is none.
	valid := 0
	for sealed := int64(0); sealed <= 512+4*(4096+16); sealed++ {
		plain, err := smallest.PlaintextSize(sealed)
		if err != nil {
			continue
		}
		valid++
		if back, err := smallest.SealedSize(plain); err != nil || back != sealed {
			t.Errorf("sealed %d: plaintext %d, back %d, %v", sealed, plain, back, err)
		}
	}
	if want := 4 * 4096; valid != want {
		t.Errorf("%d valid sizes, want %d", valid, want)
	}
}

func TestLayoutRefusals(t *testing.T) {
	widest := format.Layout{HeaderLen: format.MaxHeader, ChunkSize: 1 << 24}
	if n, err := widest.SealedSize(1<<52 - 1); err != nil || n != 16<<20+1<<52-1+16<<28 {
		t.Errorf("largest file: %d, %v", n, err)
	}
	for _, plain := range []int64{-1, math.MinInt64, 1 << 52, math.MaxInt64} {
		if n, err := widest.SealedSize(plain); err == nil {
			t.Errorf("plaintext of %d bytes: %d", plain, n)
		}
	}
	if _, err := smallest.SealedSize(1 << 44); err == nil {
		t.Error("2^32 + 1 chunks")
	}
	truncated, damaged := format.ErrTruncated, format.ErrDamaged
	sizes := map[int64]error{
		-1: truncated, math.MinInt64: truncated, 0: truncated, 512: truncated, 512 + 1: damaged,
		512 + 15: damaged, 512 + 16: nil, 512 + 4111: nil, 512 + 4112: truncated,
		512 + 4112 + 1: damaged, 512 + 4112 + 15: damaged, 512 + 4112 + 16: nil,
		512 + 2*4112: truncated, math.MaxInt64: damaged,
		512 + 4112<<32 - 1: nil, 512 + 4112<<32: truncated, 512 + 4112<<32 + 16: damaged,
	}
	for sealed, want := range sizes {
		n, err := smallest.PlaintextSize(sealed)
		if !errors.Is(err, want) || errors.Is(err, truncated) != (want == truncated) {
			t.Errorf("sealed size %d: %d, %v; want %v", sealed, n, err, want)
		}
	}
	for _, l := range []format.Layout{{}, {0, 4095}, {0, 6000}, {0, 1 << 25}, {0, -4096}, {-1, 4096},
		{format.MaxHeader + 1, 4096}} {
		_, err1 := l.SealedSize(1)
		_, err2 := l.PlaintextSize(1 << 20)
		if err1 == nil || err2 == nil {
			t.Errorf("%+v: %v, %v", l, err1, err2)
		}
	}
	if n := (format.Layout{}).Chunks(5); n != 0 {
		t.Errorf("chunks without a chunk size: %d", n)
	}
	if n := smallest.Chunks(-5); n != 0 {
		t.Errorf("chunks of a negative size: %d", n)
	}
}

func TestLeastChunkSize(t *testing.T) {
	for plain, want := range map[int64]uint8{0: 12, 1<<44 - 1: 12, 1 << 44: 13, 1<<45 - 1: 13,
		1 << 48: 17, 1<<52 - 1: 20, 1 << 52: 0, math.MaxInt64: 0} {
		if got := format.LeastChunkSize(plain); got != want {
			t.Errorf("%d bytes: 2^%d, want 2^%d", plain, got, want)
		}
	}
}

func TestLayoutOffset(t *testing.T) {
	for chunk, want := range map[int64]int64{0: 512, 1: 512 + 4112, 1 << 32: 512 + 4112<<32} {
		if got := smallest.Offset(chunk); got != want {
			t.Errorf("chunk %d at %d, want %d", chunk, got, want)
		}
	}
	if got := (format.Layout{ChunkSize: 4096}).Offset(2); got != 2*4112 {
		t.Errorf("detached: chunk 2 at %d", got)
	}
}

func TestPutNonce(t *testing.T) {
	var n [12]byte
	base := bytes.Repeat([]byte{0xf0}, 12)
	format.PutNonce(&n, base, 0)
	if [12]byte(base) != n {
		t.Errorf("index 0: %x", n)
	}
	format.PutNonce(&n, base, 0x0102030405060708)
	want := [12]byte{0xf0, 0xf0, 0xf0, 0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8}
	if n != want {
		t.Errorf("%x, want %x", n, want)
	}
	if !bytes.Equal(base, bytes.Repeat([]byte{0xf0}, 12)) {
		t.Error("the base nonce was changed")
	}
}
