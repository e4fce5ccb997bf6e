package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/envseal/envseal/envelope"
)

// scratch is a file that is read and written at any offset.
func scratch(t testing.TB) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "scratch"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func contents(t testing.TB, f *os.File) []byte {
	t.Helper()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (r *rig) sealAt(key *envelope.DataKey, plain []byte, o envelope.SealOptions) []byte {
	r.t.Helper()
	out := scratch(r.t)
	_, err := envelope.SealAt(context.Background(), out, bytes.NewReader(plain),
		int64(len(plain)), key, o)
	if err != nil {
		r.t.Fatal(err)
	}
	return contents(r.t, out)
}

func (r *rig) openTo(sealed []byte, o envelope.OpenOptions) ([]byte, error) {
	r.t.Helper()
	out := scratch(r.t)
	_, err := envelope.OpenTo(context.Background(), out, bytes.NewReader(sealed),
		int64(len(sealed)), o, r.identity())
	return contents(r.t, out), err
}

// What one path writes, the other reads.
func TestDirectAndStreamAgree(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	for _, size := range []int{0, 1, smallChunk, smallChunk + 1, 1 << 20, 1<<20 + 1, 5<<20 + 77} {
		plain := random(size)
		for _, log := range []uint8{12, 16, 22} {
			for workers := 1; workers <= 3; workers++ {
				o := envelope.SealOptions{ChunkSizeLog2: log, Workers: workers}
				direct, streamed := r.sealAt(key, plain, o), r.seal(key, plain, o)
				if len(direct) != len(streamed) {
					t.Fatalf("%d bytes, chunk 2^%d: direct wrote %d bytes, the stream %d",
						size, log, len(direct), len(streamed))
				}
				if got, err := r.open(direct, workers); err != nil || !bytes.Equal(got, plain) {
					t.Fatalf("%d bytes, chunk 2^%d: direct to stream: %d bytes, %v", size, log, len(got), err)
				}
				got, err := r.openTo(streamed, envelope.OpenOptions{Workers: workers})
				if err != nil || !bytes.Equal(got, plain) {
					t.Fatalf("%d bytes, chunk 2^%d: stream to direct: %d bytes, %v", size, log, len(got), err)
				}
			}
		}
	}
}

func TestDirectCompressedAndDetached(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	plain := bytes.Repeat([]byte("the same line again\n"), 200_000)
	packed := r.sealAt(key, plain, envelope.SealOptions{Compress: envelope.LevelFastest})
	got, err := r.openTo(packed, envelope.OpenOptions{})
	if err != nil || !bytes.Equal(got, plain) || len(packed) > len(plain)/10 {
		t.Errorf("compressed to %d bytes: %d bytes, %v", len(packed), len(got), err)
	}
	var head bytes.Buffer
	chunks := r.sealAt(key, plain, envelope.SealOptions{Header: &head})
	got, err = r.openTo(chunks, envelope.OpenOptions{Header: &head})
	if err != nil || !bytes.Equal(got, plain) {
		t.Errorf("detached: %d bytes, %v", len(got), err)
	}
	whole := r.sealAt(key, plain, envelope.SealOptions{})
	for _, sealed := range [][]byte{packed, whole} {
		_, err := r.openTo(sealed, envelope.OpenOptions{MaxSize: int64(len(plain)) - 1})
		if !errors.Is(err, envelope.ErrMaxSize) {
			t.Errorf("one byte over the bound: %v", err)
		}
		if _, err := r.openTo(sealed, envelope.OpenOptions{MaxSize: int64(len(plain))}); err != nil {
			t.Errorf("at the bound: %v", err)
		}
	}
}

func TestDirectFindsDamage(t *testing.T) {
	r := newRig(t, 1)
	plain := random(2<<20 + 300)
	sealed := r.sealAt(r.dataKey(nil), plain, envelope.SealOptions{ChunkSizeLog2: 12})
	refused := func(what string, sealed []byte) {
		t.Helper()
		if _, err := r.openTo(sealed, envelope.OpenOptions{Workers: 2}); err == nil || !isDamage(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := 3; i < len(sealed); i += 4999 {
		sealed[i] ^= 0x10
		refused(fmt.Sprint("byte ", i), sealed)
		sealed[i] ^= 0x10
	}
	for i := range 40 {
		refused(fmt.Sprint("cut by ", i*4112+1), sealed[:len(sealed)-i*4112-1])
		refused(fmt.Sprint("cut by chunks ", i+1), sealed[:len(sealed)-(i+1)*4112])
	}
	refused("a byte more", append(bytes.Clone(sealed), 0))
	refused("itself again", append(bytes.Clone(sealed), sealed...))
}

// An input that has become shorter than it was said to be is a broken source.
func TestDirectInputShrinks(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	for _, level := range []envelope.Level{envelope.LevelNone, envelope.LevelFastest} {
		for _, missing := range []int64{1, 1 << 20, 3 << 20} {
			o := envelope.SealOptions{Compress: level}
			_, err := envelope.SealAt(context.Background(), scratch(t),
				bytes.NewReader(random(3<<20)), 3<<20+missing, key, o)
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("compression %v, %d bytes too few: %v", level, missing, err)
			}
		}
	}
}

// An input that has more bytes than it was said to have would be sealed as a whole file of its
// beginning.
func TestDirectInputGrows(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	for _, level := range []envelope.Level{envelope.LevelNone, envelope.LevelFastest} {
		for _, size := range []int64{0, 1, 1 << 16, 1 << 20, 3<<20 - 1} {
			out := scratch(t)
			_, err := envelope.SealAt(t.Context(), out, bytes.NewReader(random(3<<20)), size, key,
				envelope.SealOptions{Compress: level})
			if !errors.Is(err, envelope.ErrGrown) {
				t.Errorf("compression %v, %d bytes: %v", level, size, err)
			}
			r.passesForNoFile(contents(t, out))
		}
	}
}

// passesForNoFile checks that no size is believed of what a writer left behind that failed.
func (r *rig) passesForNoFile(left []byte) {
	r.t.Helper()
	at, err := envelope.OpenAt(r.t.Context(), bytes.NewReader(left), int64(len(left)),
		envelope.OpenOptions{}, r.identity())
	if err == nil {
		r.t.Errorf("%d bytes are left, and pass for a file of %d", len(left), at.Size())
		at.Close()
	}
}

// slowStart is an input or output whose first MiB comes late, and then fails.
type slowStart struct {
	*bytes.Reader
	*os.File
	fails func() error
}

func (s slowStart) late(off int64) error {
	if off >= 1<<20 || s.fails == nil {
		return nil
	}
	time.Sleep(50 * time.Millisecond)
	return s.fails()
}

func (s slowStart) ReadAt(p []byte, off int64) (int, error) {
	if err := s.late(off); err != nil {
		return 0, err
	}
	return s.Reader.ReadAt(p, off)
}

func (s slowStart) WriteAt(p []byte, off int64) (int, error) {
	// the header comes before all workers
	if err := s.late(off); err != nil && off > 0 {
		return 0, err
	}
	return s.File.WriteAt(p, off)
}

// Whatever fails while other workers are done with the end already: the last chunk, which says how
// long the file is, is not there.
func TestDirectFailureLeavesNoEnd(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	plain := random(3<<20 + 5)
	full := func() error { return errFull }
	var cancel context.CancelCauseFunc
	interrupt := func() error { cancel(errFull); return nil }
	for name, fails := range map[string][2]func() error{
		"read": {full, nil}, "write": {nil, full}, "cancelled": {interrupt, nil},
	} {
		ctx, stop := context.WithCancelCause(t.Context())
		cancel = stop
		out := scratch(t)
		src := slowStart{Reader: bytes.NewReader(plain), fails: fails[0]}
		dst := slowStart{File: out, fails: fails[1]}
		_, err := envelope.SealAt(ctx, dst, src, int64(len(plain)), key,
			envelope.SealOptions{Workers: 4})
		if !errors.Is(err, errFull) {
			t.Errorf("%s: %v", name, err)
		}
		stop(nil)
		r.passesForNoFile(contents(t, out))
	}
}

type failingWriterAt struct{ from int64 }

func (w failingWriterAt) WriteAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > w.from {
		return 0, errFull
	}
	return len(p), nil
}

func TestDirectWriteErrorsComeOut(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	plain := random(5 << 20)
	sealed := r.seal(key, plain, envelope.SealOptions{})
	for from := int64(0); from < 5<<20; from += 700_000 {
		_, err := envelope.SealAt(context.Background(), failingWriterAt{from}, bytes.NewReader(plain),
			int64(len(plain)), key, envelope.SealOptions{})
		if !errors.Is(err, errFull) {
			t.Errorf("seal, full at %d: %v", from, err)
		}
		_, err = envelope.OpenTo(context.Background(), failingWriterAt{from}, bytes.NewReader(sealed),
			int64(len(sealed)), envelope.OpenOptions{}, r.identity())
		if !errors.Is(err, errFull) {
			t.Errorf("open, full at %d: %v", from, err)
		}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errFull)
	_, err := envelope.SealAt(ctx, scratch(t), bytes.NewReader(plain), int64(len(plain)),
		key, envelope.SealOptions{})
	if !errors.Is(err, errFull) {
		t.Errorf("cancelled: %v", err)
	}
}

func BenchmarkDirect(b *testing.B) {
	r := newRig(b, 1)
	key := r.dataKey(nil)
	plain := random(64 << 20)
	sealed := r.seal(key, plain, envelope.SealOptions{})
	out := scratch(b)
	b.Run("SealAt", func(b *testing.B) {
		b.SetBytes(int64(len(plain)))
		b.ReportAllocs()
		for b.Loop() {
			_, err := envelope.SealAt(context.Background(), out, bytes.NewReader(plain), int64(len(plain)),
				key, envelope.SealOptions{})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("OpenTo", func(b *testing.B) {
		b.SetBytes(int64(len(plain)))
		b.ReportAllocs()
		for b.Loop() {
			_, err := envelope.OpenTo(context.Background(), out, bytes.NewReader(sealed), int64(len(sealed)),
				envelope.OpenOptions{}, r.identity())
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// breaking fails from its so-manieth read on.
type breaking struct {
	io.ReaderAt
	with  error
	after atomic.Int32
}

func (b *breaking) ReadAt(p []byte, off int64) (int, error) {
	if b.after.Add(-1) < 0 {
		return 0, b.with
	}
	return b.ReaderAt.ReadAt(p, off)
}

// A file that cannot be read is not a damaged one, whatever the error is called.
func TestBrokenFileIsNotCalledDamaged(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	ctx := context.Background()
	for _, level := range []envelope.Level{envelope.LevelNone, envelope.LevelFastest} {
		sealed := r.seal(key, random(3<<20), envelope.SealOptions{Compress: level})
		for _, broken := range []error{io.ErrUnexpectedEOF, errors.New("input/output error")} {
			for after := range int32(4) {
				for name, open := range map[string]func(io.ReaderAt) error{
					"OpenTo": func(src io.ReaderAt) error {
						_, err := envelope.OpenTo(ctx, scratch(t), src, int64(len(sealed)),
							envelope.OpenOptions{}, r.identity())
						return err
					},
					"OpenAt": func(src io.ReaderAt) error {
						at, err := envelope.OpenAt(ctx, src, int64(len(sealed)), envelope.OpenOptions{}, r.identity())
						if err != nil {
							return err
						}
						defer at.Close()
						_, err = at.ReadAt(make([]byte, 2<<20), 0)
						return err
					},
				} {
					src := &breaking{ReaderAt: bytes.NewReader(sealed), with: broken}
					src.after.Store(after)
					if err := open(src); !errors.Is(err, broken) || isDamage(err) {
						t.Errorf("%s, compression %v, %v after %d reads: %v", name, level, broken, after, err)
					}
				}
			}
		}
	}
}
