package cmd

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
)

// directLeast is how large an input must be for the direct path: below, starting the workers is not worth it.
const directLeast = 2 << 20

// directPath are both ends of a transfer between regular files, which can be read and written at any offset, so that no worker waits for another.
type directPath struct {
	in   *input
	src  io.ReaderAt
	size int64
	out  *output
	base int64 // where the output begins in its file: standard output may have been written to before
}

// newDirectPath finds whether dst and src, the reader that a transfer made of in, can take the direct path.
func newDirectPath(dst io.Writer, src io.Reader, in *input) (*directPath, bool) {
	bar, plain := progressBehind(src, in)
	if !plain || !in.regular || in.size < directLeast {
		return nil, false
	}
	if d, ok := dst.(*detached); ok {
		dst = d.sink
	}
	out, ok := dst.(*output)
	if !ok || out.sum != nil { // a sum takes the bytes in their order
		return nil, false
	}
	var from int64
	if in.head == nil {
		var err error
		if from, err = in.File.Seek(0, io.SeekCurrent); err != nil || from+in.size != in.info.Size() {
			return nil, false
		}
	}
	p := &directPath{in: in, out: out, size: in.size}
	p.src = io.NewSectionReader(&countingReaderAt{r: in, p: bar}, from, in.size)
	return p, !out.direct || p.ownsStdout()
}

// progressBehind is the progress that src counts for, and whether src is in and nothing else, such as a decoder.
func progressBehind(src io.Reader, in *input) (p *progress, plain bool) {
	if c, ok := src.(*countingReader); ok {
		p, src = c.progress, c.Reader
	}
	return p, src == io.Reader(in)
}

// ownsStdout tells whether standard output is a regular file that takes writes where it is told to, which one opened for appending does not.
func (p *directPath) ownsStdout() bool {
	if p.out.file != os.Stdout || appends(os.Stdout) {
		return false
	}
	info, err := os.Stdout.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	p.base, err = os.Stdout.Seek(0, io.SeekCurrent)
	return err == nil
}

// seal is envelope.Seal without compression.
func (p *directPath) seal(ctx context.Context, key *envelope.DataKey, o envelope.SealOptions) (*format.Header, error) {
	defer moreThreads(o.Workers)()
	w := &directWriter{out: p.out, base: p.base}
	begun := o.Begun
	o.Begun = func(h *format.Header) {
		w.total, _ = payload(h, o.Header != nil).SealedSize(p.size) // a size that is too large fails in SealAt
		if begun != nil {
			begun(h)
		}
	}
	h, err := envelope.SealAt(ctx, w, p.src, p.size, key, o)
	if err != nil {
		return nil, p.explain(err)
	}
	return h, w.finish()
}

// open is envelope.Open. It is for outputs that appear when they are whole: on a failure, what was written has gaps.
func (p *directPath) open(ctx context.Context, o envelope.OpenOptions, id envelope.Identity) (*format.Header, error) {
	defer moreThreads(o.Workers)()
	w := &directWriter{out: p.out}
	check := o.Check
	o.Check = func(h *format.Header) error {
		if h.Compression == format.CompressionNone {
			w.total, _ = payload(h, o.Header != nil).PlaintextSize(p.size)
		}
		if check != nil {
			return check(h)
		}
		return nil
	}
	h, err := envelope.OpenTo(ctx, w, p.src, p.size, o, id)
	return h, p.explain(err)
}

// payload is where the chunks of a file lie.
func payload(h *format.Header, detached bool) format.Layout {
	l := h.Layout()
	if detached {
		l.HeaderLen = 0
	}
	return l
}

// explain names the input that has become shorter. Where it did so before its last chunk was opened, it looks like one that was cut off long ago.
func (p *directPath) explain(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, envelope.ErrTruncated) && p.in.checkUnchanged() != nil {
		return p.in.changedError()
	}
	return err
}

// moreThreads lets as many goroutines run as there are workers, and two more, since workers sit in system calls most of the time.
func moreThreads(workers int) (back func()) {
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	before := runtime.GOMAXPROCS(workers + 2)
	return func() { runtime.GOMAXPROCS(before) }
}

// directWriter writes to an output at an offset, and has the kernel begin at once to bring it to the disk where it will have to be synced.
type directWriter struct {
	out   *output
	base  int64
	total int64 // bytes that there will be, 0 if that is not known

	once   sync.Once
	failed error // why there is no room for so many
}

// WriteAt implements io.WriterAt. The first call reserves room for all, so that a full disk shows now and the file lies in one piece.
func (w *directWriter) WriteAt(b []byte, off int64) (int, error) {
	w.once.Do(func() {
		if w.total > 0 && !w.out.direct {
			w.failed = reserve(w.out.file, w.total)
		}
	})
	if w.failed != nil {
		return 0, w.out.failure(w.failed)
	}
	n, err := w.out.WriteAt(b, w.base+off)
	if err == nil && w.out.mustSync() {
		startWriteback(w.out.file, w.base+off, int64(n))
	}
	return n, err
}

// finish leaves the position of standard output behind what was written, where whoever writes next goes on.
func (w *directWriter) finish() error {
	if !w.out.direct {
		return nil
	}
	if _, err := w.out.file.Seek(w.base+w.total, io.SeekStart); err != nil {
		return w.out.failure(err)
	}
	return nil
}

// countingReaderAt shows the progress of reads at offsets.
type countingReaderAt struct {
	r io.ReaderAt
	p *progress
}

func (c *countingReaderAt) ReadAt(b []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(b, off)
	c.p.add(int64(n))
	return n, err
}
