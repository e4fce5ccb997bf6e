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

func TestLayoutSizes(t *testing.T) {
	cases := []struct{ plain, chunks, sealed int64 }{
		{0, 1, 512 + 16},
		{1, 1, 512 + 17},
		{4095, 1, 512 + 4095 + 16},
		{4096, 1, 512 + 4096 + 16},
		{4097, 2, 512 + 4097 + 32},
		{8192, 2, 512 + 8192 + 32},
		{1 << 44, 1 << 32, 512 + 1<<44 + 16<<32},
	}
	for _, c := range cases {
		sealed, err := smallest.SealedSize(c.plain)
		if n := smallest.Chunks(c.plain); err != nil || sealed != c.sealed || n != c.chunks {
			t.Errorf("%d: %d chunks, %d bytes, %v; want %d, %d", c.plain, n, sealed, err, c.chunks, c.sealed)
		}
		if plain, err := smallest.PlaintextSize(sealed); err != nil || plain != c.plain {
			t.Errorf("%d: back %d, %v", c.plain, plain, err)
		}
	}
	// Every sealed size up to four chunks either has a plaintext size that seals to it, or is none.
	valid := 0
	for sealed := int64(0); sealed < 512+4*(4096+16)+1; sealed++ {
		plain, err := smallest.PlaintextSize(sealed)
		if err != nil {
			continue
		}
		valid++
		if back, err := smallest.SealedSize(plain); err != nil || back != sealed {
			t.Errorf("sealed %d: plaintext %d, back %d, %v", sealed, plain, back, err)
		}
	}
	if want := 4*4096 + 1; valid != want {
		t.Errorf("%d valid sizes, want %d", valid, want)
	}
}

func TestLayoutRefusals(t *testing.T) {
	widest := format.Layout{HeaderLen: format.MaxHeader, ChunkSize: 1 << 24}
	if n, err := widest.SealedSize(1 << 56); err != nil || n != 16<<20+1<<56+16<<32 {
		t.Errorf("largest file: %d, %v", n, err)
	}
	for _, plain := range []int64{-1, math.MinInt64, 1<<56 + 1, math.MaxInt64} {
		if n, err := widest.SealedSize(plain); err == nil {
			t.Errorf("plaintext of %d bytes: %d", plain, n)
		}
	}
	if _, err := smallest.SealedSize(1<<44 + 1); err == nil {
		t.Error("2^32 + 1 chunks")
	}
	sizes := map[int64]error{
		-1: format.ErrTruncated, math.MinInt64: format.ErrTruncated, 0: format.ErrTruncated,
		512: format.ErrTruncated, 527: format.ErrTruncated, 512 + 4112 + 1: format.ErrDamaged,
		512 + 4112 + 16: format.ErrDamaged, math.MaxInt64: format.ErrDamaged,
		512 + 4112<<32 + 17: format.ErrDamaged,
	}
	for sealed, want := range sizes {
		if n, err := smallest.PlaintextSize(sealed); !errors.Is(err, want) {
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
	n := [12]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	format.PutNonce(&n, 0x0102030405060708, false)
	if want := [12]byte{0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0}; n != want {
		t.Errorf("%x, want %x", n, want)
	}
	format.PutNonce(&n, 1<<32-1, true)
	if want := [12]byte{7: 0xff, 8: 0xff, 9: 0xff, 10: 0xff, 11: 1}; n != want {
		t.Errorf("%x, want %x", n, want)
	}
}
