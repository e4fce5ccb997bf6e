//go:build !race

package envelope_test

import (
	"bytes"
	"context"
	"runtime"
	"slices"
	"testing"

	"github.com/envseal/envseal/envelope"
)

// Under the race detector pools forget at random, so that there is nothing to count.

// The number of allocations does not grow with the stream.
func TestCompressionAllocatesNothingForAFrame(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	mallocs := func(f func()) uint64 { // the least of some: the collector may empty the pools
		least := ^uint64(0)
		for range 4 {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			f()
			runtime.ReadMemStats(&after)
			least = min(least, after.Mallocs-before.Mallocs)
		}
		return least
	}
	piece := slices.Concat(text(frameSize), random(frameSize))
	short, long := bytes.Repeat(piece, 2), bytes.Repeat(piece, 22)
	var sealed [2][]byte
	seal := func(i int, plain []byte) func() {
		return func() {
			sealed[i] = r.seal(key, plain, envelope.SealOptions{Workers: 2, Compress: envelope.LevelFastest})
		}
	}
	open := func(i int) func() {
		return func() {
			_, err := envelope.Verify(context.Background(), bytes.NewReader(sealed[i]),
				envelope.OpenOptions{Workers: 2}, r.identity())
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	const frames = 40 // more in the long one
	if a, b := mallocs(seal(0, short)), mallocs(seal(1, long)); b > a+frames/2 {
		t.Errorf("seal: %d allocations for 4 frames, %d for 44", a, b)
	}
	if a, b := mallocs(open(0)), mallocs(open(1)); b > a+frames/2 {
		t.Errorf("open: %d allocations for 4 frames, %d for 44", a, b)
	}
}
