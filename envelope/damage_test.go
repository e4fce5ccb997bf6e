package envelope_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
)

// isDamage tells whether an error says what exit code 4 or 7 says.
func isDamage(err error) bool {
	return errors.Is(err, envelope.ErrDamaged) || errors.Is(err, format.ErrDamaged) ||
		errors.Is(err, format.ErrTruncated) || errors.Is(err, format.ErrNotEnvseal) ||
		errors.Is(err, format.ErrVersion)
}

func TestEveryFlippedBitIsFound(t *testing.T) {
	r := newRig(t, 2)
	plain := random(smallChunk + 300)
	sealed := r.seal(r.dataKey(format.Context{"app": "web"}), plain,
		envelope.SealOptions{ChunkSizeLog2: 12})
	trials := 0
	for i := range sealed {
		for bit := range 8 {
			if bit != i%8 && i > 2000 { // all bits of the header, one of each byte behind it
				continue
			}
			sealed[i] ^= 1 << bit
			got, err := r.open(sealed, 1)
			sealed[i] ^= 1 << bit
			trials++
			if err == nil {
				t.Fatalf("byte %d, bit %d: not found", i, bit)
			}
			if !isDamage(err) {
				t.Fatalf("byte %d, bit %d: %v is not called damage", i, bit, err)
			}
			if len(got)%smallChunk != 0 || !bytes.HasPrefix(plain, got) {
				t.Fatalf("byte %d, bit %d: %d bytes came out that are no authentic chunks", i, bit, len(got))
			}
		}
	}
	t.Logf("%d flips", trials)
}

func TestEveryCutIsFound(t *testing.T) {
	r := newRig(t, 1)
	for _, size := range []int{0, 1, smallChunk, 2*smallChunk + 5} {
		plain := random(size)
		sealed := r.seal(r.dataKey(nil), plain, envelope.SealOptions{ChunkSizeLog2: 12})
		for n := range sealed {
			got, err := r.open(sealed[:n], 1+n%2)
			if err == nil || !isDamage(err) {
				t.Fatalf("%d of %d bytes: %v", n, len(sealed), err)
			}
			if len(got)%smallChunk != 0 || !bytes.HasPrefix(plain, got) {
				t.Fatalf("%d of %d bytes: %d bytes came out", n, len(sealed), len(got))
			}
		}
	}
}

func TestChunkEdgesAreTold(t *testing.T) {
	const unit = smallChunk + format.TagSize
	r := newRig(t, 1)
	plain := random(4 * smallChunk)
	sealed := r.seal(r.dataKey(nil), plain, envelope.SealOptions{ChunkSizeLog2: 12})
	payload := len(sealed) - 4*unit - format.TagSize
	for chunks := range 5 { // behind the fourth, only the empty last chunk is missing
		got, err := r.open(sealed[:payload+chunks*unit], 2)
		if !errors.Is(err, envelope.ErrTruncated) || len(got) != chunks*smallChunk {
			t.Errorf("cut behind chunk %d: %d bytes, %v", chunks, len(got), err)
		}
	}
	other := r.seal(r.dataKey(nil), plain, envelope.SealOptions{ChunkSizeLog2: 12})
	for name, tail := range map[string][]byte{"a byte": {0},
		"a chunk": sealed[payload : payload+unit], "itself": sealed,
		"another": other, "much": make([]byte, 1<<20)} {
		for workers := 1; workers <= 3; workers++ {
			_, err := r.open(slices.Concat(sealed, tail), workers)
			joined := name == "itself" || name == "another"
			if !errors.Is(err, envelope.ErrTampered) || errors.Is(err, envelope.ErrJoined) != joined {
				t.Errorf("followed by %s: %v", name, err)
			}
		}
	}
}

func TestChunksKeepTheirPlace(t *testing.T) {
	r := newRig(t, 1)
	const unit = smallChunk + format.TagSize
	key := r.dataKey(nil)
	plain := random(8 * smallChunk)
	sealed := r.seal(key, plain, envelope.SealOptions{ChunkSizeLog2: 12})
	payload := len(sealed) - 8*unit - format.TagSize
	other := r.seal(key, plain, envelope.SealOptions{ChunkSizeLog2: 12})
	chunk := func(file []byte, i int) []byte { return file[payload+i*unit : payload+(i+1)*unit] }
	build := func(chunks ...[]byte) []byte {
		return slices.Concat(append([][]byte{sealed[:payload]}, chunks...)...)
	}
	refused := func(what string, file []byte) {
		t.Helper()
		if _, err := r.open(file, 2); !errors.Is(err, envelope.ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	var all [][]byte
	for i := range 8 {
		all = append(all, chunk(sealed, i))
	}
	empty := sealed[payload+8*unit:]
	refused("without the last", build(all...))
	refused("with the last of another file", build(append(all[:8:8], other[payload+8*unit:])...))
	refused("the last twice", build(append(all[:8:8], empty, empty)...))
	all = append(all, empty)
	if got, err := r.open(build(all...), 2); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("as it was: %d bytes, %v", len(got), err)
	}
	for i := range 8 {
		refused(fmt.Sprint("dropped ", i), build(slices.Delete(slices.Clone(all), i, i+1)...))
		refused(fmt.Sprint("doubled ", i), build(slices.Insert(slices.Clone(all), i, all[i])...))
		from := slices.Clone(all)
		from[i] = chunk(other, i)
		refused(fmt.Sprint("from another file ", i), build(from...))
		for j := range i {
			swapped := slices.Clone(all)
			swapped[i], swapped[j] = swapped[j], swapped[i]
			refused(fmt.Sprint("swapped ", i, j), build(swapped...))
		}
		swapped := slices.Clone(all)
		swapped[i], swapped[8] = swapped[8], swapped[i]
		refused(fmt.Sprint("swapped with the last ", i), build(swapped...))
	}
	refused("header of another file", slices.Concat(other[:payload], sealed[payload:]))
}
