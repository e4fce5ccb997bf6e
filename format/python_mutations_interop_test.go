//go:build interop

package format_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/envseal/envseal/envelope"
)

var pythonMutations = flag.Int("python-mutations", 4000, "files for TestInteropPythonMutations")

// TestInteropPythonMutations alters good files and compares what the reader in Python makes of them
// with what envseal does: the same verdict, and the same bytes. Headers are altered with a right
// checksum, too, and compressed streams before they are sealed.
func TestInteropPythonMutations(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	mu := &mutations{rand: rand.New(rand.NewPCG(seed, 0)), maker: &maker{t: t}}
	for _, v := range readVectors(t) {
		if v.expect == "opens" && v.form != "data key file" && v.form != "pair file" &&
			len(v.body) < 64<<10 {
			mu.good = append(mu.good, v)
		}
	}
	p, counts := startPython(t), map[string]int{}
	for range *pythonMutations {
		v := mu.next()
		counts[compareReaders(t, p, v)]++
	}
	t.Log(counts)
	for _, kind := range []string{"opens", "damaged", "newer", "no key", "foreign"} {
		if counts[kind] == 0 {
			t.Errorf("none was %s", kind)
		}
	}
}

// compareReaders gives the verdict.
func compareReaders(t *testing.T, p *python, v *vector) string {
	t.Helper()
	out, err := openReader(1, nil)(context.Background(), v)
	want, got := kindOf(err), p.open(v)
	if decodersDiffer(err, got) {
		return "left to the zstd decoder"
	}
	released := sha256.Sum256(out[:min(got.Size, len(out))])
	if got.Kind != want || got.Size > len(out) || got.SHA256 != hex.EncodeToString(released[:]) ||
		err == nil && got.Size != len(out) {
		t.Errorf("%s altered: %s, %d bytes, %s; envseal: %s, %d bytes, %v\n%x",
			v.name, got.Kind, got.Size, got.Words, want, len(out), err, v.encode())
	}
	return want
}

// decodersDiffer tells of the two things in the inside of a frame that libzstd 1.5.4 lets pass and
// the decoder in Go does not: reserved bits of a sequences section that are set, and bits that run
// out.
func decodersDiffer(err error, got verdict) bool {
	return errors.Is(err, envelope.ErrCompression) && got.Kind == "opens" &&
		(strings.HasSuffix(err.Error(), "reserved bits not zero") ||
			strings.HasSuffix(err.Error(), "unexpected EOF"))
}

type mutations struct {
	rand  *rand.Rand
	good  []*vector
	maker *maker
	n     int
}

// next makes the next file.
func (mu *mutations) next() *vector {
	mu.n++
	if mu.n%4 == 0 {
		return mu.stream()
	}
	altered := *mu.good[mu.rand.IntN(len(mu.good))]
	altered.body = bytes.Clone(altered.body)
	if mu.n%4 == 1 {
		mu.header(altered.body)
		return &altered
	}
	for range 1 + mu.rand.IntN(2) {
		altered.body = mu.edit(altered.body)
	}
	altered.detached = min(altered.detached, len(altered.body))
	return &altered
}

// header alters bytes before the padding, where most of them mean something, and makes the checksum
// right again.
func (mu *mutations) header(b []byte) {
	n := claimedLength(b)
	if n == 0 {
		return // armor
	}
	used := len(bytes.TrimRight(b[:n-4], "\x00"))
	for range 1 + mu.rand.IntN(2) {
		at := 8 + mu.rand.IntN(min(used, n-5)-7)
		if mu.rand.IntN(2) == 0 { // lengths and counts: small steps
			b[at] += byte(mu.rand.IntN(5) - 2)
		} else {
			b[at] = byte(mu.rand.Uint32())
		}
	}
	if again := claimedLength(b); again > 0 {
		n = again
	}
	binary.BigEndian.PutUint32(b[n-4:],
		crc32.Checksum(b[:n-4], crc32.MakeTable(crc32.Castagnoli)))
}

// edit flips, cuts out, doubles, inserts, cuts off, or puts in a piece of another file.
func (mu *mutations) edit(b []byte) []byte {
	if len(b) == 0 {
		return []byte{byte(mu.rand.Uint32())}
	}
	from := mu.rand.IntN(len(b))
	to := min(len(b), from+1+mu.rand.IntN([]int{1, 16, 300, 4112, 8224}[mu.rand.IntN(5)]))
	switch mu.rand.IntN(7) {
	case 0, 1:
		b[from] ^= 1 << mu.rand.IntN(8)
	case 2:
		return slices.Delete(b, from, to)
	case 3:
		return slices.Insert(b, to, bytes.Clone(b[from:to])...)
	case 4:
		return slices.Insert(b, from, byte(mu.rand.Uint32()))
	case 5:
		return b[:from]
	case 6:
		other := mu.good[mu.rand.IntN(len(mu.good))].body
		if from < len(other) {
			return append(b[:from], other[from:]...)
		}
	}
	return b
}

// stream is a file whose compressed stream is altered, or good, and sealed as it should be.
func (mu *mutations) stream() *vector {
	var frames []zframe
	for range mu.rand.IntN(4) {
		if mu.rand.IntN(2) == 0 {
			frames = append(frames, stored(stuff("mutation", 1+mu.rand.IntN(5000))))
			continue
		}
		level := []string{"1", "3", "19"}[mu.rand.IntN(3)]
		data, err := base64.StdEncoding.DecodeString(zstdLevels[level])
		if err != nil {
			mu.maker.t.Fatal(err)
		}
		frames = append(frames, zframe{data, hundredLines()})
	}
	b, _ := joinFrames(frames)
	b = append(b, tableOf(frames, mu.rand.IntN(2) == 0).bytes()...)
	if mu.rand.IntN(8) > 0 {
		b = mu.edit(b)
	}
	plan := mu.maker.zstdPlan("mutation", b)
	return &vector{name: plan.name, form: "file", expect: "?", decrypt: plan.answers,
		body: plan.file(), options: map[string]string{}}
}
