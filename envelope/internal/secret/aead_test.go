package secret

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"math/rand/v2"
	"sync"
	"testing"
)

var _ cipher.AEAD = (*AEAD)(nil)

func standardGCM(t testing.TB, key []byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	g, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func newAEAD(t testing.TB, key []byte) *AEAD {
	t.Helper()
	a, err := NewAESGCM(key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Destroy)
	return a
}

func fill(rnd *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

// Random keys, nonces, sizes and additional data: the same as crypto/cipher, in place or not.
func TestGCMAgainstStandardLibrary(t *testing.T) {
	rnd := rand.New(rand.NewChaCha8([32]byte{2}))
	for i := range 1000 {
		key := fill(rnd, 16+16*rnd.IntN(2))
		nonce, aad, plain := fill(rnd, 12), fill(rnd, rnd.IntN(64)), fill(rnd, rnd.IntN(600)*rnd.IntN(4))
		a := newAEAD(t, key)
		want := standardGCM(t, key).Seal(nil, nonce, plain, aad)
		if got := a.Seal(nil, nonce, plain, aad); !bytes.Equal(got, want) {
			t.Fatalf("input %d (%d bytes): Seal differs", i, len(plain))
		}
		inPlace := append(make([]byte, 0, len(plain)+16), plain...)
		if inPlace = a.Seal(inPlace[:0], nonce, inPlace, aad); !bytes.Equal(inPlace, want) {
			t.Fatalf("input %d (%d bytes): Seal in place differs", i, len(plain))
		}
		if got, err := a.Open(nil, nonce, want, aad); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("input %d (%d bytes): Open: %v", i, len(plain), err)
		}
		if got, err := a.Open(inPlace[:0], nonce, inPlace, aad); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("input %d (%d bytes): Open in place: %v", i, len(plain), err)
		}
		bad := bytes.Clone(want)
		bad[rnd.IntN(len(bad))] ^= 1 << rnd.IntN(8)
		if _, err := a.Open(nil, nonce, bad, aad); err == nil {
			t.Fatalf("input %d (%d bytes): a changed bit was not noticed", i, len(plain))
		}
		a.Destroy()
	}
}

func TestGCMSizes(t *testing.T) {
	a := newAEAD(t, make([]byte, 32))
	if a.NonceSize() != 12 || a.Overhead() != 16 {
		t.Errorf("nonce %d, overhead %d", a.NonceSize(), a.Overhead())
	}
	for _, n := range []int{0, 15, 24, 31, 33, 64} {
		if _, err := NewAESGCM(make([]byte, n)); err == nil {
			t.Errorf("key of %d bytes: no error", n)
		}
	}
}

// The expanded key is in locked memory, is wiped, and cannot be used afterwards: its slot may by
// then hold another key.
func TestGCMDestroy(t *testing.T) {
	key := bytes.Repeat([]byte{9}, 32)
	a := newAEAD(t, key)
	if a.mem == nil {
		t.Fatal("the GCM object of this toolchain is not flat: it stayed on the heap")
	}
	slot := a.mem.inner
	if !bytes.Contains(slot, key) {
		t.Error("the expanded key is somewhere else")
	}
	a.Destroy()
	a.Destroy()
	if !allZero(slot) {
		t.Error("the expanded key was not wiped")
	}
	defer func() {
		if recover() == nil {
			t.Error("Seal after Destroy did not panic")
		}
	}()
	a.Seal(nil, make([]byte, 12), nil, nil)
}

// An object that is not flat stays where it is, and a flat one is wiped where it was.
func TestRelocate(t *testing.T) {
	type withPointer struct{ p *int }
	x := &withPointer{new(int)}
	if got, mem, err := relocate[any](x); got != any(x) || mem != nil || err != nil {
		t.Errorf("object with a pointer: %v, %v, %v", got, mem, err)
	}
	if x.p == nil {
		t.Error("object with a pointer was wiped")
	}
	y := &struct{ a [3]uint32 }{[3]uint32{1, 2, 3}}
	got, mem, err := relocate(y)
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Destroy()
	if got == y || got.a != [3]uint32{1, 2, 3} || y.a != [3]uint32{} {
		t.Errorf("flat object: moved %v, left %v", got.a, y.a)
	}
}

func TestGCMConcurrently(t *testing.T) {
	a := newAEAD(t, make([]byte, 32))
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			nonce := make([]byte, 12)
			nonce[0] = byte(g)
			plain := bytes.Repeat([]byte{byte(g)}, 1000)
			for range 200 {
				got, err := a.Open(nil, nonce, a.Seal(nil, nonce, plain, nil), nil)
				if err != nil || !bytes.Equal(got, plain) {
					t.Errorf("goroutine %d: %v", g, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestGCMAllocations(t *testing.T) {
	a := newAEAD(t, make([]byte, 32))
	nonce, plain, sealed := make([]byte, 12), make([]byte, 4096), make([]byte, 0, 4096+16)
	n := testing.AllocsPerRun(100, func() { sealed = a.Seal(sealed[:0], nonce, plain, nil) })
	if n != 0 {
		t.Errorf("Seal allocates %v times", n)
	}
	opened := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { _, _ = a.Open(opened, nonce, sealed, nil) }); n != 0 {
		t.Errorf("Open allocates %v times", n)
	}
}

func BenchmarkSeal64K(b *testing.B) {
	key := make([]byte, 32)
	for name, a := range map[string]cipher.AEAD{"locked": newAEAD(b, key),
		"standard": standardGCM(b, key)} {
		b.Run(name, func(b *testing.B) {
			nonce, plain, sealed := make([]byte, 12), make([]byte, 64<<10), make([]byte, 0, 64<<10+16)
			b.SetBytes(64 << 10)
			b.ReportAllocs()
			for b.Loop() {
				sealed = a.Seal(sealed[:0], nonce, plain, nil)
			}
		})
	}
}

func BenchmarkNewAESGCM(b *testing.B) {
	key := make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		a, err := NewAESGCM(key)
		if err != nil {
			b.Fatal(err)
		}
		a.Destroy()
	}
}
