package format_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
	"testing/iotest"

	"github.com/envseal/envseal/format"
)

// said is an error's text, empty for none.
func said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// ParseHeader takes and refuses the same as ReadHeader: a header cut everywhere, with every byte
// changed, and with something after it.
func TestParseHeaderIsReadHeader(t *testing.T) {
	whole := exampleBytes(t)
	inputs := [][]byte{append(bytes.Clone(whole), "payload"...)}
	for i := range whole {
		bad := bytes.Clone(whole)
		bad[i] ^= 1
		inputs = append(inputs, whole[:i], bad)
	}
	for n, b := range inputs {
		want, wantErr := format.ReadHeader(bytes.NewReader(b), format.Limits{})
		got, err := format.ParseHeader(b, format.Limits{})
		if said(err) != said(wantErr) || !reflect.DeepEqual(got, want) {
			t.Errorf("input %d: %v, ReadHeader says %v", n, err, wantErr)
		}
	}
}

// CheckHeader says the same as ReadHeader of what precedes the slots and of the checksum.
func TestCheckHeader(t *testing.T) {
	whole := exampleBytes(t)
	descriptor, err := exampleHeader(t).Descriptor.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	n := len(descriptor) + format.CommitmentSize + 6
	rest := bytes.NewReader(append(bytes.Clone(whole), "payload"...))
	before, length, err := format.CheckHeader(rest)
	if err != nil || length != int64(len(whole)) || !bytes.Equal(before, whole[:n]) ||
		rest.Len() != len("payload") {
		t.Errorf("a header of %d bytes: %d, %d bytes before the slots, %d left, %v",
			len(whole), length, len(before), rest.Len(), err)
	}
	for i := range whole {
		bad := bytes.Clone(whole)
		bad[i] ^= 1
		for _, b := range [][]byte{whole[:i], bad} {
			_, want := format.ReadHeader(bytes.NewReader(b), format.Limits{})
			_, _, err := format.CheckHeader(iotest.OneByteReader(bytes.NewReader(b)))
			if said(err) != said(want) {
				t.Errorf("%d bytes, byte %d: %v, ReadHeader says %v", len(b), i, err, want)
			}
		}
	}
	broken := errors.New("broken")
	for _, i := range []int{0, n, len(whole) - 2} {
		_, _, err := format.CheckHeader(io.MultiReader(bytes.NewReader(whole[:i]),
			iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("a reader that fails after %d bytes: %v", i, err)
		}
	}
}

// LayOut gives the length that MarshalBinary gives, and no length where that fails.
func TestLayOut(t *testing.T) {
	for _, length := range []int64{0, 256, 1024, 4096, 100} {
		a, b := exampleHeader(t), exampleHeader(t)
		a.Length, b.Length = length, length
		err := a.LayOut()
		raw, want := b.MarshalBinary()
		if said(err) != said(want) || a.Length != b.Length || want == nil && int64(len(raw)) != a.Length {
			t.Errorf("length %d: %d, %v; MarshalBinary: %d, %v", length, a.Length, err, b.Length, want)
		}
	}
}
