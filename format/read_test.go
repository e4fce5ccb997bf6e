package format_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/envseal/envseal/format"
)

// TestReadHeaderStops shows that the payload is untouched, however the source hands out its bytes.
func TestReadHeaderStops(t *testing.T) {
	file := readExample(t)["file"]
	sources := map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader,
		"halves": iotest.HalfReader, "early EOF": iotest.DataErrReader,
	}
	for name, source := range sources {
		r := bytes.NewReader(file)
		h, err := format.ReadHeader(source(r), format.Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if name == "early EOF" {
			continue // that one reads ahead by itself
		}
		if int64(r.Len()) != int64(len(file))-h.Length {
			t.Errorf("%s: %d bytes are left, want %d", name, r.Len(), int64(len(file))-h.Length)
		}
	}
	header := exampleBytes(t)
	_, err := format.ReadHeader(iotest.DataErrReader(bytes.NewReader(header)), format.Limits{})
	if err != nil {
		t.Errorf("EOF with the last byte: %v", err)
	}
	foreign := bytes.NewReader(make([]byte, 100))
	if _, err := format.ReadHeader(foreign, format.Limits{}); err == nil || foreign.Len() != 92 {
		t.Errorf("foreign input: %v, %d bytes left", err, foreign.Len())
	}
}

// TestReadHeaderSourceErrors breaks the source at every byte. Its own error comes out, and is not
// taken for a cut file.
func TestReadHeaderSourceErrors(t *testing.T) {
	header := exampleBytes(t)
	for _, broken := range []error{io.ErrUnexpectedEOF, io.ErrClosedPipe,
		errors.New("input/output error"), format.ErrTruncated} {
		for n := range header {
			r := io.MultiReader(bytes.NewReader(header[:n]), iotest.ErrReader(broken))
			_, err := format.ReadHeader(r, format.Limits{})
			if !errors.Is(err, broken) {
				t.Fatalf("%v after %d bytes: %v", broken, n, err)
			}
			if broken != format.ErrTruncated &&
				(errors.Is(err, format.ErrDamaged) || errors.Is(err, format.ErrNotEnvseal)) {
				t.Fatalf("%v after %d bytes is taken for a bad file: %v", broken, n, err)
			}
		}
	}
	if _, err := format.ReadHeader(idle{}, format.Limits{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("idle source: %v", err)
	}
}

// idle returns no byte and no error, for ever.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// TestReadHeaderMemory claims the most that a header may claim, on a short input.
func TestReadHeaderMemory(t *testing.T) {
	slots := bytes.Clone(exampleBytes(t))
	binary.BigEndian.PutUint32(slots[atLength:], 16<<20)
	context := bytes.Clone(exampleBytes(t))
	binary.BigEndian.PutUint32(context[44:], 65536)
	for name, b := range map[string][]byte{"header length": slots, "context": context} {
		const limit = 32 << 10
		if got := allocated(func() {
			_, err := format.ReadHeader(bytes.NewReader(b), format.Limits{})
			if !errors.Is(err, format.ErrTruncated) {
				t.Errorf("%s: %v", name, err)
			}
		}); got > limit {
			t.Errorf("%s: %d bytes allocated, want at most %d", name, got, limit)
		}
	}
	many := exampleHeader(t) // 65 535 slots that are really there, and no permission for them
	many.Slots = make([]format.Slot, format.MaxSlots)
	b, err := many.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if got := allocated(func() {
		_, err := format.ReadHeader(bytes.NewReader(b), format.Limits{})
		if !errors.Is(err, format.ErrDamaged) {
			t.Errorf("65535 slots: %v", err)
		}
	}); got > uint64(4*len(b)) {
		t.Errorf("65535 slots: %d bytes allocated for a header of %d", got, len(b))
	}
}

// allocated counts the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestReadHeaderMaxSlots checks the limit on both sides.
func TestReadHeaderMaxSlots(t *testing.T) {
	h := exampleHeader(t)
	marshal := func(n int) []byte {
		h.Slots, h.Length = make([]format.Slot, n), 0
		b, err := h.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, c := range []struct {
		slots, limit int
		ok           bool
	}{{64, 0, true}, {65, 0, false}, {65, -1, false}, {65, 65, true}, {3, 2, false},
		{65535, 1 << 20, true}} {
		got, err := format.ReadHeader(bytes.NewReader(marshal(c.slots)), format.Limits{MaxSlots: c.limit})
		if (err == nil) != c.ok || c.ok && len(got.Slots) != c.slots {
			t.Errorf("%d slots, limit %d: %v", c.slots, c.limit, err)
		}
	}
	for _, n := range []int{0, format.MaxSlots + 1} {
		h.Slots, h.Length = make([]format.Slot, n), 0
		if _, err := h.MarshalBinary(); err == nil || h.Length != 0 {
			t.Errorf("%d slots are written", n)
		}
	}
}

// TestReadHeaderLargest reads a header of 16 MiB that is really there.
func TestReadHeaderLargest(t *testing.T) {
	h := exampleHeader(t)
	h.Length = format.MaxHeader
	b, err := h.MarshalBinary()
	if err != nil || len(b) != format.MaxHeader {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	if got := allocated(func() {
		if _, err := format.ReadHeader(bytes.NewReader(b), format.Limits{}); err != nil {
			t.Error(err)
		}
	}); got > 2*format.MaxHeader+64<<10 {
		t.Errorf("%d bytes allocated", got)
	}
}
