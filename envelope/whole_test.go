package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
)

// Small files and streams are the same format: each opens what the other sealed.
func TestWholeAndStreamAgree(t *testing.T) {
	r := newRig(t, 2)
	key := r.dataKey(format.Context{"app": "whole"})
	ctx := context.Background()
	prefix := []byte("before")
	for _, n := range []int{0, 1, 4095, 4096, 4097, 8192, 20000} {
		plain, o := random(n), envelope.SealOptions{ChunkSizeLog2: 12}
		sealed, h, err := envelope.AppendSealed(ctx, bytes.Clone(prefix), plain, key, o)
		if err != nil || !bytes.HasPrefix(sealed, prefix) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		sealed = sealed[len(prefix):]
		if want, err := h.Layout().SealedSize(int64(n)); err != nil || int64(len(sealed)) != want {
			t.Errorf("%d bytes: sealed in %d, the layout says %d, %v", n, len(sealed), want, err)
		}
		if got, err := r.open(sealed, 1); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes sealed whole do not open as a stream: %v", n, err)
		}
		got, h2, err := envelope.AppendOpened(ctx, bytes.Clone(prefix), r.seal(key, plain, o),
			envelope.OpenOptions{}, r.identity())
		if err != nil || !bytes.Equal(got, append(bytes.Clone(prefix), plain...)) ||
			h2.FileID == h.FileID {
			t.Errorf("%d bytes sealed as a stream do not open whole: %v", n, err)
		}
	}
}

// What is wrong with a file is told in the same words, for every cut, lengthening and flipped bit.
func TestWholeTellsDamageAsStreamsDo(t *testing.T) {
	r := newRig(t, 1)
	sealed := r.seal(r.dataKey(nil), random(9000), envelope.SealOptions{ChunkSizeLog2: 12})
	check := func(what string, damaged []byte) {
		t.Helper()
		_, want := r.open(damaged, 1)
		before := []byte{1, 2, 3}
		got, _, err := envelope.AppendOpened(context.Background(), before, damaged,
			envelope.OpenOptions{}, r.identity())
		if want == nil || fmt.Sprint(err) != fmt.Sprint(want) || len(got) != len(before) {
			t.Errorf("%s: %v with %d bytes, a stream says %v", what, err, len(got), want)
		}
	}
	for n := 0; n < len(sealed); n += 7 {
		check(fmt.Sprintf("cut to %d", n), sealed[:n])
		flipped := bytes.Clone(sealed)
		flipped[n] ^= 4
		check(fmt.Sprintf("flipped at %d", n), flipped)
	}
	for _, n := range []int{1, 16, 17, 4096, 4112, 4113} {
		check(fmt.Sprintf("%d more bytes", n), append(bytes.Clone(sealed), make([]byte, n)...))
	}
}

func TestWholeRefusesWhatIsForStreams(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	ctx := context.Background()
	for _, o := range []envelope.SealOptions{{Header: &bytes.Buffer{}},
		{Compress: envelope.LevelFastest}} {
		_, _, err := envelope.AppendSealed(ctx, nil, nil, key, o)
		if !errors.Is(err, envelope.ErrStreamOnly) {
			t.Errorf("sealing with %+v: %v", o, err)
		}
	}
	plain := r.seal(key, random(5000), envelope.SealOptions{})
	compressed := r.seal(key, make([]byte, 5000),
		envelope.SealOptions{Compress: envelope.LevelFastest})
	refuse := errors.New("refused")
	for _, c := range []struct {
		sealed []byte
		opts   envelope.OpenOptions
		want   error
	}{
		{plain, envelope.OpenOptions{Header: &bytes.Buffer{}}, envelope.ErrStreamOnly},
		{compressed, envelope.OpenOptions{}, envelope.ErrStreamOnly},
		{plain, envelope.OpenOptions{MaxSize: 4999}, envelope.ErrMaxSize},
		{plain, envelope.OpenOptions{Check: func(*format.Header) error { return refuse }}, refuse},
		{plain, envelope.OpenOptions{MaxSize: 5000}, nil},
		{compressed, envelope.OpenOptions{NoDecompress: true}, nil},
	} {
		_, _, err := envelope.AppendOpened(ctx, nil, c.sealed, c.opts, r.identity())
		if !errors.Is(err, c.want) {
			t.Errorf("opening: %v, want %v", err, c.want)
		}
	}
}

func TestWholeTellsThatItHasBegun(t *testing.T) {
	r := newRig(t, 1)
	var begun []*format.Header
	o := envelope.SealOptions{Begun: func(h *format.Header) { begun = append(begun, h) }}
	sealed, h, err := envelope.AppendSealed(context.Background(), nil, random(5000), r.dataKey(nil), o)
	if err != nil || len(begun) != 1 || begun[0] != h ||
		h.Length != int64(len(sealed)-5000-format.TagSize) {
		t.Errorf("begun with %v, %v", begun, err)
	}
}

// A buffer with room is used: a tree of small files must not leave the contents of each on the
// heap.
func TestWholeStaysInItsBuffer(t *testing.T) {
	r := newRig(t, 1)
	buf := make([]byte, 0, 64<<10)
	sealed, _, err := envelope.AppendSealed(context.Background(), buf, random(10000),
		r.dataKey(nil), envelope.SealOptions{})
	if err != nil || &sealed[0] != &buf[:1][0] {
		t.Errorf("sealed elsewhere: %v", err)
	}
	out := make([]byte, 0, 64<<10)
	plain, _, err := envelope.AppendOpened(context.Background(), out, sealed,
		envelope.OpenOptions{}, r.identity())
	if err != nil || &plain[0] != &out[:1][0] {
		t.Errorf("opened elsewhere: %v", err)
	}
}

func BenchmarkSealSmall(b *testing.B) {
	r := newRig(b, 1)
	key, plain, buf := r.dataKey(format.Context{"app": "web"}), random(4096), make([]byte, 0, 8192)
	b.ReportAllocs()
	for b.Loop() {
		_, _, err := envelope.AppendSealed(context.Background(), buf, plain, key, envelope.SealOptions{})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenSmall(b *testing.B) {
	r := newRig(b, 1)
	sealed, buf, id := r.seal(r.dataKey(nil), random(4096), envelope.SealOptions{}),
		make([]byte, 0, 8192), r.identity()
	b.ReportAllocs()
	for b.Loop() {
		_, _, err := envelope.AppendOpened(context.Background(), buf, sealed, envelope.OpenOptions{}, id)
		if err != nil {
			b.Fatal(err)
		}
	}
}
