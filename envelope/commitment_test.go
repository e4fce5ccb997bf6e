package envelope_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
)

func TestCommitmentRefusesForeignSlotsAndDescriptors(t *testing.T) {
	r := newRig(t, 1)
	plain := random(3 * smallChunk)
	a := r.seal(r.dataKey(nil), plain, envelope.SealOptions{ChunkSizeLog2: 12})
	b := r.seal(r.dataKey(nil), plain, envelope.SealOptions{ChunkSizeLog2: 12})
	read := func(file []byte) (*format.Header, []byte) {
		src := bytes.NewReader(file)
		h, err := format.ReadHeader(src, format.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return h, file[len(file)-src.Len():]
	}
	ha, payload := read(a)
	hb, _ := read(b)
	for what, change := range map[string]func(h *format.Header){
		"slots of another file": func(h *format.Header) { h.Slots = hb.Slots },
		"another file id":       func(h *format.Header) { h.FileID = hb.FileID },
		"another chunk size":    func(h *format.Header) { h.ChunkSizeLog2 = 13 },
		"another commitment":    func(h *format.Header) { h.Commitment = hb.Commitment },
	} {
		h := *ha
		change(&h)
		raw, err := h.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.open(slices.Concat(raw, payload), 1)
		if !errors.Is(err, envelope.ErrCommitment) || len(got) > 0 {
			t.Errorf("%s: %d bytes, %v", what, len(got), err)
		}
	}
}
