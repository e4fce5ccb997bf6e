package envelope

import (
	"slices"
	"sync"

	"github.com/envseal/envseal/envelope/internal/stream"
)

// A ReaderAt keeps at most so many windows, and so many bytes in all of them. The largest chunks
// have two, so that seek table and frames do not take turns.
const (
	maxWindows     = 4
	maxWindowBytes = 32 << 20
)

// windows keep the plaintext of the chunks that were opened last, for those who read piece by
// piece: a chunk has up to 16 MiB, and opens as a whole or not at all. They are safe for concurrent
// use, but for wipe. Several goroutines may read in one window.
type windows struct {
	size int // bytes of plaintext that a window has room for

	mu  sync.Mutex
	all []*window // least recently used first
}

// window is a stretch of plaintext. It belongs to whoever took it until it is put. After that only
// its readers change.
type window struct {
	mem     *stream.Buffer
	off     int64 // where plain lies in the plaintext
	plain   []byte
	used    int // the most of mem that ever held data
	readers int // those who copy out of it; guarded by the lock of windows
}

func (ws *windows) most() int { return min(maxWindows, maxWindowBytes/ws.size) }

// read copies what a window has of the plaintext from off on; 0 if there is none.
func (ws *windows) read(p []byte, off int64) int {
	w := ws.find(off)
	if w == nil {
		return 0
	}
	n := copy(p, w.plain[off-w.off:])
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w.readers--
	return n
}

// find gives the window that has the byte at off, with one reader more.
func (ws *windows) find(off int64) *window {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	i := slices.IndexFunc(ws.all, func(w *window) bool {
		return w.off <= off && off-w.off < int64(len(w.plain))
	})
	if i < 0 {
		return nil
	}
	w := ws.all[i]
	ws.all = append(slices.Delete(ws.all, i, i+1), w)
	w.readers++
	return w
}

// take gives a window to be filled: a new one, or the one that nobody used for the longest time.
// The caller must put or free it.
func (ws *windows) take() (*window, error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if len(ws.all) >= ws.most() {
		if i := slices.IndexFunc(ws.all, func(w *window) bool { return w.readers == 0 }); i >= 0 {
			w := ws.all[i]
			ws.all = slices.Delete(ws.all, i, i+1)
			return w, nil
		}
	}
	mem, err := stream.NewBuffer(ws.size)
	return &window{mem: mem}, err
}

// put keeps a window for later if there is room: more may be in use than are kept.
func (ws *windows) put(w *window) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if len(ws.all) >= ws.most() {
		w.free()
		return
	}
	ws.all = append(ws.all, w)
}

// wipe clears all windows and gives them back. Nobody may be reading.
func (ws *windows) wipe() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, w := range ws.all {
		w.free()
	}
	ws.all = nil
}

func (w *window) free() { w.mem.Free(w.used) }
