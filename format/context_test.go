package format_test

import (
	"bytes"
	"crypto/sha512"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/envseal/envseal/format"
)

func TestContextCanonical(t *testing.T) {
	cases := map[string]struct {
		context format.Context
		want    []byte
	}{
		"nil":           {nil, []byte{0, 0}},
		"empty":         {format.Context{}, []byte{0, 0}},
		"empty strings": {format.Context{"": ""}, []byte{0, 1, 0, 0, 0, 0}},
		"prefix first": {format.Context{"ab": "2", "a": "1", "": "0"},
			rawContext("", "0", "a", "1", "ab", "2")},
		"bytes, not letters": {format.Context{"é": "4", "Z": "2", "a": "3", "A": "1", "😀": "6",
			"\uffff": "5"}, rawContext("A", "1", "Z", "2", "a", "3", "é", "4", "\uffff", "5", "😀", "6")},
		"zero bytes": {format.Context{"a\x00b": "\x00"}, rawContext("a\x00b", "\x00")},
	}
	for name, c := range cases {
		got, err := c.context.AppendBinary([]byte("pre"))
		if err != nil || !bytes.Equal(got, append([]byte("pre"), c.want...)) {
			t.Errorf("%s: %x, %v; want %x", name, got, err, c.want)
			continue
		}
		back, err := format.ParseContext(c.want)
		if err != nil || back == nil || len(back) != len(c.context) ||
			len(back) > 0 && !reflect.DeepEqual(back, c.context) {
			t.Errorf("%s: back %v, %v", name, back, err)
		}
	}
}

func TestContextParseRefusals(t *testing.T) {
	cases := map[string][]byte{
		"nothing":             {},
		"one byte":            {0},
		"surplus":             {0, 0, 0},
		"count without pairs": {0xff, 0xff},
		"cut key":             {0, 1, 0, 2, 'a'},
		"no value":            {0, 1, 0, 1, 'a'},
		"cut value":           {0, 1, 0, 1, 'a', 0, 2, 'b'},
		"one pair too many":   append(rawContext("a", "b"), rawContext("c", "d")[2:]...),
		"not sorted":          rawContext("b", "1", "a", "2"),
		"long before short":   rawContext("ab", "1", "a", "2"),
		"twice":               rawContext("a", "1", "a", "1"),
		"empty twice":         rawContext("", "1", "", "1"),
		"key not UTF-8":       rawContext("\xff", "1"),
		"value not UTF-8":     rawContext("a", "\xc3"),
		"overlong":            rawContext("a", "\xc0\x80"),
		"surrogate":           rawContext("a", "\xed\xa0\x80"),
		"above U+10FFFF":      rawContext("a", "\xf4\x90\x80\x80"),
		"over the limit":      append(rawContext("a", strings.Repeat("x", 65530)), 0),
	}
	for name, b := range cases {
		if got, err := format.ParseContext(b); got != nil || !errors.Is(err, format.ErrDamaged) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestContextLimits(t *testing.T) {
	largest := format.Context{"k": strings.Repeat("x", format.MaxContext-2-4-1)}
	b, err := largest.AppendBinary(nil)
	if err != nil || len(b) != format.MaxContext {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	if got, err := format.ParseContext(b); err != nil || !reflect.DeepEqual(got, largest) {
		t.Errorf("largest context: %v", err)
	}
	many := format.Context{}
	for i := range 20000 {
		many[strconv.Itoa(i)] = ""
	}
	for name, c := range map[string]format.Context{
		"one byte more": {"kk": strings.Repeat("x", format.MaxContext-2-4-1)},
		"long value":    {"k": strings.Repeat("x", 1<<20)},
		"many pairs":    many, "key": {"\xff": ""}, "value": {"k": "\xed\xa0\x80"},
	} {
		if b, err := c.AppendBinary([]byte("pre")); err == nil || b != nil {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		} else if len(err.Error()) > 500 {
			t.Errorf("%s: error of %d bytes", name, len(err.Error()))
		}
	}
}

func TestDescriptorRefusals(t *testing.T) {
	good := exampleHeader(t).Descriptor
	cases := map[string]struct {
		edit func(d *format.Descriptor)
		want error
	}{
		"suite 0":       {func(d *format.Descriptor) { d.Suite = 0 }, format.ErrVersion},
		"suite 1":       {func(d *format.Descriptor) { d.Suite = 1 }, format.ErrPreRelease},
		"suite 3":       {func(d *format.Descriptor) { d.Suite = 3 }, format.ErrVersion},
		"compression":   {func(d *format.Descriptor) { d.Compression = 2 }, format.ErrVersion},
		"chunk size 0":  {func(d *format.Descriptor) { d.ChunkSizeLog2 = 0 }, format.ErrVersion},
		"chunk size 11": {func(d *format.Descriptor) { d.ChunkSizeLog2 = 11 }, format.ErrVersion},
		"chunk size 25": {func(d *format.Descriptor) { d.ChunkSizeLog2 = 25 }, format.ErrVersion},
		"context":       {func(d *format.Descriptor) { d.Context = format.Context{"\xff": ""} }, nil},
	}
	for name, c := range cases {
		d := good
		c.edit(&d)
		h := format.Header{Descriptor: d, Slots: exampleHeader(t).Slots}
		_, err1 := d.AppendBinary(nil)
		_, err2 := d.Digest()
		_, err3 := h.MarshalBinary()
		for _, err := range []error{err1, err2, err3} {
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for log, want := range map[uint8]int{12: 4096, 16: 65536, 24: 16 << 20} {
		d := good
		d.ChunkSizeLog2 = log
		b, err := d.AppendBinary(nil)
		digest, err2 := d.Digest()
		if err != nil || err2 != nil || d.ChunkSize() != want || digest != sha512.Sum512(b) {
			t.Errorf("chunk size 2^%d: %d, %v, %v", log, d.ChunkSize(), err, err2)
		}
	}
}

// TestDescriptorReadAndWritten covers every valid value of the fixed fields.
func TestDescriptorReadAndWritten(t *testing.T) {
	for log := uint8(format.MinChunkSizeLog2); log <= format.MaxChunkSizeLog2; log++ {
		for _, compression := range []format.Compression{format.CompressionNone, format.CompressionZstd} {
			want := exampleHeader(t)
			want.ChunkSizeLog2, want.Compression = log, compression
			b, err := want.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			var h format.Header
			if err := h.UnmarshalBinary(b); err != nil || !reflect.DeepEqual(&h, want) {
				t.Errorf("2^%d, %v: %+v, %v", log, compression, h, err)
			}
			descriptor, err := h.Descriptor.AppendBinary(nil)
			if err != nil || !bytes.HasPrefix(b, descriptor) {
				t.Errorf("2^%d, %v: descriptor %x, %v", log, compression, descriptor, err)
			}
		}
	}
}

func TestNames(t *testing.T) {
	got := []string{
		format.CompressionNone.String(), format.CompressionZstd.String(), format.Compression(9).String(),
		format.SuiteHKDFSHA512AES256GCM.String(), format.Suite(9).String(),
		format.SlotKMS.String(), format.SlotPair.String(), format.SlotType(9).String(),
		format.SlotPrivate.String(),
		format.PairScheme(0).String(), format.PairScheme(7).String(),
	}
	want := []string{"none", "zstd", "compression(9)", "HKDF-SHA512-AES256-GCM", "suite(9)", "kms",
		"pair", "slot type 9", "slot type 128", "pair scheme 0", "pair scheme 7"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
