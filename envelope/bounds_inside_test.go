package envelope

import (
	"bytes"
	"errors"
	"testing"

	"github.com/envseal/envseal/envelope/internal/secret"
	"github.com/envseal/envseal/envelope/internal/stream"
	"github.com/envseal/envseal/format"
)

const unit = 4096

func newSealJob(t *testing.T, plain []byte) *sealJob {
	t.Helper()
	var all jobs
	t.Cleanup(all.free)
	b, err := all.add(unit, unit+format.TagSize)
	if err != nil {
		t.Fatal(err)
	}
	return &sealJob{sealer: &sealer{src: stream.NewSource(bytes.NewReader(plain), unit, true),
		size: unit}, buffers: b}
}

// A file has 2^32 chunks at the most. Nobody can seal so many here, but the last one can come next.
func TestMaxChunks(t *testing.T) {
	j := newSealJob(t, make([]byte, unit))
	j.next = format.MaxChunks - 1
	if j.Fill(); j.err != nil {
		t.Errorf("the last chunk that the format has: %v", j.err)
	}
	j = newSealJob(t, make([]byte, unit+1))
	j.next = format.MaxChunks - 1
	if more := j.Fill(); !more || j.err != nil {
		t.Fatalf("the last chunk, with more to come: %v, more %v", j.err, more)
	}
	if more := j.Fill(); more || !errors.Is(j.err, ErrTooLarge) {
		t.Errorf("one more: %v, more %v", j.err, more)
	}
	if err := j.Drain(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Drain: %v", err)
	}
}

func TestChunkBeyondTheLastIsRefused(t *testing.T) {
	var aead *secret.AEAD
	var err error
	secret.Do(func() { aead, err = secret.NewAESGCM(make([]byte, payloadKeySize)) })
	if err != nil {
		t.Fatal(err)
	}
	defer aead.Destroy()
	c := chunkOpener{aead: aead}
	for i, want := range map[uint64]error{format.MaxChunks - 1: nil, format.MaxChunks: ErrTampered} {
		var nonce [12]byte
		format.PutNonce(&nonce, i, true)
		sealed := aead.Seal(nil, nonce[:], []byte("plain"), nil)
		if _, _, err := c.open(nil, sealed, i, ending); !errors.Is(err, want) {
			t.Errorf("chunk %d: %v, want %v", i, err, want)
		}
	}
}

// A batch leaves whole chunks, and what came behind them is plaintext in the buffer all the same.
func TestAllPlaintextOfABatchIsWiped(t *testing.T) {
	j := newSealJob(t, bytes.Repeat([]byte{7}, unit+unit/2))
	j.Fill()
	if j.n != unit {
		t.Fatalf("batch of %d bytes", j.n)
	}
	if bytes.Contains(j.in[j.inUsed:], []byte{7}) {
		t.Errorf("%d bytes of the buffer count as used, and there is plaintext behind them", j.inUsed)
	}
}
