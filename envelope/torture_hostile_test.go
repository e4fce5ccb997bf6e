//go:build torture

package envelope_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/envseal/envseal/envelope"
)

// keyedChunks seals chunks with the key, some of them as no writer may. What is right opens, and
// nothing else.
func (m *mill) keyedChunks(n int, s subject) {
	m.trials.Add(1)
	rng, d := m.rng, s.parts.clone()
	d.log, d.compression = one[byte](rng, 12, 12, 12, 13), 0
	if rng.IntN(500) == 0 {
		d.log = 24 // takes milliseconds
	}
	size := one(rng, 0, 1, 16, 4095, 4096, 4097, 8192, 8193, 9000)
	pieces := piecesOf(random(size), d.log)
	valid := true
	if rng.IntN(3) > 0 {
		mutatePieces(rng, &pieces)
		valid = wellFormed(pieces, d.log)
	}
	if rng.IntN(4) == 0 {
		d.context = one(rng, []byte{0, 0}, hostileContext(rng), s.parts.context)
		valid = valid && canonical(d.context)
	}
	if rng.IntN(8) == 0 {
		d.suite, d.log, d.reserved = one(rng, d.suite, 1, 3),
			one(rng, d.log, 11, 25, 255), one[byte](rng, 0, 1)
		valid = valid && d.suite == 2 && d.log < 25 && d.log > 11 && d.reserved == 0
	}
	d.seal(pieces)
	out := &sink{unit: 1}
	for _, p := range pieces {
		out.want = append(out.want, p.plain...)
	}
	in := input{&shape{}, d.bytes(), nil}
	_, err := envelope.Open(context.Background(), out, bytes.NewReader(in.file), in.options(1),
		&holder{key: bytes.Clone(d.dataKey)})
	switch {
	case out.wrong != "":
		m.violation("mutation %d: %s, then %v", n, out.wrong, err)
	case (err == nil) != valid:
		m.violation("mutation %d: valid %v, and what the reader says: %v", n, valid, err)
	case err == nil:
		m.accepted[keyedChunks].Add(1)
	case !refused(err):
		m.violation("mutation %d: the refusal is of the wrong kind: %v", n, err)
	}
}

func mutatePieces(rng *rand.Rand, pieces *[]piece) {
	list := *pieces
	i := rng.IntN(len(list))
	switch rng.IntN(7) {
	case 0:
		list[i].high = one[byte](rng, 0, 1, 2, 255)
	case 1:
		list[i].index = one(rng, 0, list[i].index+1, 1<<32-1, 1<<32, 1<<63)
	case 2:
		list = slices.Insert(list, i, piece{index: uint64(i)})
	case 3:
		list = append(list, piece{index: uint64(len(list))})
	case 4:
		list[i].plain = list[i].plain[:rng.IntN(len(list[i].plain)+1)]
	case 5:
		list = slices.Delete(list, i, i+1)
	default:
		list = append(list, list[i])
	}
	*pieces = list
}

// wellFormed is what the specification says of chunks.
func wellFormed(pieces []piece, log byte) bool {
	for i, p := range pieces {
		last := i == len(pieces)-1
		full := len(p.plain) == 1<<log
		if p.index != uint64(i) || p.high != 0 || full == last || len(p.plain) > 1<<log {
			return false
		}
	}
	return len(pieces) > 0
}

// canonical knows the contexts of hostileContext.
func canonical(b []byte) bool {
	return bytes.Equal(b, []byte{0, 0}) || string(b) == "\x00\x01\x00\x01a\x00\x01b" ||
		bytes.Contains(b, []byte("prod"))
}

// frame is a zstd frame with what the table says of it.
type frame struct {
	data    []byte
	content uint32
}

// baseStreams are good streams, of small contents.
func baseStreams(t testing.TB) (all [][]frame) {
	t.Helper()
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithSingleSegment(true))
	if err != nil {
		t.Fatal(err)
	}
	of := func(b []byte) frame { return frame{encoder.EncodeAll(b, nil), uint32(len(b))} }
	return [][]frame{
		nil, {of(text(1))}, {of(text(300)), of(text(2000))}, {of(random(100))},
		{of(text(5000)), of(make([]byte, 9)), of(random(3000))},
		{of(make([]byte, 50000))}, {{rleFrame(frameSize, 8), frameSize}},
		{{rleFrame(frameSize, 8), frameSize}, of(text(70))},
	}
}

// hostileStream puts a stream together, with mistakes.
func hostileStream(rng *rand.Rand, frames []frame) []byte {
	frames = slices.Clone(frames)
	for range rng.IntN(3) {
		if len(frames) == 0 {
			break
		}
		i := rng.IntN(len(frames))
		switch f := &frames[i]; rng.IntN(8) {
		case 0:
			frames = slices.Delete(frames, i, i+1)
		case 1:
			frames = slices.Insert(frames, i, frames[rng.IntN(len(frames))])
		case 2, 3:
			f.data = altered(rng, f.data)
		case 4, 5: // the frame header, where the sizes are
			head := min(len(f.data), 14)
			f.data = slices.Concat(altered(rng, f.data[:head]), f.data[head:])
		case 6:
			f.content = uint32(max(0, about(rng, int64(f.content))))
		default: // something between the frames
			f.data = slices.Concat(one(rng, []byte("\x50\x2a\x4d\x18\x04\x00\x00\x00skip"),
				[]byte{0}, rleFrame(1<<20, 8), rleFrame(0xfffe0000, 1<<10),
				[]byte("\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00")), f.data)
		}
	}
	return hostileTable(rng, frames)
}

func hostileTable(rng *rand.Rand, frames []frame) []byte {
	var stream []byte
	entry, flags := 8, byte(0)
	if rng.IntN(4) == 0 {
		entry, flags = 12, 0x80
	}
	for _, f := range frames {
		stream = append(stream, f.data...)
	}
	table := binary.LittleEndian.AppendUint32(nil, 0x184d2a5e)
	table = binary.LittleEndian.AppendUint32(table, uint32(entry*len(frames)+9))
	for _, f := range frames {
		table = binary.LittleEndian.AppendUint32(table, uint32(len(f.data)))
		table = binary.LittleEndian.AppendUint32(table, f.content)
		table = append(table, make([]byte, entry-8)...)
	}
	table = binary.LittleEndian.AppendUint32(table, uint32(len(frames)))
	table = append(table, flags, 0xb1, 0xea, 0x92, 0x8f)
	switch rng.IntN(8) {
	case 0:
		table = altered(rng, table)
	case 1:
		binary.LittleEndian.PutUint32(table[len(table)-9:],
			uint32(max(0, about(rng, int64(len(frames))))))
	case 2:
		binary.LittleEndian.PutUint32(table[4:], uint32(max(0, about(rng, int64(len(table)-8)))))
	}
	return append(stream, table...)
}

// judges are other people's decoder.
type judges struct{ zstd *zstd.Decoder }

func newJudges(t testing.TB) judges {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxMemory(mostMemory))
	if err != nil {
		t.Fatal(err)
	}
	return judges{d}
}

// keyedStream seals what calls itself a compressed stream. If accepted, it is what another decoder
// makes of it.
func (m *mill) keyedStream(n int, s subject) {
	m.trials.Add(1)
	d := s.parts.clone()
	d.log, d.compression = 12, 1
	stream := hostileStream(m.rng, one(m.rng, m.streams...))
	d.seal(piecesOf(stream, d.log))
	in := input{&shape{}, d.bytes(), nil}
	id := &holder{key: bytes.Clone(d.dataKey)}
	var got, want []byte
	var err, judged error
	if m.rng.IntN(3) > 0 {
		var out bytes.Buffer
		o := in.options(1)
		o.MaxSize = mostContent
		_, err = envelope.Open(context.Background(), &out, bytes.NewReader(in.file), o, id)
		got = out.Bytes()
		if err == nil {
			want, judged = m.judges.zstd.DecodeAll(stream, nil)
		}
	} else if got, err = readAllAt(in, id); err == nil {
		want, judged = m.judges.byTable(stream)
	}
	switch {
	case err != nil && !errors.Is(err, envelope.ErrCompression) &&
		!errors.Is(err, envelope.ErrMaxSize):
		m.violation("mutation %d: the refusal is of the wrong kind: %v", n, err)
	case err == nil && (judged != nil || !bytes.Equal(got, want)):
		m.violation("mutation %d: %d bytes come out, another decoder says %d, %v",
			n, len(got), len(want), judged)
	case err == nil:
		m.accepted[keyedStream].Add(1)
	}
}

// mostContent is what a reader is told to let out at the most.
const mostContent = 8 << 20

func readAllAt(in input, id envelope.Identity) ([]byte, error) {
	r, err := envelope.OpenAt(context.Background(), bytes.NewReader(in.file),
		int64(len(in.file)), in.options(1), id)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if r.Size() > mostContent {
		return nil, envelope.ErrMaxSize
	}
	return io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
}

// byTable decodes the frames that the seek table gives content to. Random access sees no others: a
// frame that holds nothing by the table is never read.
func (j judges) byTable(stream []byte) (content []byte, err error) {
	foot := stream[len(stream)-9:]
	entry := 8 + int(foot[4]>>7)*4
	table := stream[len(stream)-9-entry*int(binary.LittleEndian.Uint32(foot)) : len(stream)-9]
	for ; len(table) > 0; table = table[entry:] {
		size, length := binary.LittleEndian.Uint32(table), binary.LittleEndian.Uint32(table[4:])
		was := len(content)
		if length > 0 {
			if content, err = j.zstd.DecodeAll(stream[:size], content); err != nil {
				return nil, err
			}
		}
		if len(content)-was != int(length) {
			return nil, errors.New("another size than the table says")
		}
		stream = stream[size:]
	}
	return content, nil
}
