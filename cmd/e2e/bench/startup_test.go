//go:build bench

package bench

// startUp measures programs that have next to nothing to do.
func (b *bench) startUp() {
	s := b.section(1, "Starting", "How long a program takes to say its version, and `envseal encrypt --no-sync` and `decrypt` of a file of 1 KiB as whole processes with the embedded keystore, "+
		"beside the least that a Go program can do (“bare Go”: one line of output).")
	version := &row{name: "start, version", label: "version", rounds: b.plan.starts,
		goals: []goal{wallAtMost(2, "envseal version", newAge)}}
	version.contenders = []contender{b.starting("bare Go", b.tools["hello"]),
		b.starting("envseal version", b.tools["envseal"], "version")}
	for _, tool := range []struct{ name, tool string }{{newAge, "age"},
		{"age of the distribution", "installed age"}, {"zstd", "zstd"}, {"gpg", "gpg"}} {
		if path := b.tools[tool.tool]; path != "" {
			version.contenders = append(version.contenders, b.starting(tool.name, path, "--version"))
		}
	}
	b.race(s, version)

	work := &row{name: "start, 1 KiB", label: "1 KiB", bytes: kib, rounds: b.plan.starts}
	if !b.wanted(work.name) {
		return
	}
	plain := b.file(kib, randomData())
	work.contenders = []contender{b.starting("bare Go", b.tools["hello"])}
	used := []string{plain}
	for _, f := range b.sealAll(plain, b.mains()) {
		work.contenders = append(work.contenders,
			contender{name: f.program.name + ", encrypt", job: func(out string) job {
				return command(f.program.seal(plain, out)...)
			}}, contender{name: f.program.name + ", decrypt", job: func(out string) job {
				return command(f.program.open(f.path, out)...)
			}})
		used = append(used, f.path)
	}
	b.race(s, work)
	b.remove(used...)
}

func (b *bench) starting(name string, args ...string) contender {
	return contender{name: name, check: func() error { return b.do(args...) },
		job: func(string) job { return command(args...) }}
}
