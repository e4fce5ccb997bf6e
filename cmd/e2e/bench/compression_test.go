//go:build bench

package bench

import (
	"fmt"
	"io"
	"os"
	"runtime"
)

// compression measures -z, sealing included, beside zstd alone with as many threads as there are
// cores.
func (b *bench) compression() {
	s := b.section(8, "Compression", fmt.Sprintf("`envseal encrypt -z --no-sync`, sealing included, beside `zstd -1 -T%d`, which only compresses. The source tree is a tar of Go's sources and of modules. "+
		"`-z` alone is the fastest level, about that of `zstd -1`; `--compress=good` is about `zstd -3`.",
		runtime.NumCPU()))
	s.output = true
	if b.tools["zstd"] == "" {
		return
	}
	b.compressed(s, "source tree", func() string { return b.sourceTar(b.plan.tarSize) })
	b.compressed(s, "random data", func() string { return b.file(b.plan.tarSize, randomData()) })
	b.compressed(s, "zeros", func() string { return b.file(b.plan.tarSize, io.Reader(zeros{})) })
}

func (b *bench) compressed(s *section, kind string, input func() string) {
	if !b.wanted("compress "+kind) && !b.wanted("decompress "+kind) {
		return
	}
	plain := input()
	info, err := os.Stat(plain)
	if err != nil {
		b.t.Fatal(err)
	}
	levels := []program{
		{name: "envseal -z", seal: b.envseal("encrypt", "--no-sync", "-z"),
			open: b.envseal("decrypt", "--no-sync")},
		{name: "envseal --compress=good", seal: b.envseal("encrypt", "--no-sync", "--compress=good"),
			open: b.envseal("decrypt", "--no-sync")},
		b.zstd("-1"),
		b.zstd("-3"),
	}
	first := levels[2].name
	all := b.sealAll(plain, levels)
	seal := b.compressionRow("compress "+kind, info.Size(), all, first,
		func(f sealedFile, out string) []string { return f.program.seal(plain, out) })
	open := b.compressionRow("decompress "+kind, info.Size(), all, first,
		func(f sealedFile, out string) []string { return f.program.open(f.path, out) })
	if kind == "source tree" {
		seal.goals = []goal{wallAtMost(1.1, levels[0].name, first)}
	}
	used := []string{plain}
	for _, f := range all {
		used = append(used, f.path)
	}
	b.warm(used...)
	b.race(s, seal)
	b.race(s, open)
	b.remove(used...)
}

// compressionRow has what was sealed as contenders, first the one with this name.
func (b *bench) compressionRow(name string, n int64, all []sealedFile, first string,
	args func(f sealedFile, out string) []string) *row {
	r := &row{name: name, label: fmt.Sprintf("%s, %s", name, sizeName(n)),
		bytes: n, rounds: b.plan.rounds}
	for _, f := range all {
		c := contender{name: f.program.name, job: func(out string) job {
			return command(args(f, out)...)
		}}
		if f.program.name == first {
			r.contenders = append([]contender{c}, r.contenders...)
		} else {
			r.contenders = append(r.contenders, c)
		}
	}
	return r
}

func (b *bench) zstd(level string) program {
	threads := fmt.Sprintf("-T%d", runtime.NumCPU())
	return program{name: "zstd " + level + " " + threads, seal: func(in, out string) []string {
		return []string{b.tools["zstd"], "-q", level, threads, in, "-o", out}
	}, open: func(in, out string) []string {
		return []string{b.tools["zstd"], "-q", "-d", in, "-o", out}
	}}
}
