//go:build torture

package envelope_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
)

// every has every reader that fits read a changed file, and judges it.
func (c *tally) every(what string, in input) {
	c.t.Helper()
	for _, r := range readers {
		if r.fits(in.shape) {
			c.judge(what, r, in, r.read(in))
		}
	}
}

// Something after the end: 1 to 40 bytes of three kinds, chunks, the file itself, every other file.
func TestTortureAppended(t *testing.T) {
	shapes := newWorkshop(t).shapes()
	c := &tally{t: t}
	for _, s := range shapes {
		tails := tailsOf(t, s)
		for _, other := range shapes {
			tails = append(tails, other.file)
		}
		spread(len(tails), func() func(int) {
			return func(i int) {
				what := fmt.Sprintf("followed by %d bytes, tail %d", len(tails[i]), i)
				c.every(what, input{s, slices.Concat(s.file, tails[i]), s.head})
			}
		})
		if s.head != nil {
			c.every("header followed by a byte", input{s, s.file, append(bytes.Clone(s.head), 0)})
			c.every("header followed by itself", input{s, s.file, slices.Concat(s.head, s.head)})
			c.every("header in both", input{s, slices.Concat(s.head, s.file), s.head})
		}
	}
	c.report("3", "bytes after the end, a second file appended, in process",
		fmt.Sprintf("%d shapes of file", len(shapes)))
}

// tailsOf are the bytes that a shape is lengthened by.
func tailsOf(t testing.TB, s *shape) (tails [][]byte) {
	step := 1
	if !inFull(t) {
		step = 13
	}
	for n := 1; n <= 40; n += step {
		tails = append(tails, make([]byte, n), bytes.Repeat([]byte{'\n'}, n), random(n))
	}
	const unit = smallChunk + format.TagSize
	return append(tails, make([]byte, unit), make([]byte, unit+1), s.file[max(0, len(s.file)-unit):])
}

// eight are two files of eight chunks, and of an empty one if they are not compressed, under one
// data key, plain and compressed. Only the file id tells them apart.
func (w *workshop) eight(compress envelope.Level) (one, other *shape) {
	w.t.Helper()
	size := 8 * smallChunk
	if compress != envelope.LevelNone {
		size -= 100 // so that it has eight chunks with frame header and seek table
	}
	key := w.dataKey(nil)
	var both []*shape
	for i := range 2 {
		s := &shape{name: "8 chunks", plain: random(size + i)[i:], log: format.MinChunkSizeLog2, id: w.id}
		s.file = w.seal(key, s.plain, envelope.SealOptions{ChunkSizeLog2: s.log, Compress: compress})
		w.id.learn(w.t, s.file, w.identity())
		s.stream = w.streamOf(s.file)
		both = append(both, s)
	}
	return both[0], both[1]
}

// cutUp takes a file apart.
func (s *shape) cutUp(t testing.TB) (header []byte, chunks [][]byte) {
	t.Helper()
	h, err := format.ReadHeader(bytes.NewReader(s.file), format.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return s.file[:h.Length:h.Length],
		slices.Collect(slices.Chunk(s.file[h.Length:], h.ChunkSize()+format.TagSize))
}

// Chunks dropped, doubled, moved, swapped and taken from another file: every chunk and every pair.
func TestTortureChunkOrder(t *testing.T) {
	w := newWorkshop(t)
	c := &tally{t: t}
	for _, level := range []envelope.Level{envelope.LevelNone, envelope.LevelFastest} {
		s, other := w.eight(level)
		inOrder(t, s)
		header, chunks := s.cutUp(t)
		_, foreign := other.cutUp(t)
		n := len(chunks)
		if n < 8 || len(foreign) != n {
			t.Fatalf("%d and %d chunks", len(chunks), len(foreign))
		}
		try := func(list [][]byte, what string, args ...any) {
			c.every(fmt.Sprintf(what, args...), input{s, slices.Concat(header, bytes.Join(list, nil)), nil})
		}
		for i := range chunks {
			without := slices.Delete(slices.Clone(chunks), i, i+1)
			try(without, "chunk %d dropped", i)
			for j := range n {
				try(slices.Insert(slices.Clone(chunks), j, chunks[i]), "chunk %d again before %d", i, j)
				try(slices.Insert(slices.Clone(chunks), j, foreign[i]), "foreign chunk %d before %d", i, j)
				if j != i {
					try(slices.Insert(slices.Clone(without), min(j, n-1), chunks[i]), "chunk %d moved to %d", i, j)
					try(replaced(chunks, i, chunks[j]), "chunk %d in place of %d", j, i)
					try(replaced(replaced(chunks, i, chunks[j]), j, chunks[i]), "chunks %d and %d swapped", i, j)
					try(replaced(replaced(chunks, i, foreign[i]), j, foreign[j]),
						"chunks %d and %d of another file", i, j)
				}
				try(replaced(chunks, i, foreign[j]), "foreign chunk %d in place of %d", j, i)
			}
			try(append(chunks[:i:i], foreign[i:]...), "another file from chunk %d on", i)
		}
		reversed := slices.Clone(chunks)
		slices.Reverse(reversed)
		try(reversed, "reversed")
		try(append(slices.Clone(chunks), chunks...), "all twice")
		try(append(slices.Clone(chunks), foreign...), "and those of another file")
	}
	c.report("4", "chunks dropped, doubled, moved, swapped, from another file",
		"every chunk and every pair of a file of 8 chunks, plain and compressed")
}

func replaced(chunks [][]byte, i int, by []byte) [][]byte {
	list := slices.Clone(chunks)
	list[i] = by
	return list
}

// Headers put together from two files, for every pair of shapes, with a right checksum: descriptor,
// slots, commitment, and all of them.
func TestTortureForeignParts(t *testing.T) {
	w := newWorkshop(t)
	c := &tally{t: t}
	var shapes []*shape
	for _, s := range w.shapes() {
		if wholeInOne(s) {
			shapes = append(shapes, s)
		}
	}
	one, other := w.eight(envelope.LevelNone)
	shapes = append(shapes, one, other)
	for _, s := range shapes {
		h, err := format.ReadHeader(bytes.NewReader(s.file), format.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for _, from := range shapes {
			if from != s {
				c.mixed(s, from, *h)
			}
		}
	}
	c.report("4", "descriptor, slots or commitment of another file",
		fmt.Sprintf("every pair of %d shapes, the checksum made right", len(shapes)))
}

// mixed puts parts of from into the header h of s. The key service may refuse what it did not wrap
// for this context; that is a refusal like any other.
func (c *tally) mixed(s, from *shape, h format.Header) {
	c.t.Helper()
	g, err := format.ReadHeader(bytes.NewReader(from.file), format.Limits{})
	if err != nil {
		c.t.Fatal(err)
	}
	payload := s.file[h.Length:]
	for what, change := range map[string]func(m *format.Header){
		"header":               func(m *format.Header) { *m = *g },
		"slots":                func(m *format.Header) { m.Slots = g.Slots },
		"descriptor":           func(m *format.Header) { m.Descriptor = g.Descriptor },
		"file id":              func(m *format.Header) { m.FileID = g.FileID },
		"commitment":           func(m *format.Header) { m.Commitment = g.Commitment },
		"slots and commitment": func(m *format.Header) { m.Slots, m.Commitment = g.Slots, g.Commitment },
		"descriptor and commitment": func(m *format.Header) {
			m.Descriptor, m.Commitment = g.Descriptor, g.Commitment
		},
		"descriptor and slots": func(m *format.Header) { m.Descriptor, m.Slots = g.Descriptor, g.Slots },
	} {
		m := h
		change(&m)
		raw, err := m.MarshalBinary()
		if err != nil {
			c.t.Fatal(err)
		}
		if bytes.Equal(raw, s.file[:h.Length]) {
			continue // two files of one data key have the same slots
		}
		in := input{s, slices.Concat(raw, payload), nil}
		for _, r := range readers {
			if !r.fits(s) {
				continue
			}
			if o := r.read(in); errorOfKeys(o.err) && o.out.wrong == "" && o.out.written == 0 {
				c.trials.Add(1)
			} else {
				c.judge(what+" of "+from.name, r, in, o)
			}
		}
	}
}
