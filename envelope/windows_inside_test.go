package envelope

import (
	"slices"
	"testing"

	"github.com/envseal/envseal/format"
)

// Whatever the chunk size, there are at least two windows, and at most 32 MiB of them. If more are
// in use at a time, they are not kept.
func TestWindowsAreBounded(t *testing.T) {
	for log := format.MinChunkSizeLog2; log <= format.MaxChunkSizeLog2; log++ {
		layout := format.Layout{ChunkSize: 1 << log}
		r, err := newChunkReader(nil, layout, format.TagSize, nil)
		if err != nil {
			t.Fatal(err)
		}
		ws := &r.windows
		if most := ws.most(); most < 2 || most > 4 || most*ws.size > 32<<20 || ws.size < 1<<log {
			t.Errorf("chunk 2^%d: %d windows of %d bytes", log, most, ws.size)
		}
		var taken []*window
		for range 10 {
			w, err := ws.take()
			if err != nil {
				t.Fatal(err)
			}
			w.mem.Bytes()[0], w.used = 7, 1
			w.off, w.plain = int64(len(taken)), w.mem.Bytes()[:1]
			taken = append(taken, w)
		}
		for _, w := range taken {
			ws.put(w)
		}
		if len(ws.all) != ws.most() {
			t.Errorf("chunk 2^%d: %d windows are kept", log, len(ws.all))
		}
		if w := ws.find(0); w == nil || w.plain[0] != 7 {
			t.Error("the first window is not found")
		}
		for range 10 { // the one that is being read stays
			w, err := ws.take()
			if err != nil || w == taken[0] {
				t.Error("a window was taken from under its reader", err)
			}
			defer w.free()
		}
		kept := ws.all
		ws.wipe()
		if !slices.Contains(kept, taken[0]) || slices.ContainsFunc(kept, func(w *window) bool {
			return w.mem.Bytes() != nil
		}) || ws.find(0) != nil {
			t.Error("plaintext outlives wipe")
		}
	}
}
