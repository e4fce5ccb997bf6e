package format_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"reflect"
	"testing"

	"github.com/envseal/envseal/format"
)

// headerSeeds are headers of several shapes.
func headerSeeds(t testing.TB) [][]byte {
	var seeds [][]byte
	for _, edit := range []func(h *format.Header){
		func(*format.Header) {},
		func(h *format.Header) {
			h.Slots, h.Context, h.Compression = h.Slots[:1], nil, format.CompressionZstd
		},
		func(h *format.Header) {
			h.Slots, h.Length = append(h.Slots, format.Slot{Type: 9, Body: []byte("later")}), 4096
		},
		func(h *format.Header) { h.ChunkSizeLog2, h.Slots = 24, make([]format.Slot, 64) },
	} {
		h := exampleHeader(t)
		edit(h)
		b, err := h.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, b)
	}
	return seeds
}

// mustBeRead fails for a seed that the target would refuse, and so would not get anywhere.
func mustBeRead(f *testing.F, seeds int, refused error) {
	f.Helper()
	if seeds == 0 || refused != nil {
		f.Fatalf("corpus of %d seeds is no good: %v", seeds, refused)
	}
}

// FuzzHeader: a header that is read is written again byte for byte. Each input is also tried with a
// right checksum, as hardly any would get past it otherwise.
func FuzzHeader(f *testing.F) {
	seeds, refused := headerSeeds(f), error(nil)
	for _, b := range seeds {
		refused = errors.Join(refused, new(format.Header).UnmarshalBinary(b))
		f.Add(b)
	}
	mustBeRead(f, len(seeds), refused)
	f.Fuzz(func(t *testing.T, b []byte) {
		roundTrip(t, b)
		if n := claimedLength(b); n > 0 {
			fixed := bytes.Clone(b)
			binary.BigEndian.PutUint32(fixed[n-4:],
				crc32.Checksum(fixed[:n-4], crc32.MakeTable(crc32.Castagnoli)))
			roundTrip(t, fixed)
		}
	})
}

// claimedLength finds the header length in b, or 0 where b does not hold so many bytes.
func claimedLength(b []byte) int {
	if len(b) < 48 {
		return 0
	}
	at := uint64(binary.BigEndian.Uint32(b[44:])) + 48 + 32
	if at+4 > uint64(len(b)) {
		return 0
	}
	if n := binary.BigEndian.Uint32(b[at:]); uint64(n) <= uint64(len(b)) && uint64(n) >= at+8 {
		return int(n)
	}
	return 0
}

func roundTrip(t *testing.T, b []byte) {
	r := bytes.NewReader(b)
	h, err := format.ReadHeader(r, format.Limits{MaxSlots: format.MaxSlots})
	if err != nil {
		if h != nil || !errors.Is(err, format.ErrDamaged) && !errors.Is(err, format.ErrVersion) &&
			!errors.Is(err, format.ErrNotEnvseal) {
			t.Fatalf("%v, %v", h, err)
		}
		return
	}
	read := b[:len(b)-r.Len()]
	length := h.Length
	again, err := h.MarshalBinary()
	if err != nil || length != int64(len(read)) || h.Length != length || !bytes.Equal(again, read) {
		t.Fatalf("read    %x\nwritten %x\nlength %d, then %d; %v", read, again, length, h.Length, err)
	}
	descriptor, err := h.Descriptor.AppendBinary(nil)
	if err != nil || !bytes.HasPrefix(read, descriptor) {
		t.Fatalf("descriptor %x, %v", descriptor, err)
	}
}

// FuzzSlot: a body that is decoded is encoded again byte for byte, for both types.
func FuzzSlot(f *testing.F) {
	slots := exampleHeader(f).Slots
	_, err1 := slots[0].KMS()
	_, err2 := slots[1].Pair()
	mustBeRead(f, len(slots), errors.Join(err1, err2))
	for _, slot := range slots {
		f.Add(uint8(slot.Type), slot.Body)
	}
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		slot := format.Slot{Type: format.SlotType(kind), Body: body}
		if kms, err := slot.KMS(); err == nil {
			again, err := kms.Slot()
			if err != nil || again.Type != slot.Type || !bytes.Equal(again.Body, body) {
				t.Fatalf("%x, %v", again.Body, err)
			}
		}
		if pair, err := slot.Pair(); err == nil && pair.Scheme.Known() {
			again, err := pair.Slot()
			if err != nil || again.Type != slot.Type || !bytes.Equal(again.Body, body) {
				t.Fatalf("%x, %v", again.Body, err)
			}
		}
	})
}

// FuzzContext: one set of pairs has one spelling.
func FuzzContext(f *testing.F) {
	seeds := [][]byte{rawContext(), rawContext("", ""), rawContext("app", "web", "env", "prod"),
		rawContext("a", "1", "ab", "2", "é", "😀")}
	refused := error(nil)
	for _, b := range seeds {
		_, err := format.ParseContext(b)
		refused = errors.Join(refused, err)
		f.Add(b)
	}
	mustBeRead(f, len(seeds), refused)
	f.Fuzz(func(t *testing.T, b []byte) {
		context, err := format.ParseContext(b)
		if err != nil {
			if context != nil || !errors.Is(err, format.ErrDamaged) {
				t.Fatalf("%v, %v", context, err)
			}
			return
		}
		again, err := context.AppendBinary(nil)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("read %x, written %x, %v", b, again, err)
		}
	})
}

// FuzzKeyFile: what is read is written and read again the same, in both spellings of a pair.
func FuzzKeyFile(f *testing.F) {
	seeds := 0
	for _, file := range keyFiles(f) {
		if _, err := file.parse(file.text); err != nil {
			f.Fatal(err)
		}
		f.Add(file.text)
		seeds++
	}
	mustBeRead(f, seeds, nil)
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := format.ParseDataKeyFile(b); err == nil && !d.Bare {
			again, err := format.ParseDataKeyFile(encoded(t, d.Encode))
			if err != nil || !reflect.DeepEqual(again, d) {
				t.Fatalf("%+v, then %+v, %v", d, again, err)
			}
		}
		p, err := format.ParsePairFile(b)
		if err != nil {
			return
		}
		for _, encode := range []func() ([]byte, error){p.EncodeJSON, p.EncodePEM} {
			again, err := format.ParsePairFile(encoded(t, encode))
			if err != nil || !reflect.DeepEqual(again, p) {
				t.Fatalf("%+v, then %+v, %v", p, again, err)
			}
		}
	})
}
