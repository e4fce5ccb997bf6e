package envelope_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/envseal/envseal/envelope"
)

// sealStream seals what says of itself that it is a compressed stream.
func (r *rig) sealStream(key *envelope.DataKey, stream []byte) []byte {
	r.t.Helper()
	var sealed bytes.Buffer
	err := envelope.SealStream(context.Background(), &sealed, bytes.NewReader(stream), key,
		envelope.SealOptions{ChunkSizeLog2: 12})
	if err != nil {
		r.t.Fatal(err)
	}
	return sealed.Bytes()
}

// seekTable makes the table for frames of the given compressed and content sizes.
func seekTable(sizes ...uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0x184d2a5e)
	b = binary.LittleEndian.AppendUint32(b, uint32(4*len(sizes)+9))
	for _, n := range sizes {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(sizes)/2))
	return append(b, 0, 0xb1, 0xea, 0x92, 0x8f)
}

// rleFrame is a frame that claims content bytes and has blocks of 128 KiB of zeros in 4 bytes each.
func rleFrame(content uint32, blocks int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xfd2fb528)
	b = binary.LittleEndian.AppendUint32(append(b, 0xa0), content)
	for i := range blocks {
		head := uint32(128<<10)<<3 | 1<<1
		if i == blocks-1 {
			head |= 1
		}
		b = append(b, byte(head), byte(head>>8), byte(head>>16), 0)
	}
	return b
}

// What is authentic and malformed is damage of a kind of its own. It takes no memory to find out,
// and the stream can still be had as it is.
func TestMalformedStreams(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	good := rleFrame(frameSize, 8)
	size := uint32(len(good))
	got, err := r.open(r.sealStream(key, append(bytes.Clone(good), seekTable(size, frameSize)...)), 2)
	if err != nil || len(got) != frameSize {
		t.Fatalf("a good one: %d bytes, %v", len(got), err)
	}
	bomb := rleFrame(0xfffe0000, 1<<15) // 4 GiB in 128 KiB
	for name, stream := range map[string][]byte{
		"nothing":                 nil,
		"no compressed stream":    text(5000),
		"no table":                good,
		"a frame without its end": good[:20],
		"table of another frame":  append(bytes.Clone(good), seekTable(size, frameSize-1)...),
		"table of two frames": append(bytes.Clone(good),
			seekTable(size, frameSize, size, frameSize)...),
		"something behind the table": append(append(bytes.Clone(good), seekTable(size, frameSize)...), 0),
		"a bomb": append(bytes.Clone(bomb),
			seekTable(uint32(len(bomb)), 0xfffe0000)...),
		"more content than stated": append(rleFrame(frameSize, 9),
			seekTable(uint32(len(rleFrame(frameSize, 9))), frameSize)...),
		"table that claims 2^32-1": append(make([]byte, 100), 255, 255, 255, 255,
			0, 0xb1, 0xea, 0x92, 0x8f),
	} {
		sealed := r.sealStream(key, stream)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := r.open(sealed, 2)
		if !errors.Is(err, envelope.ErrCompression) || !isDamage(err) {
			t.Errorf("%s: %v", name, err)
		}
		ra, err := r.openAt(sealed)
		if err == nil {
			_, err = ra.ReadAt(make([]byte, 10), 0)
			ra.Close()
		}
		if !errors.Is(err, envelope.ErrCompression) {
			t.Errorf("%s: random access: %v", name, err)
		}
		if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 32<<20 {
			t.Errorf("%s: took %d MiB of memory", name, (after.TotalAlloc-before.TotalAlloc)>>20)
		}
		if got := r.stream(sealed); !bytes.Equal(got, stream) {
			t.Errorf("%s: %d bytes as it is, want %d", name, len(got), len(stream))
		}
	}
}

// Where a stream is malformed and the file cut as well, the file is what is wrong with it.
func TestTruncationWinsOverMalformed(t *testing.T) {
	r := newRig(t, 1)
	sealed := r.sealStream(r.dataKey(nil), append(rleFrame(frameSize, 8), text(3*smallChunk)...))
	for range 20 {
		_, err := r.open(sealed[:len(sealed)-100], 2)
		if !errors.Is(err, envelope.ErrDamaged) {
			t.Fatalf("got %v", err)
		}
	}
	// cut inside a frame, which the stream's end could be taken for
	sealed = r.seal(r.dataKey(nil), random(10*smallChunk),
		envelope.SealOptions{ChunkSizeLog2: 12, Compress: envelope.LevelFastest})
	for n := len(sealed) - 9*smallChunk; n < len(sealed); n += 1000 {
		_, err := r.open(sealed[:n], 2)
		if !errors.Is(err, envelope.ErrDamaged) || errors.Is(err, envelope.ErrCompression) {
			t.Errorf("%d of %d bytes: %v", n, len(sealed), err)
		}
	}
}

// FuzzZstdStage opens what it seals while it seals it. It also opens anything that may call itself
// a compressed stream, in order and by its table; klauspost's own decoder is the judge.
func FuzzZstdStage(f *testing.F) {
	good := rleFrame(frameSize, 8)
	table := seekTable(uint32(len(good)), frameSize)
	for _, seed := range [][]byte{nil, {1}, text(500), random(300), good,
		append(good, table...), seekTable()} {
		f.Add(seed, uint8(len(seed)), uint16(1))
	}
	f.Add(text(900), uint8(3), uint16(3000))
	r := newRig(f, 1)
	key := r.dataKey(nil)
	judge, err := zstd.NewReader(nil)
	if err != nil {
		f.Fatal(err)
	}
	if got, err := judge.DecodeAll(append(good, table...), nil); err != nil || len(got) != frameSize {
		f.Fatalf("a seed is no good: %d bytes, %v", len(got), err)
	}
	f.Fuzz(func(t *testing.T, data []byte, how uint8, times uint16) {
		r := &rig{t: t, store: r.store, keys: r.keys}
		fuzzRoundTrip(t, r, key, data, how, int(times))
		sealed := r.sealStream(key, data)
		got, err := r.open(sealed, 1+int(how)%3)
		if err != nil {
			if !errors.Is(err, envelope.ErrCompression) {
				t.Fatal(err)
			}
			if ra, err := r.openAt(sealed); err == nil {
				_, _ = io.Copy(io.Discard, io.NewSectionReader(ra, 0, min(ra.Size(), 10<<20)))
				ra.Close()
			}
			return
		}
		want, err := judge.DecodeAll(data, nil)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, the judge %d, %v", len(got), len(want), err)
		}
	})
}

func fuzzRoundTrip(t *testing.T, r *rig, key *envelope.DataKey, data []byte, how uint8, times int) {
	plain := bytes.Repeat(data, min(times, 1+(5<<18)/(len(data)+1)))
	opts := envelope.SealOptions{ChunkSizeLog2: 12 + how%8, Workers: 1 + int(how/8)%3,
		Compress: envelope.LevelFastest + envelope.Level(how/24)%3}
	pr, pw := io.Pipe()
	sealed := make(chan error, 1)
	go func() {
		_, err := envelope.Seal(context.Background(), pw, bytes.NewReader(plain), key, opts)
		pw.CloseWithError(err)
		sealed <- err
	}()
	var out bytes.Buffer
	_, err := envelope.Open(context.Background(), &out, pr,
		envelope.OpenOptions{Workers: opts.Workers}, r.identity())
	pr.CloseWithError(err)
	if sealErr := <-sealed; sealErr != nil || err != nil || !bytes.Equal(out.Bytes(), plain) {
		t.Fatalf("%v, %d bytes: %d came back; %v, %v", opts, len(plain), out.Len(), sealErr, err)
	}
}
