package envelope

import (
	"bytes"
	"testing"

	"github.com/envseal/envseal/envelope/internal/stream"
	"github.com/envseal/envseal/format"
)

// At the end only what held data is wiped: with a small file in large chunks, the rest of the
// buffers' pages is never touched.
func TestBuffersKnowWhatHeldData(t *testing.T) {
	const unit = 1 << format.MaxChunkSizeLog2
	for _, size := range []int{0, 1, 100, unit, unit + 1, 2 * unit} {
		var jobs jobs
		b, err := jobs.add(unit, unit+format.TagSize)
		if err != nil {
			t.Fatal(err)
		}
		src := stream.NewSource(bytes.NewReader(bytes.Repeat([]byte{1}, size)), unit)
		job := &flowJob{flow: &flow{src: src, unit: unit}, buffers: b}
		for job.Fill() {
		}
		if job.readErr != nil {
			t.Fatal(job.readErr)
		}
		if held := len(bytes.TrimRight(b.in, "\x00")); b.inUsed != held {
			t.Errorf("%d bytes: %d held data, %d would be wiped", size, held, b.inUsed)
		}
		jobs.free()
	}
}
