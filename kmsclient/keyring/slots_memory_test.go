package keyring

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/envseal/envseal/format"
)

// What is kept of a hostile header's slots while a few of them are tried is not much more than
// their bytes.
func TestSlotsAreNotKeptDecoded(t *testing.T) {
	many := format.Context{}
	for i := range 8000 {
		many[fmt.Sprintf("%03x", i)] = ""
	}
	slot, err := format.PairSlot{
		Scheme: format.PairHPKEP256, SealedDataKey: make([]byte, 65535),
		KeyID:                    "arn:aws:kms:eu-west-1:111122223333:key/a",
		PrivateKeyCiphertextBlob: make([]byte, format.MaxCiphertextBlob), PairContext: many,
	}.Slot()
	if err != nil {
		t.Fatal(err)
	}
	h := &format.Header{Slots: slices.Repeat([]format.Slot{slot}, format.DefaultMaxSlots)}
	before := heap()
	slots, err := openable(h)
	kept, most := heap()-before, int64(8<<20)
	if err != nil || kept > most || len(slots) != format.DefaultMaxSlots {
		t.Errorf("%d slots take %d bytes, at most %d expected, %v", len(slots), kept, most, err)
	}
	runtime.KeepAlive(slots)
	runtime.KeepAlive(h)
}

// heap is how many bytes are in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
