package envelope

import (
	"context"
	"io"

	"github.com/envseal/envseal/envelope/internal/secret"
	"github.com/envseal/envseal/envelope/internal/stream"
	"github.com/envseal/envseal/format"
)

// flow seals or opens the chunks of one stream. Its jobs share it.
type flow struct {
	src   *stream.Source
	dst   io.Writer
	key   *payloadKey
	crypt crypt
	unit  int    // bytes of a full chunk on the way in
	next  uint64 // number of the next chunk; touched by Fill only
}

// sealFlow seals all of src.
func sealFlow(ctx context.Context, dst io.Writer, src io.Reader, key *payloadKey,
	workers int) error {
	f := &flow{dst: dst, key: key, crypt: (*chunker).seal, unit: key.size}
	return f.run(ctx, src, workers, key.size+format.TagSize)
}

// openFlow opens all of src.
func openFlow(ctx context.Context, dst io.Writer, src io.Reader, key *payloadKey,
	workers int) error {
	f := &flow{dst: dst, key: key, crypt: (*chunker).open, unit: key.size + format.TagSize}
	return f.run(ctx, src, workers, key.size)
}

func (f *flow) run(ctx context.Context, src io.Reader, workers, outUnit int) error {
	f.src = stream.NewSource(src, f.unit)
	defer f.src.Wipe()
	var jobs jobs
	defer jobs.free()
	return stream.Run(ctx, workers, func() (stream.Job, error) {
		b, err := jobs.add(f.unit, outUnit)
		j := &flowJob{flow: f, buffers: b, chunks: chunker{payloadKey: f.key}}
		j.work = j.process
		return j, err
	})
}

// flowJob is one worker's batch.
type flowJob struct {
	*flow
	*buffers
	chunks  chunker
	first   uint64 // number of the first chunk
	n       int
	final   bool // the input ends behind this batch
	readErr error

	work func() // process, as a value made once
	out  []byte
	err  error
}

// Fill implements stream.Job. What has arrived whole is good; a failure comes behind it.
func (j *flowJob) Fill() (more bool) {
	j.n, j.final, j.readErr = j.src.Fill(j.in)
	j.filled(j.n, j.src.Carried())
	j.first = j.next
	j.next += uint64(j.n / j.unit)
	return !j.final && j.readErr == nil
}

// Work runs without signals: one could leave a round key in its frame.
func (j *flowJob) Work() { secret.Quiet(j.work) }

func (j *flowJob) process() {
	j.out, j.err = j.crypt(&j.chunks, j.outBuf[:0], j.in[:j.n], j.first, j.final)
}

// Interrupt implements stream.Interrupter.
func (j *flowJob) Interrupt() { j.src.Interrupt() }

func (j *flowJob) Drain() error {
	if len(j.out) > 0 {
		if _, err := j.dst.Write(j.out); err != nil {
			return err
		}
	}
	if j.err != nil {
		return j.err
	}
	return j.readErr
}
