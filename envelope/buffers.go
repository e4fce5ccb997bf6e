package envelope

import (
	"github.com/envseal/envseal/envelope/internal/stream"
	"github.com/envseal/envseal/format"
)

// buffers are the two sides of one worker: what it reads, and what it makes of it. They are apart
// for two reasons: tags make a chunk longer, and still it is read and written in one piece with its
// neighbours. And a failed Open can look at the ciphertext again.
type buffers struct {
	in, outBuf []byte
	inUsed     int
	inMem      *stream.Buffer
	outMem     *stream.Buffer
}

// jobs are the buffers of all workers of one stream.
type jobs []*buffers

// add makes buffers for a batch of chunks that have inUnit bytes on the way in and outUnit on the
// way out. Sealing the end of the input may bring an empty chunk more.
func (js *jobs) add(inUnit, outUnit int) (*buffers, error) {
	units := max(1, batchSize/inUnit)
	in, err := stream.NewBuffer(units * inUnit)
	if err != nil {
		return nil, err
	}
	out, err := stream.NewBuffer(units*outUnit + format.TagSize)
	if err != nil {
		in.Free(0)
		return nil, err
	}
	b := &buffers{in: in.Bytes(), outBuf: out.Bytes(), inMem: in, outMem: out}
	*js = append(*js, b)
	return b, nil
}

// filled notes that a Fill brought n bytes to process and, after them, those carried over to the
// next batch.
func (b *buffers) filled(n, carried int) { b.inUsed = max(b.inUsed, n+carried) }

// free wipes and releases everything, once, at the end.
func (js *jobs) free() {
	for _, b := range *js {
		b.inMem.Free(b.inUsed)
		// plaintext takes no more room than it took sealed; sealed chunks take more, but are no secret
		b.outMem.Free(b.inUsed)
	}
	*js = nil
}
