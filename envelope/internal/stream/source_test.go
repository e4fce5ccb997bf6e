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
func drainSource(t *testing.T, r io.Reader, unit, units int, lookahead bool) ([]byte, error) {
	t.Helper()
	s := NewSource(r, unit, lookahead)
	buf := make([]byte, units*unit+1)
	var all []byte
	for {
		n, final, certain, err := s.Fill(buf)
		all = append(all, buf[:n]...)
		switch {
		case err != nil:
			return all, err
		case final:
			return all, nil
		case n == 0 || n%unit != 0:
			t.Fatalf("batch of %d bytes inside the input, unit %d", n, unit)
		case lookahead && !certain:
			t.Fatal("a batch left without a look ahead")
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
			for _, lookahead := range []bool{true, false} {
				got, err := drainSource(t, wrap(bytes.NewReader(data)), unit, 3, lookahead)
				if err != nil || !bytes.Equal(got, data) {
					t.Fatalf("%s, %d bytes, lookahead %v: got %d bytes, %v", name, size, lookahead, len(got), err)
				}
			}
		}
	}
}

// A broken source is not the end of the input, even where it says io.ErrUnexpectedEOF.
func TestSourceTellsBrokenFromEnded(t *testing.T) {
	for _, broken := range []error{io.ErrUnexpectedEOF, errors.New("input/output error")} {
		for _, before := range []int{0, 5, 16, 40, 100} {
			r := io.MultiReader(bytes.NewReader(make([]byte, before)), iotest.ErrReader(broken))
			if _, err := drainSource(t, r, 16, 3, true); !errors.Is(err, broken) {
				t.Errorf("after %d bytes: got %v, want %v", before, err, broken)
			}
		}
	}
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

func TestSourceGivesUpOnASilentReader(t *testing.T) {
	if _, err := drainSource(t, silent{}, 16, 3, true); err != io.ErrNoProgress {
		t.Fatalf("got %v", err)
	}
}

// A slow producer's units leave as they come: with lookahead one is held back, without none.
func TestSourceHoldsBackAtMostOneUnit(t *testing.T) {
	const unit = 16
	for _, lookahead := range []bool{true, false} {
		pr, pw := io.Pipe()
		s := NewSource(pr, unit, lookahead)
		go func() {
			for range 10 {
				pw.Write(make([]byte, unit))
			}
			// and now nothing more, and no end
		}()
		want := 10
		if lookahead {
			want = 9
		}
		buf := make([]byte, 4*unit+1)
		for got := 0; got < want; {
			n, _, _, err := s.Fill(buf)
			if err != nil {
				t.Fatal(err)
			}
			got += n / unit
		}
		pw.Close()
	}
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
	s := NewSource(bytes.NewReader(bytes.Repeat([]byte{7}, 24)), 16, true)
	if n, _, _, err := s.Fill(make([]byte, 33)); n != 16 || err != nil {
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
