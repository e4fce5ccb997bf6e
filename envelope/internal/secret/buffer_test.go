package secret

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
)

func newBuffer(t testing.TB, n int) *Buffer {
	t.Helper()
	b, err := New(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Destroy)
	return b
}

func allZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

func TestNewSizes(t *testing.T) {
	for _, n := range []int{1, 32, 64, 65, 256, 257, 1024, 1025, 4096, 4097, 16 << 10, 40000} {
		b := newBuffer(t, n)
		if v := b.Bytes(); len(v) != n || cap(v) != n || !allZero(v) {
			t.Errorf("New(%d): len %d, cap %d, zero %v", n, len(v), cap(v), allZero(v))
		}
		copy(b.Bytes(), bytes.Repeat([]byte{0xa5}, n))
	}
	for _, n := range []int{0, -1, maxSize + 1} {
		if _, err := New(n); err == nil {
			t.Errorf("New(%d): no error", n)
		}
	}
}

func TestDestroy(t *testing.T) {
	var atUnmap [][]byte
	defer func(old func([]byte)) { beforeUnmap = old }(beforeUnmap)
	beforeUnmap = func(b []byte) { atUnmap = append(atUnmap, bytes.Clone(b)) }

	for _, n := range []int{1, 32, 256, 1000, 5000} {
		b := newBuffer(t, n)
		copy(b.Bytes(), bytes.Repeat([]byte{0xa5}, n))
		slot := b.inner
		atUnmap = nil
		b.Destroy()
		if n > 1024 {
			if len(atUnmap) != 1 || len(atUnmap[0]) < n || !allZero(atUnmap[0]) {
				t.Errorf("%d bytes: not wiped before they were unmapped", n)
			}
		} else if !allZero(slot) {
			t.Errorf("%d bytes: the slot still holds them", n)
		}
		if b.Bytes() != nil {
			t.Errorf("%d bytes: Bytes is not nil after Destroy", n)
		}
		b.Truncate(1)
		b.Destroy()
	}
}

// Destroy by many at once gives the memory back once: two later buffers must not share a slot.
func TestDestroyConcurrently(t *testing.T) {
	for range 100 {
		b := newBuffer(t, 32)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(b.Destroy)
		}
		wg.Wait()
		x, y := newBuffer(t, 32), newBuffer(t, 32)
		x.Bytes()[0] = 1
		if y.Bytes()[0] != 0 {
			t.Fatal("two buffers share a slot")
		}
	}
}

func TestTruncate(t *testing.T) {
	b := newBuffer(t, 100)
	whole := b.Bytes()
	for i := range whole {
		whole[i] = 7
	}
	b.Truncate(200)
	b.Truncate(100)
	if len(b.Bytes()) != 100 {
		t.Errorf("lengthened or cut to %d bytes", len(b.Bytes()))
	}
	b.Truncate(40)
	if v := b.Bytes(); len(v) != 40 || cap(v) != 40 || v[39] != 7 {
		t.Errorf("after Truncate(40): len %d, cap %d", len(v), cap(v))
	}
	if !allZero(whole[40:]) {
		t.Error("the cut bytes were not wiped")
	}
	b.Truncate(-1)
	if v := b.Bytes(); v == nil || len(v) != 0 || !allZero(whole) {
		t.Errorf("after Truncate(-1): %d bytes", len(v))
	}
}

// Buffers of all sizes, made and destroyed by many goroutines: each is zero at first and keeps its
// bytes.
func TestBuffersAreDistinct(t *testing.T) {
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			mark := bytes.Repeat([]byte{byte(g + 1)}, 2000)
			var held []*Buffer
			for i := range 400 {
				n := 1 + (i*37+g*101)%1500
				b, err := New(n)
				if err != nil {
					t.Error(err)
					return
				}
				if !allZero(b.Bytes()) {
					t.Error("a new buffer is not zero")
				}
				copy(b.Bytes(), mark)
				if held = append(held, b); len(held) > 10 {
					if !bytes.Equal(held[0].Bytes(), mark[:len(held[0].Bytes())]) {
						t.Error("a buffer was changed by another goroutine")
					}
					held[0].Destroy()
					held = held[1:]
				}
			}
			for _, b := range held {
				b.Destroy()
			}
		})
	}
	wg.Wait()
}

// A stray write to a slot that nobody holds must not reach the next Buffer.
func TestSlotIsZeroAfterStrayWrite(t *testing.T) {
	b := newBuffer(t, 64)
	stale := b.Bytes()
	b.Destroy()
	stale[5] = 1
	if next := newBuffer(t, 64); !allZero(next.Bytes()) {
		t.Error("a new buffer holds what was written after Destroy")
	}
}

func TestFormatHidesSecrets(t *testing.T) {
	b := newBuffer(t, 16)
	copy(b.Bytes(), "sixteen byte key")
	h, err := NewHKDF(nil, b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Destroy()
	a, err := NewAESGCM(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Destroy()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%c"} {
		for _, v := range []any{b, h, a} {
			if out := fmt.Sprintf(verb, v); !strings.HasPrefix(out, "secret(") || len(out) > 30 {
				t.Errorf("%s of %T: %q", verb, v, out)
			}
		}
	}
}

func TestEqual(t *testing.T) {
	if !Equal([]byte("abc"), []byte("abc")) || Equal([]byte("abc"), []byte("abd")) ||
		Equal([]byte("abc"), []byte("ab")) || !Equal(nil, nil) {
		t.Error("Equal is wrong")
	}
}

func BenchmarkNewDestroy(b *testing.B) {
	for _, n := range []int{32, 256, 760, 16 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				buf, err := New(n)
				if err != nil {
					b.Fatal(err)
				}
				buf.Destroy()
			}
		})
	}
}
