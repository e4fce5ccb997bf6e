package format_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"github.com/envseal/envseal/format"
)

// manyPairs is a context of nearly as many pairs as one of a slot can have.
func manyPairs() format.Context {
	c := format.Context{}
	for i := range 8000 {
		c[fmt.Sprintf("%03x", i)] = ""
	}
	return c
}

// A hostile header has many slots with many small parts. To read it takes memory for its bytes, and not for the maps and copies that its slots could be decoded to.
func TestSlotsAreReadInTheMemoryOfTheHeader(t *testing.T) {
	h := &format.Header{Descriptor: format.Descriptor{Suite: format.SuiteHKDFSHA512AES256GCM, ChunkSizeLog2: 16}}
	slot, err := format.PairSlot{
		Scheme: format.PairHPKEP256, SealedDataKey: make([]byte, 65535), KeyID: "key",
		PrivateKeyCiphertextBlob: make([]byte, format.MaxCiphertextBlob), PairContext: manyPairs(),
	}.Slot()
	if err != nil {
		t.Fatal(err)
	}
	for range format.DefaultMaxSlots {
		h.Slots = append(h.Slots, slot)
	}
	raw, err := h.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = format.ReadHeader(bytes.NewReader(raw), format.Limits{})
	runtime.ReadMemStats(&after)
	took, most := after.TotalAlloc-before.TotalAlloc, uint64(7*len(raw)/2) // a buffer that doubles has been up to 3 times the size in all
	if err != nil || took > most {
		t.Errorf("a header of %d bytes: %d allocated, at most %d expected, %v", len(raw), took, most, err)
	}
}
