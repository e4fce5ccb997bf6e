//go:build !race

package zstdseek

import (
	"bytes"
	"testing"
)

// Under the race detector pools forget at random, so that there is nothing to count.

func TestNoAllocations(t *testing.T) {
	content := append(text(FrameContent/2), random(FrameContent/2)...)
	e, err := NewEncoder(Default)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Release()
	d, err := NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Release()
	frame, out := make([]byte, 0, MaxFrame), make([]byte, ContentRoom)
	if n := testing.AllocsPerRun(20, func() { frame = e.AppendFrame(frame[:0], content) }); n > 0 {
		t.Errorf("%v allocations for a frame compressed", n)
	}
	if n := testing.AllocsPerRun(20, func() {
		if _, err := d.Decode(out, frame, len(content)); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations for a frame decompressed", n)
	}
}

// The reader's memory does not depend on the number of frames.
func TestReaderAllocatesNothingForAFrame(t *testing.T) {
	stream := build(t, slicesOf(1, text(1000))...)
	r := NewReader(bytes.NewReader(stream), make([]byte, 4096))
	dst := make([]byte, MaxFrame)
	if n := testing.AllocsPerRun(900, func() {
		if _, _, err := r.Next(dst); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations for a frame", n)
	}
}
