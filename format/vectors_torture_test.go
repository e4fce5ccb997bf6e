//go:build torture

package format_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/envseal/envseal/envelope"
)

// rounds is n in the long form of these tests (TORTURE=full or unset), and a fiftieth of it in the
// short one.
func rounds(t *testing.T, n int) int {
	t.Helper()
	switch form := os.Getenv("TORTURE"); form {
	case "", "full":
		return n
	case "short":
		return n / 50
	default:
		t.Fatalf("TORTURE=%s: it is full or short", form)
	}
	return 0
}

// onBothCores calls work(i) for all i below n.
func onBothCores(n int, work func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				work(int(i) - 1)
			}
		})
	}
	wg.Wait()
}

// TestTortureSecondReader changes vectors at random, makes their checksums right, and has them read
// by envseal and by the reader written from the specification. Both open them, to the same bytes,
// or both refuse them for the same kind of reason. Both hold the keys, so this reaches every corner
// of the format that the vectors lead to.
func TestTortureSecondReader(t *testing.T) {
	var vectors []*vector
	for _, v := range readVectors(t) {
		if (v.form == "file" || v.form == "armor") && v.options["max-size"] == "" &&
			len(v.body) < 30000 && len(v.body) > 0 {
			vectors = append(vectors, v)
		}
	}
	var trials, opened, violations atomic.Int64
	onBothCores(rounds(t, 1_000_000), func(i int) {
		rng := rand.New(rand.NewPCG(7, uint64(i)))
		v := *vectors[rng.IntN(len(vectors))]
		v.body = v.mutated(rng, vectors[rng.IntN(len(vectors))])
		trials.Add(1)
		want, specErr := v.readBySpec()
		got, err := openReader(1, nil)(context.Background(), &v)
		if err == nil {
			opened.Add(1)
		}
		// if two things are wrong, one reader meets the file's first, the other the armor's
		agree := kindOf(err) == specKindOf(specErr) || v.form == "armor" && err != nil && specErr != nil
		if !agree || err == nil && !bytes.Equal(got, want) {
			if n := violations.Add(1); n <= 20 {
				t.Errorf("mutation %d of %s: %d bytes, %v; the second reader: %d bytes, %v",
					i, v.name, len(got), err, len(want), specErr)
			}
		}
	})
	if opened.Load() == 0 {
		t.Error("no mutation opened")
	}
	fmt.Printf("reliability: 21|vectors changed at random: envseal and a reader of the specification agree|envseal|%d|%d|%d of them opened, in both\n",
		trials.Load(), violations.Load(), opened.Load())
}

// mutated changes header fields, bytes and lengths, and takes pieces of another vector. Mostly it
// makes the checksum right.
func (v *vector) mutated(rng *rand.Rand, other *vector) []byte {
	b := bytes.Clone(v.body)
	for range 1 + rng.IntN(3) {
		i := rng.IntN(len(b))
		if rng.IntN(3) > 0 {
			i = rng.IntN(min(len(b), 700)) // the header, where most is to be found
		}
		switch rng.IntN(8) {
		case 0:
			b[i] ^= 1 << rng.IntN(8)
		case 1:
			b[i] = byte(rng.Uint32())
		case 2:
			b[i] = []byte{0, 1, 2, 3, 0x7f, 0x80, 0xff, 12, 24}[rng.IntN(9)]
		case 3:
			if i+4 <= len(b) {
				binary.BigEndian.PutUint32(b[i:], uint32(rng.IntN(1024)))
			}
		case 4:
			if n := rng.IntN(40); i+n <= len(b) && len(b) > n+1 {
				b = slices.Delete(b, i, i+n)
			}
		case 5:
			b = slices.Insert(b, i, other.body[rng.IntN(len(other.body)):]...)
			b = b[:min(len(b), 60000)]
		case 6:
			copy(b[i:], other.body[min(i, len(other.body)):])
		default:
			// fields at their places: suite to reserved byte, context length, header length, slot count
			at := []int{8, 9, 10, 11, 47, 85, 84, 87}[rng.IntN(8)]
			if at < len(b) {
				b[at] = byte(rng.IntN(26))
			}
		}
	}
	if n := claimedLength(b); n > 4 && rng.IntN(10) > 0 {
		binary.BigEndian.PutUint32(b[n-4:], crc32.Checksum(b[:n-4], crc32.MakeTable(crc32.Castagnoli)))
	}
	return b
}

// TestTortureSalamanders: two keys, one chunk.
func TestTortureSalamanders(t *testing.T) {
	var trials, violations atomic.Int64
	onBothCores(rounds(t, 2500), func(i int) {
		m := &maker{t: t}
		p, other, chunk := m.salamander(fmt.Sprint("torture ", i), fmt.Sprint("other torture ", i))
		p.chunks = [][]byte{chunk}
		for _, key := range []*plan{p, other} {
			v := &vector{form: "file", body: p.file(),
				decrypt: []answer{{exampleKMSKey, p.context, p.blob(), key.dataKey}}}
			for _, r := range vectorReaders {
				if !r.fits(v) {
					continue
				}
				trials.Add(1)
				out, err := r.read(context.Background(), v)
				if (err == nil) != (key == p) ||
					err != nil && (!errors.Is(err, envelope.ErrCommitment) || len(out) > 0) ||
					err == nil && r.releases && !bytes.Equal(out, p.content) {
					violations.Add(1)
					t.Errorf("%s: %s: %d bytes, %v", p.name, r.name, len(out), err)
				}
			}
		}
	})
	fmt.Printf("reliability: 4|two keys that both fit one chunk (salamander)|envseal|%d|%d|only the key that the file commits to opens it\n",
		trials.Load(), violations.Load())
}
