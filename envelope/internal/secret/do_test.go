package secret

import (
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"
)

func TestDoRuns(t *testing.T) {
	before := runtime.NumGoroutine()
	n := 0
	for range 50 {
		Do(func() { n++ })
	}
	Do(func() { Do(func() { n++ }) })
	if n != 51 {
		t.Errorf("f ran %d times, want 51", n)
	}
	for range 1000 { // the last goroutine may still be on its way out
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

func TestDoConcurrently(t *testing.T) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 50 {
				sum := 0
				Do(func() { sum = i * 2 })
				if sum != i*2 {
					t.Errorf("sum %d, want %d", sum, i*2)
				}
			}
		})
	}
	wg.Wait()
}

func TestDoPassesPanicsOn(t *testing.T) {
	caught := func(f func()) (v any) {
		defer func() { v = recover() }()
		Do(f)
		return nil
	}
	want := errors.New("a panic")
	if got := caught(func() { panic(want) }); got != any(want) {
		t.Errorf("panic with an error: %v", got)
	}
	var none *int
	if _, ok := caught(func() { *none = 1 }).(runtime.Error); !ok {
		t.Error("a nil pointer did not become a panic")
	}
	if _, ok := caught(func() { panic(nil) }).(*runtime.PanicNilError); !ok {
		t.Error("panic(nil) was lost")
	}
	if got := caught(func() {}); got != nil {
		t.Errorf("no panic: %v", got)
	}
}

func TestDoPassesGoexitOn(t *testing.T) {
	returned := false
	var wg sync.WaitGroup
	wg.Go(func() {
		Do(runtime.Goexit)
		returned = true
	})
	wg.Wait()
	if returned {
		t.Error("Do returned after Goexit")
	}
}

// The stack must stay where it is through calls of f and garbage collections: moving it would leave
// a copy behind. Each of 20 collections would shrink a stack that is mostly unused.
func TestDoStackStays(t *testing.T) {
	var first, last uintptr
	Do(func() {
		var here [64]byte
		first = uintptr(unsafe.Pointer(&here))
		useStack(40)
		for range 20 {
			runtime.GC()
			runtime.Gosched()
		}
		last = uintptr(unsafe.Pointer(&here))
		touch(here[:])
	})
	if first != last {
		t.Errorf("the stack moved from %x to %x", first, last)
	}
}

// useStack needs a little more than n KiB of stack.
//
//go:noinline
func useStack(n int) {
	var kib [1 << 10]byte
	touch(kib[:])
	if n > 1 {
		useStack(n - 1)
	}
}

func BenchmarkDo(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Do(func() {})
	}
}

func BenchmarkQuiet(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Quiet(func() {})
	}
}
