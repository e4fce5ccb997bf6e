package format_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/envseal/envseal/format"
)

// Positions in the example's header: a descriptor of 71 bytes, then the commitment, then the slots.
const (
	atContext = 48
	atLength  = 71 + 32
	atCount   = atLength + 4
	atSlots   = atCount + 2
)

func exampleBytes(t testing.TB) []byte {
	t.Helper()
	return readExample(t)["file"][:768]
}

// headerRefusal is an edit of the example's header, and what ReadHeader then says.
type headerRefusal struct {
	name string
	edit func(b []byte)
	want error
	text string
}

// fieldRefusals are edits of the fields in front of the slots.
var fieldRefusals = []headerRefusal{
	{"magic", func(b []byte) { b[0] = 'E' }, format.ErrNotEnvseal, ""},
	{"version 0", func(b []byte) { b[7] = 0 }, format.ErrVersion, "version 0"},
	{"version 2", func(b []byte) { b[7] = 2 }, format.ErrVersion, "version 2"},
	{"suite 0", func(b []byte) { b[8] = 0 }, format.ErrVersion, "suite(0)"},
	{"suite 1", func(b []byte) { b[8] = 1 }, format.ErrPreRelease, "suite(1)"},
	{"suite 3", func(b []byte) { b[8] = 3 }, format.ErrVersion, "suite(3)"},
	{"chunk size 11", func(b []byte) { b[9] = 11 }, format.ErrVersion, "chunk size"},
	{"chunk size 25", func(b []byte) { b[9] = 25 }, format.ErrVersion, "chunk size"},
	{"chunk size 255", func(b []byte) { b[9] = 255 }, format.ErrVersion, "chunk size"},
	{"compression 2", func(b []byte) { b[10] = 2 }, format.ErrVersion, "compression(2)"},
	{"reserved", func(b []byte) { b[11] = 1 }, format.ErrVersion, "reserved"},
	{"context over the limit", func(b []byte) { binary.BigEndian.PutUint32(b[44:], 65537) },
		format.ErrDamaged, "65537"},
	{"context of 4 GiB", func(b []byte) { binary.BigEndian.PutUint32(b[44:], 1<<32-1) },
		format.ErrDamaged, "4294967295"},
	{"context pair count", func(b []byte) { b[atContext+1] = 3 }, format.ErrDamaged, "context"},
	{"context surplus", func(b []byte) { b[atContext+1] = 1 }, format.ErrDamaged,
		"behind the last field"},
	{"context order", func(b []byte) { b[atContext+4] = 'z' }, format.ErrDamaged, "order"},
	{"context text", func(b []byte) { b[atContext+4] = 0xff }, format.ErrDamaged, "UTF-8"},
	{"length 0", func(b []byte) { binary.BigEndian.PutUint32(b[atLength:], 0) },
		format.ErrDamaged, "header length 0"},
	{"length odd", func(b []byte) { binary.BigEndian.PutUint32(b[atLength:], 767) },
		format.ErrDamaged, "header length 767"},
	{"length over the limit", func(b []byte) { binary.BigEndian.PutUint32(b[atLength:], 16<<20+256) },
		format.ErrDamaged, "header length"},
	{"length of 4 GiB", func(b []byte) { binary.BigEndian.PutUint32(b[atLength:], 0xffffff00) },
		format.ErrDamaged, "header length"},
	{"length beyond the end", func(b []byte) { binary.BigEndian.PutUint32(b[atLength:], 1024) },
		format.ErrTruncated, "ends after 768"},
}

// Positions of the bodies of the KMS slot and of the pair slot behind it.
const (
	kmsBody = atSlots + 5
	pairAt  = kmsBody + 111
)

// inKMSSlot sets one byte in the body of the KMS slot.
func inKMSSlot(at int, v byte) func([]byte) { return func(b []byte) { b[kmsBody+at] = v } }

// slotRefusals are edits of the slots and of the padding behind them.
var slotRefusals = []headerRefusal{
	{"no slot", func(b []byte) { binary.BigEndian.PutUint16(b[atCount:], 0) },
		format.ErrDamaged, "0 key slots"},
	{"65 slots", func(b []byte) { binary.BigEndian.PutUint16(b[atCount:], 65) },
		format.ErrTooManySlots, "65 key slots"},
	{"one slot fewer", func(b []byte) { b[atCount+1] = 1 }, format.ErrDamaged, "padding"},
	{"slot body of 4 GiB", func(b []byte) { binary.BigEndian.PutUint32(b[atSlots+1:], 1<<32-1) },
		format.ErrDamaged, "slot 0"},
	{"second slot cut", func(b []byte) {
		b[atSlots] = 99
		binary.BigEndian.PutUint32(b[atSlots+1:], 764-atSlots-5-3)
	}, format.ErrDamaged, "body length needs 4 bytes, 2 are left"},
	{"slot body too long", func(b []byte) { b[atSlots+4]++ }, format.ErrDamaged, "slot 0"},
	{"slot body too short", func(b []byte) { b[atSlots+4]-- }, format.ErrDamaged, "slot 0"},
	{"KeyId too long", inKMSSlot(0, 0x80), format.ErrDamaged, "KeyId"},
	{"KeyId with a control byte", inKMSSlot(5, 0x1b), format.ErrDamaged, "0x1b"},
	{"KeyId with a space", inKMSSlot(5, ' '), format.ErrDamaged, "0x20"},
	{"CiphertextBlob too long", inKMSSlot(2+75+1, 0x21), format.ErrDamaged, "CiphertextBlob"},
	{"CiphertextBlob too short", inKMSSlot(2+75+1, 0x1f), format.ErrDamaged, "behind"},
	{"pair slot body", func(b []byte) { b[pairAt+4]-- }, format.ErrDamaged, "slot 1"},
	{"pair context", func(b []byte) { b[pairAt+5+277-15] = 9 }, format.ErrDamaged, "slot 1"},
	{"first padding byte", func(b []byte) { b[507] = 1 }, format.ErrDamaged, "padding byte 0 of 257"},
	{"last padding byte", func(b []byte) { b[763] = 1 }, format.ErrDamaged,
		"padding byte 256 of 257"},
}

// TestHeaderRefusals changes one field at a time and makes the checksum right again, so that the
// field is what is refused.
func TestHeaderRefusals(t *testing.T) {
	for _, c := range slices.Concat(fieldRefusals, slotRefusals) {
		b := bytes.Clone(exampleBytes(t))
		c.edit(b)
		b = withChecksum(b[:len(b)-4])
		h, err := format.ReadHeader(bytes.NewReader(b), format.Limits{})
		if h != nil || !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, %v; want %v with %q", c.name, h, err, c.want, c.text)
		}
	}
}

// TestHeaderSlotsDoNotFit claims more slots than the header has room for.
func TestHeaderSlotsDoNotFit(t *testing.T) {
	b := rawHeader(rawDescriptor(12, span(0, 31), rawContext()), span(0, 31), rawSlot(9, nil))
	const room = (512 - 4 - 50 - 32 - 6) / 5
	for count, want := range map[byte]string{room: "",
		room + 1: "85 slots do not fit into 420 bytes"} {
		b[50+32+5] = count
		b = withChecksum(b[:len(b)-4])
		_, err := format.ReadHeader(bytes.NewReader(b), format.Limits{MaxSlots: 255})
		if (err == nil) != (want == "") ||
			err != nil && !(errors.Is(err, format.ErrDamaged) && strings.Contains(err.Error(), want)) {
			t.Errorf("%d slots in %d bytes: %v", count, len(b), err)
		}
	}
}

// TestHeaderChecksum: a rotten byte is called damage even if it makes a value of a later version.
func TestHeaderChecksum(t *testing.T) {
	for _, at := range []int{8, 9, 10, 11, 12, atCount, 507, 764, 767} {
		b := bytes.Clone(exampleBytes(t))
		b[at] ^= 0x40
		_, err := format.ReadHeader(bytes.NewReader(b), format.Limits{})
		if !errors.Is(err, format.ErrDamaged) || !strings.Contains(err.Error(), "checksum") {
			t.Errorf("byte %d: %v", at, err)
		}
	}
}

// TestHeaderFlips flips every bit. In the magic that makes a foreign input, in the version byte
// another version, and elsewhere damage.
func TestHeaderFlips(t *testing.T) {
	header := exampleBytes(t)
	for i := range len(header) * 8 {
		b := append(bytes.Clone(header), make([]byte, 64)...)
		b[i/8] ^= 1 << (i % 8)
		want := format.ErrDamaged
		switch {
		case i/8 < 7:
			want = format.ErrNotEnvseal
		case i/8 == 7:
			want = format.ErrVersion
		}
		h, err := format.ReadHeader(bytes.NewReader(b), format.Limits{})
		if h != nil || !errors.Is(err, want) {
			t.Errorf("bit %d of byte %d: %v, want %v", i%8, i/8, err, want)
		}
	}
}

// TestHeaderCuts cuts at every length, for ReadHeader and UnmarshalBinary.
func TestHeaderCuts(t *testing.T) {
	header := exampleBytes(t)
	for n := range header {
		want := format.ErrTruncated
		if n == 0 {
			want = format.ErrNotEnvseal
		}
		_, err := format.ReadHeader(bytes.NewReader(header[:n]), format.Limits{})
		if !errors.Is(err, want) {
			t.Errorf("%d bytes: %v, want %v", n, err, want)
		}
		var h format.Header
		err = h.UnmarshalBinary(header[:n])
		if !errors.Is(err, want) || !reflect.DeepEqual(h, format.Header{}) {
			t.Errorf("%d bytes: %v, want %v; header %v", n, err, want, h)
		}
	}
	if !errors.Is(format.ErrTruncated, format.ErrDamaged) ||
		errors.Is(format.ErrDamaged, format.ErrTruncated) {
		t.Error("ErrTruncated must be a case of ErrDamaged, and not the reverse")
	}
	var h format.Header
	err := h.UnmarshalBinary(append(bytes.Clone(header), 0))
	if !errors.Is(err, format.ErrDamaged) || h.Length != 0 {
		t.Errorf("trailing byte: %v", err)
	}
}

// TestHeaderNotEnvseal gives inputs of other kinds.
func TestHeaderNotEnvseal(t *testing.T) {
	for _, s := range []string{"", "x", "envsea!", "ENVSEAL\x01", "age-encryption.org/v1\n",
		strings.Repeat("\x00", 4096)} {
		_, err := format.ReadHeader(strings.NewReader(s), format.Limits{})
		if !errors.Is(err, format.ErrNotEnvseal) {
			t.Errorf("%.20q: %v", s, err)
		}
	}
}

// TestHeaderRoundTrip reads the example, compares it field by field, and writes it again.
func TestHeaderRoundTrip(t *testing.T) {
	want := exampleHeader(t)
	b, err := want.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var h format.Header
	if err := h.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(&h, want) {
		t.Fatalf("got  %+v\nwant %+v", &h, want)
	}
	prefix := []byte("before")
	again, err := h.AppendBinary(prefix)
	if err != nil || !bytes.Equal(again, append(prefix, b...)) {
		t.Fatalf("%x, %v", again, err)
	}
	clear(b)
	if kms, err := h.Slots[0].KMS(); err != nil || kms.KeyID != exampleKMSKey {
		t.Errorf("the header aliases the bytes it was read from: %v", err)
	}
}
