package envelope

import "github.com/envseal/envseal/envelope/internal/stream"

// buffers are the two sides of one worker: what it reads and what it makes of it. They are apart from each other, so that a chunk is read and written
// in one piece with its neighbours although tags make it longer, and so that a failed Open can look at the ciphertext again.
type buffers struct {
	in, outBuf []byte
	inUsed     int
	inMem      *stream.Buffer
	outMem     *stream.Buffer
}

// jobs are the buffers of all workers of one stream.
type jobs []*buffers

// add makes buffers for a batch of chunks that have inUnit bytes on the way in and outUnit on the way out.
// One byte more than the batch is read at a time, so one chunk more may come out at the end of the input.
func (js *jobs) add(inUnit, outUnit int) (*buffers, error) {
	units := max(1, batchSize/inUnit)
	in, err := stream.NewBuffer(units*inUnit + 1)
	if err != nil {
		return nil, err
	}
	out, err := stream.NewBuffer((units + 1) * outUnit)
	if err != nil {
		in.Free(0)
		return nil, err
	}
	b := &buffers{in: in.Bytes(), outBuf: out.Bytes(), inMem: in, outMem: out}
	*js = append(*js, b)
	return b, nil
}

// filled notes that a Fill brought n bytes to process. Behind them lie those that it carried over to the next batch.
func (b *buffers) filled(n, carried int) { b.inUsed = max(b.inUsed, n+carried) }

// free wipes and releases everything, once, at the end.
func (js *jobs) free() {
	for _, b := range *js {
		b.inMem.Free(b.inUsed)
		b.outMem.Free(b.inUsed) // plaintext takes no more room than it took sealed; sealed chunks, which take more, are no secret
	}
	*js = nil
}
