//go:build interop

package envelope_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"

	"github.com/envseal/envseal/cmd/e2e/testhome"
	"github.com/envseal/envseal/envelope"
)

func TestMain(m *testing.M) { os.Exit(testhome.Run(m.Run)) }

// zstdProgram runs the zstd program, which must be installed.
func zstdProgram(t *testing.T, in []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "zstd", append([]string{"-q", "-c"}, args...)...)
	var out, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("zstd %v: %v: %s", args, err, &stderr)
	}
	return out.Bytes()
}

func TestInteropZstdReadsOurStream(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	for _, plain := range [][]byte{nil, {1}, text(3*frameSize + 5), random(frameSize + 7),
		make([]byte, 5<<20), slices.Concat(text(900_000), random(2<<20))} {
		for _, level := range []envelope.Level{envelope.LevelFastest,
			envelope.LevelGood, envelope.LevelBetter} {
			stream := r.stream(r.seal(key, plain, envelope.SealOptions{Compress: level}))
			zstdProgram(t, stream, "-t")
			if got := zstdProgram(t, stream, "-d"); !bytes.Equal(got, plain) {
				t.Errorf("%v: zstd makes %d bytes of it, want %d", level, len(got), len(plain))
			}
		}
	}
}

// Frames as the program makes them, with a seek table after them: independent, of at most 1 MiB,
// and with their size.
func TestInteropWeReadZstdsFrames(t *testing.T) {
	r := newRig(t, 1)
	plain := slices.Concat(text(2<<20), random(frameSize), make([]byte, frameSize), text(777))
	for _, args := range [][]string{{"-1"}, {"-3", "--no-check"}, {"-19"},
		{"--fast=5"}, {"--ultra", "-22"}} {
		var stream []byte
		var sizes []uint32
		for rest := plain; len(rest) > 0; {
			content := rest[:min(frameSize, len(rest))]
			rest = rest[len(content):]
			frame := zstdProgram(t, content, append(args, "--stream-size="+strconv.Itoa(len(content)))...)
			stream = append(stream, frame...)
			sizes = append(sizes, uint32(len(frame)), uint32(len(content)))
		}
		sealed := r.sealStream(r.dataKey(nil), append(stream, seekTable(sizes...)...))
		if got, err := r.open(sealed, 2); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("zstd %v: %d bytes, want %d, %v", args, len(got), len(plain), err)
		}
		ra, err := envelope.OpenAt(context.Background(), bytes.NewReader(sealed), int64(len(sealed)),
			envelope.OpenOptions{}, r.identity())
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 100_000)
		_, err = ra.ReadAt(p, frameSize-50_000)
		if err != nil || !bytes.Equal(p, plain[frameSize-50_000:][:len(p)]) {
			t.Errorf("zstd %v: random access: %v", args, err)
		}
		ra.Close()
	}
}
