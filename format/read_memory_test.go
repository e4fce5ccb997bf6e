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

// A hostile header has many slots with many small parts. Reading it takes memory for its bytes, not
// for the maps and copies that its slots could be decoded to.
func TestSlotsAreReadInTheMemoryOfTheHeader(t *testing.T) {
	h := &format.Header{
		Descriptor: format.Descriptor{Suite: format.SuiteHKDFSHA512AES256GCM, ChunkSizeLog2: 16}}
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
	// the buffers that were outgrown are up to 4/3 of it
	took, most := after.TotalAlloc-before.TotalAlloc, uint64(5*len(raw)/2)
	if err != nil || took > most {
		t.Errorf("a header of %d bytes: %d allocated, at most %d expected, %v", len(raw), took, most, err)
	}
	for name, do := range map[string]func() error{
		"checked":  func() error { _, _, err := format.CheckHeader(bytes.NewReader(raw)); return err },
		"parsed":   func() error { _, err := format.ParseHeader(raw, format.Limits{}); return err },
		"laid out": h.LayOut,
	} {
		if took := allocated(func() { err = do() }); err != nil || took > 1<<20 {
			t.Errorf("a header of %d bytes, %s: %d allocated, %v", len(raw), name, took, err)
		}
	}
}
