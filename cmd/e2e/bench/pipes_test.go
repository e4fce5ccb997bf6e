//go:build bench

package bench

import "fmt"

// between is `cat FILE | PROGRAM | cat > /dev/null`.
func (b *bench) between(file string, args []string) job {
	cat := stage{Args: []string{b.tools["cat"]}}
	return job{Stages: []stage{cat, {Args: args}, cat}, Stdin: file, watched: 1}
}

func (b *bench) pipesSection() *section {
	return b.section(5, "Between pipes and redirected",
		"`cat FILE | PROGRAM | cat > /dev/null` with random data, beside `cat` in the place of PROGRAM. The wall time is that of all three, CPU time and memory are those of PROGRAM. "+
			"“Redirected” is `PROGRAM < FILE > OUT`, beside `cat < FILE > OUT`.")
}

// pipes measures programs as filters between two pipes.
func (b *bench) pipes() {
	s := b.pipesSection()
	n := b.plan.big
	if !b.wanted("pipe, encrypt") && !b.wanted("pipe, decrypt") {
		return
	}
	plain := b.file(n, randomData())
	filters := b.checkedFilters(plain)
	used := []string{plain}
	for _, f := range filters {
		used = append(used, f.path)
	}
	b.warm(used...)
	for _, way := range []string{"encrypt", "decrypt"} {
		r := &row{name: "pipe, " + way, label: fmt.Sprintf("pipe, %s %s", way, sizeName(n)),
			bytes: n, rounds: b.plan.rounds}
		r.contenders = []contender{{name: "cat", job: func(string) job {
			return b.between(plain, []string{b.tools["cat"]})
		}}}
		for _, f := range filters {
			r.contenders = append(r.contenders,
				contender{name: f.program.name, rounds: b.roundsOf(f.program, n), job: func(string) job {
					if way == "encrypt" {
						return b.between(plain, f.program.seal("", ""))
					}
					return b.between(f.path, f.program.open("", ""))
				}})
		}
		r.goals = []goal{{who: "envseal", words: "≥ 0.80 times as fast as cat", limit: 0.8,
			atLeast: true, figure: ratio("cat", "envseal", wall)}}
		b.race(s, r)
	}
	b.remove(used...)
}

// checkedFilters are the programs that seal and open between pipes, each with a file that it sealed
// so.
func (b *bench) checkedFilters(plain string) []sealedFile {
	b.t.Helper()
	var all []sealedFile
	for _, p := range b.programs {
		if !p.pipes {
			continue
		}
		sealed, opened := b.fresh("sealed"), b.fresh("opened")
		seal, open := b.between(plain, p.seal("", "")), b.between(sealed, p.open("", ""))
		seal.Stdout, open.Stdout = sealed, opened
		_, err := b.spawn(seal)
		if err == nil {
			_, err = b.spawn(open)
		}
		if err == nil {
			err = same(plain, opened)
		}
		b.remove(opened)
		if err != nil && p.name == "envseal" {
			b.t.Fatalf("envseal does not give back what it sealed between pipes: %v", err)
		}
		if err != nil {
			b.remark("%s is not measured between pipes: %v", p.name, err)
			b.remove(sealed)
			continue
		}
		all = append(all, sealedFile{p, sealed})
	}
	return all
}

// redirected measures the main programs with regular files as stdin and stdout.
func (b *bench) redirected() {
	n := b.plan.big
	if !b.wanted("redirected, encrypt") && !b.wanted("redirected, decrypt") {
		return
	}
	s := b.pipesSection()
	plain := b.file(n, randomData())
	sealed := b.sealAll(plain, b.mains())
	used := []string{plain}
	for _, f := range sealed {
		used = append(used, f.path)
	}
	b.warm(used...)
	from := func(in string, args []string) func(out string) job {
		return func(out string) job {
			j := command(args...)
			j.Stdin, j.Stdout = in, out
			return j
		}
	}
	for _, way := range []string{"encrypt", "decrypt"} {
		r := &row{name: "redirected, " + way, label: fmt.Sprintf("redirected, %s %s", way, sizeName(n)),
			bytes: n, rounds: b.plan.rounds}
		r.contenders = []contender{{name: "cat", job: from(plain, []string{b.tools["cat"]})}}
		for _, f := range sealed {
			run := from(plain, f.program.seal("", ""))
			if way == "decrypt" {
				run = from(f.path, f.program.open("", ""))
			}
			r.contenders = append(r.contenders,
				contender{name: f.program.name, job: run, check: b.checkRedirected(plain, f, way, run)})
		}
		b.race(s, r)
	}
	b.remove(used...)
}

// checkRedirected compares what a redirected command makes, opened first if it is sealed.
func (b *bench) checkRedirected(plain string, f sealedFile, way string,
	run func(out string) job) func() error {
	return func() error {
		out, opened := b.fresh("out"), b.fresh("opened")
		defer b.remove(out, opened)
		if _, err := b.spawn(run(out)); err != nil {
			return err
		}
		if way == "decrypt" {
			return same(plain, out)
		}
		if err := b.do(f.program.open(out, opened)...); err != nil {
			return err
		}
		return same(plain, opened)
	}
}
