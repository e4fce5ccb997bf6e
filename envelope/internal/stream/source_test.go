package stream

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// drainSource reads all of r through a Source and checks what Fill promises.
func drainSource(t *testing.T, r io.Reader, unit, units int) ([]byte, error) {
	t.Helper()
	s := NewSource(r, unit)
	buf := make([]byte, units*unit)
	var all []byte
	for {
		n, final, err := s.Fill(buf)
		all = append(all, buf[:n]...)
		switch {
		case err != nil:
			return all, err
		case final:
			return all, nil
		case n == 0 || n%unit != 0:
			t.Fatalf("batch of %d bytes inside the input, unit %d", n, unit)
		}
	}
}

func TestSourceKeepsEveryByte(t *testing.T) {
	const unit = 16
	readers := map[string]func(io.Reader) io.Reader{
		"whole":             func(r io.Reader) io.Reader { return r },
		"byte by byte":      iotest.OneByteReader,
		"half of the asked": iotest.HalfReader,
		"data with EOF":     iotest.DataErrReader,
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for size := range 200 {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		for name, wrap := range readers {
			got, err := drainSource(t, wrap(bytes.NewReader(data)), unit, 3)
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%s, %d bytes: got %d bytes, %v", name, size, len(got), err)
			}
		}
	}
}

// A broken source is not the end of the input, even where it says io.ErrUnexpectedEOF.
func TestSourceTellsBrokenFromEnded(t *testing.T) {
	for _, broken := range []error{io.ErrUnexpectedEOF, errors.New("input/output error")} {
		for _, before := range []int{0, 5, 16, 40, 100} {
			r := io.MultiReader(bytes.NewReader(make([]byte, before)), iotest.ErrReader(broken))
			got, err := drainSource(t, r, 16, 3)
			if !errors.Is(err, broken) || len(got) != before/16*16 {
				t.Errorf("after %d bytes: got %d, %v, want %v", before, len(got), err, broken)
			}
		}
	}
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

func TestSourceGivesUpOnASilentReader(t *testing.T) {
	if _, err := drainSource(t, silent{}, 16, 3); err != io.ErrNoProgress {
		t.Fatalf("got %v", err)
	}
}

// A slow producer's units leave as they come: none is held back.
func TestSourceHoldsBackNoUnit(t *testing.T) {
	const unit = 16
	pr, pw := io.Pipe()
	s := NewSource(pr, unit)
	go func() {
		for range 10 {
			pw.Write(make([]byte, unit))
		}
		// and now nothing more, and no end
	}()
	buf := make([]byte, 4*unit)
	for got := 0; got < 10; {
		n, _, err := s.Fill(buf)
		if err != nil {
			t.Fatal(err)
		}
		got += n / unit
	}
	pw.Close()
}

func TestReadWhole(t *testing.T) {
	for size := range 50 {
		data := bytes.Repeat([]byte{7}, size)
		for name, r := range map[string]io.Reader{
			"whole": bytes.NewReader(data), "byte by byte": iotest.OneByteReader(bytes.NewReader(data)),
			"data with EOF": iotest.DataErrReader(bytes.NewReader(data)),
		} {
			buf := make([]byte, 16)
			for left := size; ; left -= len(buf) {
				n, final, err := ReadWhole(r, buf)
				if err != nil || n != min(left, len(buf)) || left < len(buf) && !final {
					t.Fatalf("%s, %d of %d bytes left: got %d, final %v, %v", name, left, size, n, final, err)
				}
				if final {
					break
				}
			}
		}
		for _, broken := range []error{io.ErrUnexpectedEOF, errors.New("input/output error")} {
			n, final, err := ReadWhole(io.MultiReader(bytes.NewReader(data), iotest.ErrReader(broken)),
				make([]byte, 64))
			if n != size || final || err != broken {
				t.Errorf("%d bytes, then %v: %d, final %v, %v", size, broken, n, final, err)
			}
		}
	}
	if _, _, err := ReadWhole(silent{}, make([]byte, 1)); err != io.ErrNoProgress {
		t.Errorf("silent: %v", err)
	}
}

// What is carried between batches is plaintext when sealing.
func TestSourceWipe(t *testing.T) {
	s := NewSource(bytes.NewReader(bytes.Repeat([]byte{7}, 24)), 16)
	if n, _, err := s.Fill(make([]byte, 32)); n != 16 || err != nil {
		t.Fatal(n, err)
	}
	if !bytes.Contains(s.carry[:cap(s.carry)], []byte{7, 7}) {
		t.Fatal("nothing is carried")
	}
	s.Wipe()
	if bytes.Contains(s.carry[:cap(s.carry)], []byte{7}) {
		t.Error("plaintext is left")
	}
}

// Where memory cannot be mapped the buffer is on the heap, so that the wiping can be looked at.
func TestBufferFreeWipes(t *testing.T) {
	memory := bytes.Repeat([]byte{7}, 100)
	(&Buffer{b: memory}).Free(60)
	if want := append(make([]byte, 60), bytes.Repeat([]byte{7}, 40)...); !bytes.Equal(memory, want) {
		t.Errorf("after Free(60): %v", memory)
	}
}
