//go:build torture

package envelope_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"github.com/envseal/envseal/format"
)

// mutator changes one part of a draft, as somebody without a key can. other is a second file, to
// take parts from.
type mutator func(rng *rand.Rand, d, other *draft)

// one picks one of some values.
func one[T any](rng *rand.Rand, values ...T) T { return values[rng.IntN(len(values))] }

// altered gives b with one byte or some bytes changed, cut out or put in.
func altered(rng *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) == 0 {
		return []byte{byte(rng.Uint32())}
	}
	i := rng.IntN(len(b))
	switch rng.IntN(7) {
	case 0:
		b[i] = byte(rng.Uint32())
	case 1:
		return slices.Delete(b, i, min(len(b), i+1+rng.IntN(4)))
	case 2:
		return slices.Insert(b, i, make([]byte, 1+rng.IntN(4))...)
	case 3:
		return b[:i]
	case 4:
		b[i] = one[byte](rng, 0, 1, 0x20, 0x7f, 0x80, 0xff)
	case 5:
		if i+2 <= len(b) {
			binary.BigEndian.PutUint16(b[i:], one[uint16](rng, 0, 1, 2048, 2049, 6144, 6145, 65535))
		}
	default:
		b[i] ^= 1 << rng.IntN(8)
	}
	return b
}

// about are numbers that a length which should be n may be told to be.
func about(rng *rand.Rand, n int64) int64 {
	return one(rng, 0, 1, n-1, n+1, n-256, n+256, 2*n, 255, 256, 512, 1024, 4096, 65535, 65536, 65537,
		16<<20, 16<<20+256, 1<<31-1, 1<<31, 1<<32-1, rng.Int64N(2048))
}

var headerMutators = []mutator{
	func(rng *rand.Rand, d, _ *draft) { d.version = byte(rng.Uint32()) },
	func(rng *rand.Rand, d, _ *draft) { d.suite = one[byte](rng, 0, 1, 3, 255) },
	func(rng *rand.Rand, d, _ *draft) {
		d.log = one(rng, 0, 11, 12, 13, 16, 24, 25, 255, byte(rng.Uint32()))
	},
	func(rng *rand.Rand, d, _ *draft) { d.compression = one[byte](rng, 0, 1, 2, 255) },
	func(rng *rand.Rand, d, _ *draft) { d.reserved = byte(rng.Uint32()) },
	func(rng *rand.Rand, d, other *draft) {
		d.fileID = one(rng, other.fileID, altered(rng, d.fileID))
	},
	func(rng *rand.Rand, d, _ *draft) { d.contextLen = max(0, about(rng, int64(len(d.context)))) },
	func(rng *rand.Rand, d, other *draft) {
		d.context = one(rng, other.context, altered(rng, d.context), hostileContext(rng))
	},
	func(rng *rand.Rand, d, other *draft) {
		d.commitment = one(rng, other.commitment, altered(rng, d.commitment))
	},
	func(rng *rand.Rand, d, _ *draft) {
		d.headerLen, d.stretch = max(0, about(rng, int64(d.length))), rng.IntN(2) == 0
	},
	func(rng *rand.Rand, d, _ *draft) {
		d.headerLen, d.stretch = int64(256*(1+rng.IntN(20))), rng.IntN(2) == 0
	},
	func(rng *rand.Rand, d, _ *draft) {
		d.count = one(rng, 0, len(d.slots)-1, len(d.slots)+1, 64, 65, 65535)
	},
	func(rng *rand.Rand, d, _ *draft) { d.dirt = 1 + rng.IntN(600) },
	func(rng *rand.Rand, d, _ *draft) { d.badSum = true },
	func(rng *rand.Rand, d, _ *draft) { d.length += 256 * rng.IntN(5) },
	dropSlot, doubleSlot, swapSlots, alterSlot, alterSlot, unknownSlot,
	foreignSlot, ownSlot, manySlots,
	func(rng *rand.Rand, d, other *draft) { d.slots = slices.Clone(other.slots) },
}

// hostileContext is one in no canonical form, or one that is.
func hostileContext(rng *rand.Rand) []byte {
	return one(rng, []byte{0, 0}, []byte{0, 1}, []byte{255, 255},
		[]byte("\x00\x01\x00\x01a\x00\x01b"), []byte("\x00\x02\x00\x01b\x00\x00\x00\x01a\x00\x00"),
		[]byte("\x00\x02\x00\x01a\x00\x00\x00\x01a\x00\x00"), []byte("\x00\x01\x00\x01\xff\x00\x00"),
		[]byte("\x00\x01\x00\x03\xed\xa0\x80\x00\x00"), make([]byte, rng.IntN(3000)))
}

func dropSlot(rng *rand.Rand, d, _ *draft) {
	if len(d.slots) > 0 {
		i := rng.IntN(len(d.slots))
		d.slots = slices.Delete(d.slots, i, i+1)
	}
}

func doubleSlot(rng *rand.Rand, d, _ *draft) {
	if len(d.slots) > 0 {
		d.slots = append(d.slots, d.slots[rng.IntN(len(d.slots))])
	}
}

func swapSlots(rng *rand.Rand, d, _ *draft) {
	rng.Shuffle(len(d.slots), func(i, j int) { d.slots[i], d.slots[j] = d.slots[j], d.slots[i] })
}

func alterSlot(rng *rand.Rand, d, _ *draft) {
	if len(d.slots) == 0 {
		return
	}
	i := rng.IntN(len(d.slots))
	slot := bytes.Clone(d.slots[i])
	if len(slot) < 5 {
		return
	}
	switch rng.IntN(4) {
	case 0:
		slot[0] = byte(rng.IntN(5))
	case 1:
		binary.BigEndian.PutUint32(slot[1:], uint32(max(0, about(rng, int64(len(slot)-5)))))
	default:
		slot = rawSlot(slot[0], altered(rng, slot[5:]))
	}
	d.slots[i] = slot
}

func unknownSlot(rng *rand.Rand, d, _ *draft) {
	slot := rawSlot(one[byte](rng, 0, 3, 77, 255), make([]byte, rng.IntN(50)))
	d.slots = slices.Insert(d.slots, rng.IntN(len(d.slots)+1), slot)
}

func foreignSlot(rng *rand.Rand, d, other *draft) {
	if len(other.slots) > 0 {
		d.slots = slices.Insert(d.slots, rng.IntN(len(d.slots)+1), one(rng, other.slots...))
	}
}

// ownSlot puts in a slot for a key service that says whatever the attacker wants.
func ownSlot(rng *rand.Rand, d, _ *draft) {
	body := []byte("\x00\x02me\x00\x01")
	d.slots = slices.Insert(d.slots, rng.IntN(len(d.slots)+1),
		rawSlot(byte(format.SlotKMS), append(body, byte(rng.IntN(len(ownKeys))))))
}

func manySlots(rng *rand.Rand, d, _ *draft) {
	for range one(rng, 62, 63, 64, 65, 200) {
		d.slots = append(d.slots, rawSlot(99, nil))
	}
}

var payloadMutators = []mutator{
	func(rng *rand.Rand, d, _ *draft) { dropChunk(rng, d) },
	func(rng *rand.Rand, d, other *draft) {
		chunk := one(rng, one(rng, d.chunks...), one(rng, other.chunks...),
			make([]byte, one(rng, 1, 15, 16, 17, 4112)))
		d.chunks = slices.Insert(d.chunks, rng.IntN(len(d.chunks)+1), chunk)
	},
	func(rng *rand.Rand, d, _ *draft) {
		rng.Shuffle(len(d.chunks), func(i, j int) { d.chunks[i], d.chunks[j] = d.chunks[j], d.chunks[i] })
	},
	func(rng *rand.Rand, d, other *draft) {
		d.chunks[rng.IntN(len(d.chunks))] = one(rng, other.chunks...)
	},
	func(rng *rand.Rand, d, _ *draft) {
		i := rng.IntN(len(d.chunks))
		d.chunks[i] = altered(rng, d.chunks[i])
	},
	func(rng *rand.Rand, d, _ *draft) {
		last := len(d.chunks) - 1
		d.chunks[last] = d.chunks[last][:max(0, len(d.chunks[last])-one(rng, 1, 15, 16, 17))]
	},
	func(rng *rand.Rand, d, other *draft) { d.chunks = slices.Clone(other.chunks) },
	func(rng *rand.Rand, d, other *draft) { d.chunks = append(d.chunks, other.bytes()) },
}

func dropChunk(rng *rand.Rand, d *draft) {
	if len(d.chunks) > 1 {
		i := rng.IntN(len(d.chunks))
		d.chunks = slices.Delete(d.chunks, i, i+1)
	}
}
