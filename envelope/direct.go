package envelope

import (
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
// that proves shorter is io.ErrUnexpectedEOF; the caller must see whether it has grown. One of too
// many chunks is [ErrTooLarge] before anything is written. With opts.Compress no chunk's place is
// known in advance, so it is Seal then.
func SealAt(ctx context.Context, dst io.WriterAt, src io.ReaderAt, size int64, key *DataKey,
	opts SealOptions) (*format.Header, error) {
	if size < 0 {
		return nil, fmt.Errorf("input of %d bytes: the size is negative", size)
	}
	if opts.Compress != LevelNone {
		return Seal(ctx, io.NewOffsetWriter(dst, 0),
			section{io.NewSectionReader(src, 0, size)}, key, opts)
	}
	h, aead, err := begin(ctx, key, opts)
	if err != nil {
		return nil, err
	}
	defer aead.Destroy()
	if _, err := h.Layout().SealedSize(size); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	if err := writeHeader(h, io.NewOffsetWriter(dst, 0), opts); err != nil {
		return nil, err
	}
	s := &directSealer{dst: dst, src: src, aead: aead, size: size, layout: h.Layout()}
	if opts.Header != nil {
		s.layout.HeaderLen = 0
	}
	if err := s.run(ctx, workers(opts.Workers)); err != nil {
		return nil, err
	}
	return h, nil
}

// section is an input that must have all its bytes: at an early end, Seal would finish a file of a
// part of them.
type section struct{ *io.SectionReader }

func (s section) Read(p []byte) (int, error) {
	n, err := s.SectionReader.Read(p)
	if err == io.EOF {
		if at, _ := s.Seek(0, io.SeekCurrent); at < s.Size() {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// directSealer is what the workers of one SealAt share.
type directSealer struct {
	dst    io.WriterAt
	src    io.ReaderAt
	aead   *secret.AEAD
	size   int64
	layout format.Layout
}

// perRun is how many chunks a run has.
func perRun(l format.Layout) int64 { return int64(max(1, runSize/l.ChunkSize)) }

func (s *directSealer) run(ctx context.Context, workers int) error {
	chunks, per := s.layout.Chunks(s.size), perRun(s.layout)
	var all freeList
	defer all.free()
	return stream.Direct(ctx, workers, (chunks+per-1)/per, func() (func(int64) error, error) {
		chunk := s.layout.ChunkSize
		in, err := all.add(int(per) * chunk)
		if err != nil {
			return nil, err
		}
		out, err := all.add(int(per) * (chunk + format.TagSize))
		if err != nil {
			return nil, err
		}
		j := &directSealJob{directSealer: s, in: in, out: out}
		j.work = j.seal
		return func(run int64) error { return j.do(run*per, min(per, chunks-run*per)) }, nil
	})
}

type directSealJob struct {
	*directSealer
	in, out []byte
	nonce   [12]byte
	first   int64
	plain   []byte // of the run
	sealed  int
	work    func()
}

// do seals n chunks from first on.
func (j *directSealJob) do(first, n int64) error {
	chunk := int64(j.layout.ChunkSize)
	want := min(n*chunk, j.size-first*chunk)
	j.first, j.plain = first, j.in[:want]
	if err := readFull(j.src, j.plain, first*chunk, io.ErrUnexpectedEOF); err != nil {
		return err
	}
	secret.Quiet(j.work)
	_, err := j.dst.WriteAt(j.out[:j.sealed], j.layout.Offset(first))
	return err
}

func (j *directSealJob) seal() {
	j.sealed = 0
	last := j.layout.Chunks(j.size) - 1
	plain := j.plain
	for i := j.first; ; i++ {
		n := min(j.layout.ChunkSize, len(plain))
		format.PutNonce(&j.nonce, uint64(i), i == last)
		j.sealed += len(j.aead.Seal(j.out[j.sealed:j.sealed], j.nonce[:], plain[:n], nil))
		if plain = plain[n:]; len(plain) == 0 {
			return
		}
	}
}

// OpenTo is Open for files: the sealed file, of size bytes, can be read at any offset, and the
// output written so. It opens the last chunk first, so a file that was cut fails before anything is
// written. One that becomes shorter after that is io.ErrUnexpectedEOF. After an error the content
// of dst must be discarded. A compressed file is opened by Open.
func OpenTo(ctx context.Context, dst io.WriterAt, src io.ReaderAt, size int64, opts OpenOptions,
	ids ...Identity) (*format.Header, error) {
	h, aead, layout, err := unlockAt(ctx, src, size, opts, ids)
	if err != nil {
		return h, err
	}
	defer aead.Destroy()
	if h.Compression != format.CompressionNone && !opts.NoDecompress {
		return h, openStream(ctx, io.NewOffsetWriter(dst, 0),
			io.NewSectionReader(src, layout.HeaderLen, size-layout.HeaderLen), h, aead, opts)
	}
	r, err := newChunkReader(src, layout, size)
	if err != nil {
		return h, err
	}
	if opts.MaxSize > 0 && r.size > opts.MaxSize {
		return h, ErrMaxSize
	}
	r.aead = aead
	err = r.checkEnd()
	r.windows.wipe() // of the last chunk, which is opened again in its turn
	if err != nil {
		return h, err
	}
	return h, r.copyTo(ctx, dst, workers(opts.Workers))
}

// copyTo opens all chunks on several workers. Each writes where its chunks belong.
func (r *chunkReader) copyTo(ctx context.Context, dst io.WriterAt, workers int) error {
	per := perRun(r.layout)
	var all freeList
	defer all.free()
	return stream.Direct(ctx, workers, (r.chunks+per-1)/per, func() (func(int64) error, error) {
		in, err := all.add(int(per) * r.sealedChunk())
		if err != nil {
			return nil, err
		}
		out, err := all.add(int(per) * r.layout.ChunkSize)
		if err != nil {
			return nil, err
		}
		j := &directOpenJob{chunkReader: r, dst: dst, in: in, out: out, opener: chunkOpener{aead: r.aead}}
		j.work = j.open
		return func(run int64) error { return j.do(run*per, min(per, r.chunks-run*per)) }, nil
	})
}

type directOpenJob struct {
	*chunkReader
	dst     io.WriterAt
	in, out []byte
	opener  chunkOpener
	first   int64
	sealed  []byte
	plain   int
	err     error
	work    func()
}

// do opens n chunks from first on.
func (j *directOpenJob) do(first, n int64) error {
	length, err := j.sealedLen(first, first+n-1)
	if err != nil {
		return err
	}
	j.first, j.sealed = first, j.in[:length]
	if err := readFull(j.src, j.sealed, j.layout.Offset(first), io.ErrUnexpectedEOF); err != nil {
		return err
	}
	// Into memory of our own first: opening reads the bytes twice, and somebody who writes the file
	// meanwhile must not come in between.
	secret.Quiet(j.work)
	if j.err != nil {
		return j.err
	}
	_, err = j.dst.WriteAt(j.out[:j.plain], first*int64(j.layout.ChunkSize))
	return err
}

func (j *directOpenJob) open() {
	j.plain, j.err = 0, nil
	sealed := j.sealed
	for i := j.first; len(sealed) > 0; i++ {
		exp := inside
		if i == j.chunks-1 {
			exp = ending
		}
		n := min(j.sealedChunk(), len(sealed))
		plain, _, err := j.opener.open(j.out[j.plain:j.plain], sealed[:n], uint64(i), exp)
		if err != nil {
			j.err = fmt.Errorf("chunk %d: %w", i, err)
			return
		}
		j.plain += len(plain)
		sealed = sealed[n:]
	}
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
