package envelope

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/envseal/envseal/envelope/internal/secret"
	"github.com/envseal/envseal/envelope/internal/stream"
	"github.com/envseal/envseal/format"
)

// runSize is about how many bytes a worker of the direct path takes at a time. Half as many, and
// twice as many, were measured to be slower.
const runSize = 1 << 20

// SealAt is Seal for files: the input, of size bytes, can be read at any offset, and the output
// written so. No worker waits for another. dst gets a whole sealed file from offset 0. An input
// that proves shorter is io.ErrUnexpectedEOF, and one that proves longer is [ErrGrown]: src is
// asked for a byte at size. One of too many chunks is [ErrTooLarge] before anything is written. The
// last chunk is written when all others are, so that after an error dst passes for no sealed file.
// With opts.Compress no chunk's place is known in advance, so it is Seal then.
func SealAt(ctx context.Context, dst io.WriterAt, src io.ReaderAt, size int64, key *DataKey,
	opts SealOptions) (*format.Header, error) {
	if size < 0 {
		return nil, fmt.Errorf("input of %d bytes: the size is negative", size)
	}
	if opts.Compress != LevelNone {
		return Seal(ctx, io.NewOffsetWriter(dst, 0),
			section{io.NewSectionReader(src, 0, size)}, key, opts)
	}
	h, payload, err := begin(ctx, key, opts)
	if err != nil {
		return nil, err
	}
	defer payload.Destroy()
	if _, err := h.Layout().SealedSize(size); err != nil {
		return nil, err
	}
	if err := writeHeader(h, io.NewOffsetWriter(dst, 0), opts); err != nil {
		return nil, err
	}
	sealed := side{h.Length, payload.size + format.TagSize}
	if opts.Header != nil {
		sealed.start = 0
	}
	d := &directPass{src: src, dst: dst, in: side{0, payload.size}, out: sealed, end: size,
		key: payload, crypt: (*chunker).seal, lastAlone: true}
	if err := d.run(ctx, size, workers(opts.Workers)); err != nil {
		return nil, err
	}
	return h, nil
}

// checkEnds fails if src has more than size bytes.
func checkEnds(src io.ReaderAt, size int64) error {
	switch n, err := src.ReadAt(make([]byte, 1), size); {
	case n > 0:
		return ErrGrown
	case err != nil && err != io.EOF:
		return err
	}
	return nil
}

// section is an input that must have all its bytes, and no more: at another end, Seal would finish
// a file of a part of them.
type section struct{ *io.SectionReader }

func (s section) Read(p []byte) (int, error) {
	n, err := s.SectionReader.Read(p)
	if err != io.EOF {
		return n, err
	}
	if at, _ := s.Seek(0, io.SeekCurrent); at < s.Size() {
		return n, io.ErrUnexpectedEOF
	}
	src, start, size := s.Outer()
	return n, cmp.Or(checkEnds(src, start+size), err)
}

// OpenTo is Open for files: the sealed file, of size bytes, can be read at any offset, and the
// output written so. It opens the last chunk first, so a file that was cut fails before anything is
// written. One that becomes shorter after that is io.ErrUnexpectedEOF. After an error the content
// of dst must be discarded. A compressed file is opened by Open.
func OpenTo(ctx context.Context, dst io.WriterAt, src io.ReaderAt, size int64, opts OpenOptions,
	ids ...Identity) (*format.Header, error) {
	h, payload, layout, err := unlockAt(ctx, src, size, opts, ids)
	if err != nil {
		return h, err
	}
	defer payload.Destroy()
	if h.Compression != format.CompressionNone && !opts.NoDecompress {
		return h, openStream(ctx, io.NewOffsetWriter(dst, 0),
			io.NewSectionReader(src, layout.HeaderLen, size-layout.HeaderLen), h, payload, opts)
	}
	r, err := newChunkReader(src, layout, size, payload)
	if err != nil {
		return h, err
	}
	if opts.MaxSize > 0 && r.size > opts.MaxSize {
		return h, ErrMaxSize
	}
	err = r.checkEnd()
	r.windows.wipe() // of the last chunk, which is opened again in its turn
	if err != nil {
		return h, err
	}
	d := &directPass{src: src, dst: dst, in: side{layout.HeaderLen, payload.size + format.TagSize},
		out: side{0, payload.size}, end: size, key: payload, crypt: (*chunker).open}
	return h, d.run(ctx, r.size, workers(opts.Workers))
}

// side is where the chunks of a file lie, before or after.
type side struct {
	start int64 // of the first chunk
	unit  int   // bytes of a full chunk
}

func (s side) at(chunk int64) int64 { return s.start + chunk*int64(s.unit) }

// directPass seals or opens the chunks of one file. Its workers share it.
type directPass struct {
	src     io.ReaderAt
	dst     io.WriterAt
	in, out side
	end     int64 // of src
	key     *payloadKey
	crypt   crypt
	perRun  int64
	runs    int64
	// lastAlone has the last run wait for all others, and for src to end where it is said to.
	lastAlone bool
}

// run works on plain bytes of plaintext. An empty last chunk belongs to the last run: it is worth
// no worker and no write of its own.
func (d *directPass) run(ctx context.Context, plain int64, workers int) error {
	d.perRun = int64(max(1, runSize/d.key.size))
	each := d.perRun * int64(d.key.size)
	d.runs = max(1, (plain+each-1)/each)
	if !d.lastAlone {
		return d.runFrom(ctx, 0, d.runs, workers)
	}
	if err := d.runFrom(ctx, 0, d.runs-1, workers); err != nil {
		return err
	}
	if err := cmp.Or(context.Cause(ctx), checkEnds(d.src, d.end)); err != nil {
		return err
	}
	return d.runFrom(ctx, d.runs-1, 1, workers)
}

func (d *directPass) runFrom(ctx context.Context, first, runs int64, workers int) error {
	var all freeList
	defer all.free()
	return stream.Direct(ctx, workers, runs, func() (func(int64) error, error) {
		in, err := all.add(int(d.perRun)*d.in.unit + format.TagSize)
		if err != nil {
			return nil, err
		}
		out, err := all.add(int(d.perRun)*d.out.unit + format.TagSize)
		if err != nil {
			return nil, err
		}
		j := &directJob{directPass: d, inBuf: in, outBuf: out, chunks: chunker{payloadKey: d.key}}
		j.work = j.process
		return func(run int64) error { return j.do(first + run) }, nil
	})
}

type directJob struct {
	*directPass
	inBuf, outBuf []byte
	chunks        chunker
	first         int64
	final         bool
	from, to      []byte
	err           error
	work          func()
}

// do works on one run. It reads into memory of its own first: opening reads the bytes twice, and
// somebody who writes the file meanwhile must not come in between.
func (j *directJob) do(run int64) error {
	j.first, j.final = run*j.perRun, run == j.runs-1
	at, n := j.in.at(j.first), j.perRun*int64(j.in.unit)
	if j.final {
		n = j.end - at
	}
	j.from = j.inBuf[:n]
	if err := readFull(j.src, j.from, at, io.ErrUnexpectedEOF); err != nil {
		return err
	}
	secret.Quiet(j.work)
	if j.err != nil {
		return j.err
	}
	_, err := j.dst.WriteAt(j.to, j.out.at(j.first))
	return err
}

func (j *directJob) process() {
	j.to, j.err = j.crypt(&j.chunks, j.outBuf[:0], j.from, uint64(j.first), j.final)
}

// readFull reads exactly len(p) bytes at off. If src ends before, the error is short. A failure of
// src comes as it is, even io.ErrUnexpectedEOF.
func readFull(src io.ReaderAt, p []byte, off int64, short error) error {
	n, err := src.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == io.EOF || err == nil:
		return short
	}
	return err
}

// freeList are buffers that several goroutines make, to be wiped and given back together.
type freeList struct {
	mu  sync.Mutex
	all []*stream.Buffer
}

func (l *freeList) add(n int) ([]byte, error) {
	b, err := stream.NewBuffer(n)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, b)
	return b.Bytes(), nil
}

func (l *freeList) free() {
	for _, b := range l.all {
		b.Free(len(b.Bytes()))
	}
}
