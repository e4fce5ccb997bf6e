package envelope

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/envseal/envseal/envelope/internal/secret"
	"github.com/envseal/envseal/envelope/internal/stream"
	"github.com/envseal/envseal/format"
)

// OpenOptions of Open, Verify and OpenAt. The zero value is right for most files.
type OpenOptions struct {
	// Workers is how many batches are worked on at a time; 0 means one per core.
	Workers int
	// MaxSlots is how many key slots a header may have; 0 means format.DefaultMaxSlots.
	MaxSlots int
	// Check, if set, sees the header before any identity does. Its error ends the call: a policy on keys or the encryption context refuses here,
	// before a key service is asked. Nothing in the header is authenticated yet.
	Check func(*format.Header) error
	// Header, if set, is where a detached header is read from, to its end; src then has the chunks alone.
	Header io.Reader
}

// Open reads a sealed file from src to its end and writes its plaintext to dst. It returns the header as soon as there is one, also with an error.
//
// Identities are asked in their order until one gives a key. Every byte written has been authenticated, in its place; on an error, dst holds a prefix of the plaintext in whole chunks and
// must be discarded. No error means that all of the file was there and nothing behind it. A chunk that has arrived whole is written without waiting for the next.
func Open(ctx context.Context, dst io.Writer, src io.Reader, opts OpenOptions, ids ...Identity) (*format.Header, error) {
	h, err := readHeader(src, opts)
	if err != nil {
		return nil, err
	}
	aead, err := unlock(ctx, h, opts, ids)
	if err != nil {
		return h, err
	}
	defer aead.Destroy()
	unit := h.ChunkSize() + format.TagSize
	o := &opener{
		src:  stream.NewSource(src, unit, false),
		dst:  dst,
		size: unit,
	}
	var jobs jobs
	defer jobs.free()
	return h, stream.Run(ctx, workers(opts.Workers), func() (stream.Job, error) {
		b, err := jobs.add(unit, h.ChunkSize())
		j := &openJob{opener: o, buffers: b, chunks: chunkOpener{aead: aead}}
		j.work = j.open
		return j, err
	})
}

// readHeader reads the header in front of the chunks, or the one apart from them.
func readHeader(src io.Reader, opts OpenOptions) (*format.Header, error) {
	limits := format.Limits{MaxSlots: opts.MaxSlots}
	if opts.Header == nil {
		return format.ReadHeader(src, limits)
	}
	h, err := format.ReadHeader(opts.Header, limits)
	if err != nil {
		return nil, fmt.Errorf("header file: %w", err)
	}
	var more [1]byte
	switch n, err := opts.Header.Read(more[:]); {
	case n > 0:
		return nil, fmt.Errorf("header file: %w: it holds more than a header", format.ErrDamaged)
	case err != nil && err != io.EOF:
		return nil, fmt.Errorf("header file: %w", err)
	}
	return h, nil
}

// Verify reads and authenticates all of a sealed file and writes nothing.
func Verify(ctx context.Context, src io.Reader, opts OpenOptions, ids ...Identity) (*format.Header, error) {
	return Open(ctx, io.Discard, src, opts, ids...)
}

// unlock gets the data key from the header's slots and derives the payload key, which it checks against the commitment.
func unlock(ctx context.Context, h *format.Header, opts OpenOptions, ids []Identity) (*secret.AEAD, error) {
	if opts.Check != nil {
		if err := opts.Check(h); err != nil {
			return nil, err
		}
	}
	if h.Compression != format.CompressionNone {
		return nil, fmt.Errorf("%s: %w", h.Compression, ErrCompression)
	}
	key, err := unwrap(ctx, h, ids)
	if err != nil {
		return nil, err
	}
	defer key.Destroy()
	if err := checkDataKey(key); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCommitment, err)
	}
	return deriveChecked(key.Bytes(), h)
}

// unwrap asks the identities in their order. An identity for which there is no slot says nothing about the file, so its error is told only when there is no other.
func unwrap(ctx context.Context, h *format.Header, ids []Identity) (Secret, error) {
	var failed, unmatched []error
	for _, id := range ids {
		key, err := id.Unwrap(ctx, h)
		if err == nil {
			return key, nil
		}
		if errors.Is(err, ErrNoMatch) {
			unmatched = append(unmatched, err)
		} else {
			failed = append(failed, err)
		}
	}
	if len(failed) > 0 {
		return nil, errors.Join(failed...)
	}
	if len(unmatched) > 0 {
		return nil, errors.Join(unmatched...)
	}
	return nil, ErrNoMatch
}

// opener is what the jobs of one Open share.
type opener struct {
	src      *stream.Source
	dst      io.Writer
	size     int    // sealed bytes in a chunk
	next     uint64 // number of the next chunk; touched by Fill only
	finished bool   // the last chunk has been written; touched by Drain only
}

// openJob is one worker's batch.
type openJob struct {
	*opener
	*buffers
	chunks  chunkOpener
	first   uint64
	n       int
	final   bool // the input ends behind this batch
	certain bool // something follows this batch
	readErr error

	work     func() // open, as a value made once
	out      int
	sawLast  bool
	chunkErr error
}

func (j *openJob) Fill() (more bool) {
	j.n, j.final, j.certain, j.readErr = j.src.Fill(j.in)
	j.inUsed = max(j.inUsed, j.n)
	j.first = j.next
	j.next += uint64((j.n + j.size - 1) / j.size)
	if j.readErr != nil {
		j.n = j.n / j.size * j.size // what has arrived whole is good; the failure comes behind it
		return false
	}
	return !j.final
}

// Work runs without signals, one of which could leave a round key in its frame.
func (j *openJob) Work() {
	j.out, j.sawLast, j.chunkErr = 0, false, nil
	secret.Quiet(j.work)
}

func (j *openJob) open() {
	sealed := j.in[:j.n]
	for i := j.first; len(sealed) > 0; i++ {
		n := min(j.size, len(sealed))
		atEnd := n == len(sealed)
		plain, last, err := j.chunks.open(j.outBuf[j.out:j.out], sealed[:n], i, j.expect(atEnd))
		j.out += len(plain)
		j.sawLast = last
		if err != nil {
			j.chunkErr = fmt.Errorf("chunk %d: %w", i, err)
			return
		}
		sealed = sealed[n:]
	}
}

// expect is what is known of a chunk before it is opened.
func (j *openJob) expect(atEnd bool) expectation {
	switch {
	case !atEnd || j.certain:
		return inside
	case j.final:
		return ending
	}
	return unknown
}

func (j *openJob) Drain() error {
	if j.finished {
		if j.n > 0 {
			return ErrTrailing
		}
		return j.readErr
	}
	if j.out > 0 {
		if _, err := j.dst.Write(j.outBuf[:j.out]); err != nil {
			return err
		}
	}
	j.finished = j.sawLast
	switch {
	case j.chunkErr != nil:
		return j.chunkErr
	case j.readErr != nil:
		return j.readErr
	case j.final && !j.finished:
		return ErrTruncated
	}
	return nil
}
