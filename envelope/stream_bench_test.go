package envelope_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/envseal/envseal/envelope"
)

func BenchmarkSeal(b *testing.B) {
	r := newRig(b, 1)
	key := r.dataKey(nil)
	plain := random(64 << 20)
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprint(workers, " workers"), func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			for b.Loop() {
				_, err := envelope.Seal(context.Background(), io.Discard, bytes.NewReader(plain), key,
					envelope.SealOptions{Workers: workers})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	r := newRig(b, 1)
	sealed := r.seal(r.dataKey(nil), random(64<<20), envelope.SealOptions{})
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprint(workers, " workers"), func(b *testing.B) {
			b.SetBytes(int64(len(sealed)))
			b.ReportAllocs()
			for b.Loop() {
				_, err := envelope.Open(context.Background(), io.Discard, bytes.NewReader(sealed),
					envelope.OpenOptions{Workers: workers}, r.identity())
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
