package envelope

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/envseal/envseal/envelope/internal/stream"
	"github.com/envseal/envseal/envelope/internal/zstdseek"
)

// Compression is a stage of its own before sealing and after opening, and each stage has its
// workers. The stages meet in a pipe without a buffer: one copies what the other holds. So chunks
// and frames need not know each other. A worker that did both would need a turn in the middle of
// its work to learn where its chunks begin. That would win nothing: compressing alone, on the same
// cores, takes 2 % less time.

// errAbandoned is what the writing stage sees when the reading one has given up. No caller gets it.
var errAbandoned = errors.New("the next stage has ended")

// between is where the second of two stages reads what the first one writes.
type between struct {
	*io.PipeReader
	src       io.Reader // that of the first stage
	abandoned atomic.Bool
}

// Interrupt ends the reading here and in the first stage.
func (b *between) Interrupt() {
	b.abandoned.Store(true)
	b.CloseWithError(errAbandoned)
	stream.Interrupt(b.src)
}

// piped runs two stages until both have ended. The first one reads src. What it returns is the
// error of second's reader; nil is io.EOF.
func piped(src io.Reader, first func(io.Writer) error,
	second func(*between) error) (firstErr, secondErr error) {
	pr, w := io.Pipe()
	r := &between{PipeReader: pr, src: src}
	ended := make(chan error, 1)
	go func() {
		err := first(w)
		if err != nil && r.abandoned.Load() {
			err = errAbandoned // whatever an interrupted source said
		}
		if err == io.EOF {
			err = fmt.Errorf("input: %w", err) // as it is, it would pass for a good end
		}
		w.CloseWithError(err)
		ended <- err
	}()
	if secondErr = second(r); secondErr != nil {
		r.Interrupt()
	}
	r.CloseWithError(errAbandoned)
	return <-ended, secondErr
}

// sealCompressed hands src to seal as a zstd stream.
func sealCompressed(ctx context.Context, src io.Reader, opts SealOptions,
	seal func(io.Reader) error) error {
	_, err := piped(src, func(dst io.Writer) error {
		c := &compressor{src: src, dst: dst}
		defer c.free()
		return stream.Run(ctx, workers(opts.Workers),
			func() (stream.Job, error) { return c.newJob(opts.Compress) })
	}, func(src *between) error { return seal(src) })
	return err
}

// compressor is what the jobs of one stage share.
type compressor struct {
	src   io.Reader
	dst   io.Writer
	table zstdseek.Table // touched by Drain only
	jobs  []*compressJob
}

// compressJob is one worker's frame.
type compressJob struct {
	*compressor
	encoder *zstdseek.Encoder
	in, out *stream.Buffer
	inUsed  int
	outUsed int

	n     int // bytes of content
	final bool
	err   error
	frame []byte
}

func (c *compressor) newJob(level Level) (*compressJob, error) {
	in, err := stream.NewBuffer(zstdseek.FrameContent)
	if err != nil {
		return nil, err
	}
	out, err := stream.NewBuffer(zstdseek.EncodedRoom)
	if err != nil {
		in.Free(0)
		return nil, err
	}
	j := &compressJob{compressor: c, in: in, out: out}
	c.jobs = append(c.jobs, j)
	j.encoder, err = zstdseek.NewEncoder(zstdseek.Level(level - LevelFastest))
	return j, err
}

func (c *compressor) free() {
	for _, j := range c.jobs {
		j.in.Free(j.inUsed)
		j.out.Free(j.outUsed)
		if j.encoder != nil {
			j.encoder.Release()
		}
	}
}

func (j *compressJob) Fill() (more bool) {
	j.n, j.final, j.err = stream.ReadWhole(j.src, j.in.Bytes())
	j.inUsed = max(j.inUsed, j.n)
	return !j.final && j.err == nil
}

func (j *compressJob) Work() {
	j.frame = j.out.Bytes()[:0]
	if j.err == nil && j.n > 0 {
		j.frame = j.encoder.AppendFrame(j.frame, j.in.Bytes()[:j.n])
		j.outUsed = max(j.outUsed, len(j.frame))
	}
}

// Interrupt implements stream.Interrupter.
func (j *compressJob) Interrupt() { stream.Interrupt(j.src) }

func (j *compressJob) Drain() error {
	if j.err != nil {
		return j.err
	}
	if len(j.frame) > 0 {
		if err := j.table.Add(len(j.frame), j.n); err != nil {
			return fmt.Errorf("%w: %w", ErrTooLarge, err)
		}
		if _, err := j.dst.Write(j.frame); err != nil {
			return err
		}
	}
	if j.final {
		_, err := j.table.WriteTo(j.dst)
		return err
	}
	return nil
}
