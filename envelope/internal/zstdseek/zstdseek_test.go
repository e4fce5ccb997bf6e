package zstdseek

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func random(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(b)
	return b
}

// text is n bytes that can be made smaller, from another place of one long text for every n.
func text(n int) []byte {
	at := n % 1000
	return bytes.Clone(longText()[at : at+n])
}

var longText = sync.OnceValue(func() (b []byte) {
	rng := rand.New(rand.NewPCG(1, 2))
	for len(b) < FrameContent+1000 {
		b = fmt.Appendf(b, "line %d of the file: %x\n", len(b), rng.Uint32N(1000))
	}
	return b
})

// contents are of every kind that is treated in a way of its own, by size and compressibility.
func contents() map[string][]byte {
	all := map[string][]byte{
		"zeros":          make([]byte, FrameContent),
		"half and half":  append(random(FrameContent/2), text(FrameContent/2)...),
		"text":           text(FrameContent),
		"random":         random(FrameContent),
		"a random block": random(rawBlock),
	}
	for _, n := range []int{1, 2, 255, 256, 257, 4*sniff - 1, 4 * sniff, 65535 + 256, 65536 + 256,
		rawBlock - 1, rawBlock + 1, 3*rawBlock + 77, FrameContent - 1} {
		all[fmt.Sprint("text ", n)] = text(n)
		all[fmt.Sprint("random ", n)] = random(n)
	}
	return all
}

// build makes a stream of the given contents, a frame each.
func build(t testing.TB, contents ...[]byte) []byte {
	t.Helper()
	e, err := NewEncoder(Fastest)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Release()
	var stream bytes.Buffer
	var table Table
	for _, c := range contents {
		frame := e.AppendFrame(nil, c)
		stream.Write(frame)
		if err := table.Add(len(frame), len(c)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := table.WriteTo(&stream); err != nil {
		t.Fatal(err)
	}
	return stream.Bytes()
}

var rooms = sync.Pool{New: func() any {
	return &[2][]byte{make([]byte, MaxFrame), make([]byte, ContentRoom)}
}}

// readAll reads a stream in order.
func readAll(r io.Reader) ([]byte, error) {
	d, err := NewDecoder()
	if err != nil {
		return nil, err
	}
	defer d.Release()
	reader := NewReader(r, make([]byte, 1000))
	room := rooms.Get().(*[2][]byte)
	defer rooms.Put(room)
	frame, out := room[0], room[1]
	var all []byte
	for {
		n, size, err := reader.Next(frame)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		content, err := d.Decode(out, frame[:n], size)
		if err != nil {
			return all, err
		}
		all = append(all, content...)
	}
}

func TestFrames(t *testing.T) {
	other, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	d, err := NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Release()
	all := contents()
	for l := Fastest; l < levels; l++ {
		e, err := NewEncoder(l)
		if err != nil {
			t.Fatal(err)
		}
		for name, content := range all {
			room := make([]byte, 0, MaxFrame)
			frame := e.AppendFrame(room, content)
			if len(frame) > len(content)+100 || &frame[0] != &room[:1][0] {
				t.Errorf("%s, level %d: %d bytes became %d", name, l, len(content), len(frame))
			}
			if size, err := checkFrame(frame); err != nil || size != len(content) {
				t.Errorf("%s, level %d: checked as %d bytes of content, want %d, %v",
					name, l, size, len(content), err)
			}
			got, err := d.Decode(make([]byte, 0, ContentRoom), frame, len(content))
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s, level %d: %d bytes, want %d, %v", name, l, len(got), len(content), err)
			}
			if got, err := other.DecodeAll(frame, nil); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s, level %d: without bounds: %d bytes, want %d, %v",
					name, l, len(got), len(content), err)
			}
			if stored := checksum(content); binary.LittleEndian.Uint32(frame[len(frame)-4:]) != stored {
				t.Errorf("%s, level %d: checksum %x, want %x", name, l, frame[len(frame)-4:], stored)
			}
		}
		e.Release()
	}
}

func TestSniff(t *testing.T) {
	e, err := NewEncoder(Fastest)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Release()
	all := contents()
	for name, stored := range map[string]bool{"random": true, "a random block": true, "text": false,
		"zeros": false, "half and half": false} {
		if e.incompressible(all[name]) != stored {
			t.Errorf("%s: stored without a try: %v", name, !stored)
		}
	}
	if got := e.AppendFrame(nil, random(1<<20)); len(got) != 1<<20+9+8*blockHeader+4 {
		t.Errorf("1 MiB of random data became %d bytes", len(got))
	}
}

func TestUnknownLevel(t *testing.T) {
	if _, err := NewEncoder(levels); err == nil {
		t.Error("accepted")
	}
}

// XXH64 of the specification's sanity checks, seed 0.
func TestXXH64(t *testing.T) {
	for in, want := range map[string]uint64{"": 0xef46db3751d8e999, "a": 0xd24ec4f1a98c6e5b,
		"abc": 0x44bc2cf5ad770999} {
		if got := xxh64([]byte(in)); got != want {
			t.Errorf("%q: %x, want %x", in, got, want)
		}
	}
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n < 200; n++ { // every tail; the frame's checksum is that of another implementation
		b := random(n)
		frame := e.EncodeAll(b, nil)
		if got, want := checksum(b), binary.LittleEndian.Uint32(frame[len(frame)-4:]); got != want {
			t.Errorf("%d bytes: %x, want %x", n, got, want)
		}
	}
}

func TestStreams(t *testing.T) {
	for name, parts := range map[string][][]byte{
		"empty":       {},
		"one byte":    {{7}},
		"several":     {text(FrameContent), random(300000), make([]byte, FrameContent), text(5)},
		"tiny frames": {{1}, {2}, {3}, {4}, {5}, {6}, {7}},
	} {
		stream := build(t, parts...)
		want := bytes.Join(parts, nil)
		if got, err := readAll(bytes.NewReader(stream)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, want %d, %v", name, len(got), len(want), err)
		}
		r, err := NewReaderAt(bytes.NewReader(stream), int64(len(stream)))
		if err != nil {
			t.Fatal(name, err)
		}
		got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s, random access: %d bytes, want %d, %v", name, len(got), len(want), err)
		}
	}
	if n := len(build(t)); n != 17 {
		t.Errorf("the empty stream has %d bytes", n)
	}
}

// slicesOf cuts b into pieces of n bytes.
func slicesOf(n int, b []byte) (all [][]byte) {
	for ; len(b) > 0; b = b[min(n, len(b)):] {
		all = append(all, b[:min(n, len(b))])
	}
	return all
}

// What does not fit into a table is refused while it is written.
func TestTableIsBounded(t *testing.T) {
	table := Table{frames: MaxFrames}
	if err := table.Add(20, 10); !errors.Is(err, ErrTooManyFrames) {
		t.Errorf("frame %d: %v", MaxFrames+1, err)
	}
}
