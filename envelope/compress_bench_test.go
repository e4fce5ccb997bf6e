package envelope_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/envseal/envseal/envelope"
)

func BenchmarkSealCompressed(b *testing.B) {
	r := newRig(b, 1)
	key := r.dataKey(nil)
	for name, plain := range map[string][]byte{"text": bytes.Repeat(text(3<<20), 16),
		"random": random(48 << 20), "4 KiB": text(4096)} {
		for _, level := range []envelope.Level{envelope.LevelFastest,
			envelope.LevelGood, envelope.LevelBetter} {
			b.Run(fmt.Sprint(name, " ", level), func(b *testing.B) {
				b.SetBytes(int64(len(plain)))
				b.ReportAllocs()
				for b.Loop() {
					opts := envelope.SealOptions{Compress: level}
					_, err := envelope.Seal(context.Background(), io.Discard, bytes.NewReader(plain), key, opts)
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkOpenCompressed(b *testing.B) {
	r := newRig(b, 1)
	key := r.dataKey(nil)
	for name, plain := range map[string][]byte{"text": bytes.Repeat(text(3<<20), 16),
		"random": random(48 << 20), "4 KiB": text(4096)} {
		sealed := r.seal(key, plain, envelope.SealOptions{Compress: envelope.LevelFastest})
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			for b.Loop() {
				_, err := envelope.Verify(context.Background(), bytes.NewReader(sealed),
					envelope.OpenOptions{}, r.identity())
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
