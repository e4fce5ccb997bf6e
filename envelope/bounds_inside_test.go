package envelope

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/envseal/envseal/envelope/internal/secret"
	"github.com/envseal/envseal/envelope/internal/stream"
	"github.com/envseal/envseal/format"
)

const unit = 4096

// newChunker has payload key and base nonce of ones.
func newChunker(t *testing.T, chunkSize int) *chunker {
	t.Helper()
	mem, err := secret.New(payloadKeySize + format.NonceSize)
	if err != nil {
		t.Fatal(err)
	}
	copy(mem.Bytes(), bytes.Repeat([]byte{1}, 100))
	var key *payloadKey
	secret.Do(func() { key, err = newPayloadKey(mem, chunkSize) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(key.Destroy)
	return &chunker{payloadKey: key}
}

func newFlowJob(t *testing.T, plain []byte, next uint64) *flowJob {
	t.Helper()
	var all jobs
	t.Cleanup(all.free)
	b, err := all.add(unit, unit+format.TagSize)
	if err != nil {
		t.Fatal(err)
	}
	c := newChunker(t, unit)
	f := &flow{src: stream.NewSource(bytes.NewReader(plain), unit), dst: &bytes.Buffer{},
		key: c.payloadKey, crypt: (*chunker).seal, unit: unit, next: next}
	j := &flowJob{flow: f, buffers: b, chunks: *c}
	j.work = j.process
	return j
}

// A file has 2^32 chunks at the most. Nobody can seal so many here, but the last one can come next.
func TestMaxChunks(t *testing.T) {
	for size, want := range map[int]error{0: nil, unit - 1: nil, unit: ErrTooLarge,
		2 * unit: ErrTooLarge} {
		j := newFlowJob(t, make([]byte, size), format.MaxChunks-1)
		var err error
		for more := true; more && err == nil; {
			more = j.Fill()
			j.Work()
			err = j.Drain()
		}
		if !errors.Is(err, want) {
			t.Errorf("%d bytes for the last chunk that a file can have: %v, want %v", size, err, want)
		}
		if got := j.dst.(*bytes.Buffer).Len(); want == nil && got != size+format.TagSize ||
			want != nil && got != 0 {
			t.Errorf("%d bytes for the last chunk: %d were written", size, got)
		}
	}
}

// The last chunk that a file can have is a short one. A full one there is refused before it is
// opened or sealed: the limit is 2^32 chunks for small ones, 2^52 bytes in all for large ones.
func TestChunkBeyondTheLastIsRefused(t *testing.T) {
	for log, most := range map[int]uint64{12: 1 << 32, 16: 1 << 32, 20: 1 << 32, 21: 1 << 31,
		24: 1 << 28} {
		c := newChunker(t, 1<<log)
		if c.most != most {
			t.Fatalf("chunks of 2^%d: %d chunks, want %d", log, c.most, most)
		}
		full, short := make([]byte, 1<<log), []byte("plain")
		for _, part := range []struct {
			plain []byte
			first uint64
			fine  bool
		}{{full, most - 2, true}, {full, most - 1, false}, {short, most - 1, true}} {
			what := fmt.Sprintf("chunks of 2^%d: %d bytes in chunk %d", log, len(part.plain), part.first)
			final := len(part.plain) < c.size
			sealed, err := c.seal(nil, part.plain, part.first, final)
			if (err == nil) != part.fine || err != nil && !errors.Is(err, ErrTooLarge) {
				t.Errorf("%s: %v", what, err)
			}
			if err != nil {
				sealed = sealAnyway(c, part.plain, part.first)
			}
			plain, err := c.open(nil, sealed, part.first, final)
			if (err == nil) != part.fine || part.fine != bytes.Equal(plain, part.plain) ||
				err != nil && (!errors.Is(err, ErrDamaged) || errors.Is(err, ErrTampered)) {
				t.Errorf("%s: opened %d bytes, %v", what, len(plain), err)
			}
		}
	}
}

func sealAnyway(c *chunker, plain []byte, i uint64) []byte {
	var nonce [format.NonceSize]byte
	format.PutNonce(&nonce, c.base, i)
	return c.aead.Seal(nil, nonce[:], plain, nil)
}

// Nothing is left of the nonces, of which the first is the base nonce.
func TestNoncesAreWiped(t *testing.T) {
	c := newChunker(t, unit)
	sealed, err := c.seal(nil, make([]byte, 3*unit), 0, true)
	if err != nil || c.nonce != [format.NonceSize]byte{} {
		t.Errorf("sealing: %x, %v", c.nonce, err)
	}
	if _, err = c.open(nil, sealed, 0, true); err != nil || c.nonce != [format.NonceSize]byte{} {
		t.Errorf("opening: %x, %v", c.nonce, err)
	}
	if !bytes.Equal(c.mem.Bytes()[:payloadKeySize], make([]byte, payloadKeySize)) {
		t.Error("the payload key is still there, beside the expanded one")
	}
}

// A batch leaves whole chunks, and what came behind them is plaintext in the buffer all the same.
func TestAllPlaintextOfABatchIsWiped(t *testing.T) {
	j := newFlowJob(t, bytes.Repeat([]byte{7}, unit+unit/2), 0)
	j.Fill()
	if j.n != unit {
		t.Fatalf("batch of %d bytes", j.n)
	}
	if bytes.Contains(j.in[j.inUsed:], []byte{7}) {
		t.Errorf("%d bytes of the buffer count as used, and there is plaintext behind them", j.inUsed)
	}
}

// countingAt counts the writes of a direct pass.
type countingAt struct{ writes, bytes int }

func (c *countingAt) WriteAt(p []byte, _ int64) (int, error) {
	c.writes, c.bytes = c.writes+1, c.bytes+len(p)
	return len(p), nil
}

// The empty last chunk of an exact multiple is no run of its own.
func TestDirectRuns(t *testing.T) {
	for size, want := range map[int]int{0: 1, 1: 1, runSize - 1: 1, runSize: 1, runSize + 1: 2,
		2*runSize - 1: 2, 2 * runSize: 2, 2*runSize + 1: 3} {
		c, out := newChunker(t, unit), &countingAt{}
		d := &directPass{src: bytes.NewReader(make([]byte, size)), dst: out, in: side{0, unit},
			out: side{0, unit + format.TagSize}, end: int64(size), key: c.payloadKey,
			crypt: (*chunker).seal}
		err := d.run(context.Background(), int64(size), 1)
		if err != nil || out.writes != want || out.bytes != size+(size/unit+1)*format.TagSize {
			t.Errorf("%d bytes: %d writes of %d bytes, want %d, %v", size, out.writes, out.bytes, want, err)
		}
	}
}
