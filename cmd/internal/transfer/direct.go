package transfer

import (
	"context"
	"errors"
	"io"
	"math"
	"runtime"
	"sync"

	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
)

// directLeast is how large an input must be for the direct path: below, starting the workers is not
// worth it.
const directLeast = 2 << 20

// DirectPath are both ends of a transfer between regular files, which can be read and written at
// any offset, so that no worker waits for another.
type DirectPath struct {
	in   *file.Input
	src  io.ReaderAt
	size int64
	out  *file.Output
	base int64 // where the output begins in its file: standard output may have been written to before
}

// DirectPath finds whether the job can take the direct path.
func (j *Job) DirectPath() (*DirectPath, bool) {
	in, out := j.In, j.Dst.File
	// a sum takes the bytes in their order
	if !j.Plain || !j.Alone || !in.Regular || in.Left < directLeast || out == nil || out.Sum != nil {
		return nil, false
	}
	from, err := in.Position()
	if err != nil || from+in.Left != in.Size {
		return nil, false
	}
	base, ok := out.Position()
	if !ok {
		return nil, false
	}
	p := &DirectPath{in: in, out: out, size: in.Left, base: base}
	// it does not end with what is left: SealAt looks whether the input has grown
	p.src = io.NewSectionReader(&countingReaderAt{r: in, bar: j.Bar}, from, math.MaxInt64-from)
	return p, true
}

// Seal is envelope.Seal without compression.
func (p *DirectPath) Seal(ctx context.Context, key *envelope.DataKey,
	o envelope.SealOptions) (*format.Header, error) {
	defer moreThreads(o.Workers)()
	w := &directWriter{out: p.out, base: p.base}
	begun := o.Begun
	o.Begun = func(h *format.Header) {
		// a size that is too large fails in SealAt
		w.total, _ = Payload(h, o.Header != nil).SealedSize(p.size)
		if begun != nil {
			begun(h)
		}
	}
	h, err := envelope.SealAt(ctx, w, p.src, p.size, key, o)
	if err != nil {
		return nil, p.explain(err)
	}
	return h, p.out.MoveTo(p.base + w.total)
}

// Open is envelope.Open. It is for outputs that appear when they are whole: on a failure, what was
// written has gaps.
func (p *DirectPath) Open(ctx context.Context, o envelope.OpenOptions,
	id envelope.Identity) (*format.Header, error) {
	defer moreThreads(o.Workers)()
	w := &directWriter{out: p.out}
	check := o.Check
	o.Check = func(h *format.Header) error {
		if h.Compression == format.CompressionNone {
			w.total, _ = Payload(h, o.Header != nil).PlaintextSize(p.size)
		}
		if check != nil {
			return check(h)
		}
		return nil
	}
	h, err := envelope.OpenTo(ctx, w, p.src, p.size, o, id)
	return h, p.explain(err)
}

// Payload is where the chunks of a file lie.
func Payload(h *format.Header, detached bool) format.Layout {
	l := h.Layout()
	if detached {
		l.HeaderLen = 0
	}
	return l
}

// explain names the input that has become shorter or longer. Where it became shorter before its last
// chunk was opened, it looks like one that was cut off long ago.
func (p *DirectPath) explain(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, envelope.ErrGrown) ||
		errors.Is(err, envelope.ErrTruncated) && p.in.CheckUnchanged() != nil {
		return p.in.ChangedError()
	}
	return err
}

// moreThreads lets as many goroutines run as there are workers, and two more, since workers sit in
// system calls most of the time.
func moreThreads(workers int) (back func()) {
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	before := runtime.GOMAXPROCS(workers + 2)
	return func() { runtime.GOMAXPROCS(before) }
}

// directWriter writes to an output at an offset.
type directWriter struct {
	out   *file.Output
	base  int64
	total int64 // bytes that there will be, 0 if that is not known

	once   sync.Once
	failed error // why there is no room for so many
}

// WriteAt implements io.WriterAt. The first call reserves room for all.
func (w *directWriter) WriteAt(b []byte, off int64) (int, error) {
	w.once.Do(func() { w.failed = w.out.Reserve(w.total) })
	if w.failed != nil {
		return 0, w.failed
	}
	return w.out.WriteAt(b, w.base+off)
}

// countingReaderAt shows the progress of reads at offsets.
type countingReaderAt struct {
	r   io.ReaderAt
	bar *ui.Progress
}

func (c *countingReaderAt) ReadAt(b []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(b, off)
	c.bar.Add(int64(n))
	return n, err
}
