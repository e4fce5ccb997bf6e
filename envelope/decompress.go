package envelope

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/envseal/envseal/envelope/internal/stream"
	"github.com/envseal/envseal/envelope/internal/zstdseek"
)

// frameBuffer is how many bytes of the compressed stream are read at a time: those of a batch of
// chunks.
const frameBuffer = batchSize

// openCompressed gets a zstd stream from open, which reads sealed, and writes the stream's content.
//
// A cut or altered file is called that, whatever becomes of the stream in it. The error of opening
// reaches the reader of the frames as such, never as an end, and takes precedence.
func openCompressed(ctx context.Context, dst io.Writer, sealed io.Reader, opts OpenOptions,
	open func(io.Writer) error) error {
	opening, err := piped(sealed, open, func(src *between) error {
		buf, err := stream.NewBuffer(frameBuffer)
		if err != nil {
			return err
		}
		d := &decompressor{src: zstdseek.NewReader(src, buf.Bytes()), from: src, dst: dst}
		defer func() {
			buf.Free(d.src.Buffered())
			d.free()
		}()
		return stream.Run(ctx, workers(opts.Workers), d.newJob)
	})
	if errors.Is(err, zstdseek.ErrMalformed) && opening != nil && !errors.Is(opening, errAbandoned) {
		return opening
	}
	return asCompression(err)
}

// asCompression gives the codec's errors the name that callers know.
func asCompression(err error) error {
	if errors.Is(err, zstdseek.ErrMalformed) {
		return fmt.Errorf("%w: %w", ErrCompression, err)
	}
	return err
}

// decompressor is what the jobs of one stage share.
type decompressor struct {
	src    *zstdseek.Reader
	from   *between // what src reads
	dst    io.Writer
	frames uint64 // read so far; touched by Fill only
	jobs   []*decompressJob
}

// decompressJob is one worker's frame.
type decompressJob struct {
	*decompressor
	decoder *zstdseek.Decoder
	in, out *stream.Buffer
	inUsed  int
	outUsed int

	n       int // bytes of the frame
	size    int // bytes of its content
	frame   uint64
	content []byte
	err     error // io.EOF: the stream has ended as it should
}

func (d *decompressor) newJob() (stream.Job, error) {
	in, err := stream.NewBuffer(zstdseek.MaxFrame)
	if err != nil {
		return nil, err
	}
	out, err := stream.NewBuffer(zstdseek.ContentRoom)
	if err != nil {
		in.Free(0)
		return nil, err
	}
	j := &decompressJob{decompressor: d, in: in, out: out}
	d.jobs = append(d.jobs, j)
	j.decoder, err = zstdseek.NewDecoder()
	return j, err
}

func (d *decompressor) free() {
	for _, j := range d.jobs {
		j.in.Free(j.inUsed)
		j.out.Free(j.outUsed)
		if j.decoder != nil {
			j.decoder.Release()
		}
	}
}

func (j *decompressJob) Fill() (more bool) {
	j.n, j.size, j.err = j.src.Next(j.in.Bytes())
	j.inUsed = max(j.inUsed, j.n)
	if j.err != nil && j.err != io.EOF {
		j.inUsed = zstdseek.MaxFrame // a piece of a frame may be there
	}
	j.frame = j.frames
	j.frames++
	return j.err == nil
}

func (j *decompressJob) Work() {
	if j.err != nil {
		return
	}
	j.content, j.err = j.decoder.Decode(j.out.Bytes(), j.in.Bytes()[:j.n], j.size)
	j.outUsed = max(j.outUsed, j.size)
	if j.err != nil {
		j.outUsed = zstdseek.ContentRoom // whatever it left
		j.err = fmt.Errorf("frame %d: %w", j.frame, j.err)
	}
}

// Interrupt implements stream.Interrupter.
func (j *decompressJob) Interrupt() { j.from.Interrupt() }

func (j *decompressJob) Drain() error {
	switch {
	case j.err == io.EOF:
		return nil
	case j.err != nil:
		return j.err
	case len(j.content) == 0:
		return nil
	}
	_, err := j.dst.Write(j.content)
	return err
}
