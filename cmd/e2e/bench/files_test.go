//go:build bench

package bench

import (
	"fmt"
	"os"
	"slices"
)

// sealedFile is a file sealed by a program, which was seen to open it again.
type sealedFile struct {
	program program
	path    string
}

// sealAll lets every program seal a file and open it again, which is the check before anything is
// timed. A program that cannot do it is a remark, except for envseal.
func (b *bench) sealAll(plain string, programs []program) []sealedFile {
	b.t.Helper()
	var all []sealedFile
	for _, p := range programs {
		sealed, opened := b.fresh("sealed"), b.fresh("opened")
		err := b.do(p.seal(plain, sealed)...)
		if err == nil {
			err = b.do(p.open(sealed, opened)...)
		}
		if err == nil {
			err = same(plain, opened)
		}
		b.remove(opened)
		if err != nil && p.name == "envseal" {
			b.t.Fatalf("envseal does not give back what it sealed: %v", err)
		}
		if err != nil {
			b.remark("%s is not measured with a file of %s: %v", p.name, b.sizeOf(plain), err)
			b.remove(sealed)
			continue
		}
		all = append(all, sealedFile{p, sealed})
	}
	return all
}

// sizeOf is the size of a file for a message.
func (b *bench) sizeOf(path string) string {
	b.t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		b.t.Fatal(err)
	}
	return sizeName(info.Size())
}

// mains are the programs that are fast enough for the largest files.
func (b *bench) mains() []program {
	return slices.DeleteFunc(slices.Clone(b.programs), func(p program) bool { return !p.main })
}

// files measures encrypt and decrypt of regular files of all sizes.
func (b *bench) files() {
	encrypt := b.section(2, "Encrypt a file", "`envseal encrypt --no-sync -o OUT FILE` and the same with the other programs, beside `cp FILE OUT`. All keep the output in the page cache and wait for no disk.")
	decrypt := b.section(3, "Decrypt a file",
		"`envseal decrypt --no-sync -o OUT FILE`, beside `cp` of the plaintext.")
	for _, n := range b.plan.sizes {
		b.filesOf(n, b.programs, encrypt, decrypt)
	}
	if b.plan.largest > 0 {
		b.filesOf(b.plan.largest, b.mains(), encrypt, decrypt)
	}
}

func (b *bench) filesOf(n int64, programs []program, encrypt, decrypt *section) {
	seal := &row{name: "encrypt " + sizeName(n), label: sizeName(n), bytes: n, rounds: b.roundsFor(n)}
	open := &row{name: "decrypt " + sizeName(n), label: sizeName(n), bytes: n, rounds: b.roundsFor(n)}
	if !b.wanted(seal.name) && !b.wanted(open.name) {
		return
	}
	plain := b.file(n, randomData())
	copied := contender{name: "cp", job: func(out string) job {
		return command(b.tools["cp"], plain, out)
	}}
	seal.contenders, open.contenders = []contender{copied}, []contender{copied}
	used := []string{plain}
	for _, s := range b.sealAll(plain, programs) {
		rounds := b.roundsOf(s.program, n)
		seal.contenders = append(seal.contenders,
			contender{name: s.program.name, rounds: rounds, job: func(out string) job {
				return command(s.program.seal(plain, out)...)
			}})
		open.contenders = append(open.contenders,
			contender{name: s.program.name, rounds: rounds, job: func(out string) job {
				return command(s.program.open(s.path, out)...)
			}})
		used = append(used, s.path)
	}
	if n >= b.plan.big {
		seal.goals = []goal{wallAtMost(1.05, "envseal", "cp"), timesFaster(3.3, "envseal", newAge),
			cpuAtMost(0.5, "envseal", newAge)}
		open.goals = []goal{wallAtMost(1.10, "envseal", "cp"), timesFaster(4, "envseal", newAge),
			cpuAtMost(0.5, "envseal", newAge)}
	}
	b.warm(used...)
	b.race(encrypt, seal)
	b.race(decrypt, open)
	b.remove(used...)
}

// roundsFor is more for small files, whose times vary more and cost little.
func (b *bench) roundsFor(n int64) int {
	if n <= mib {
		return 3 * b.plan.rounds
	}
	return b.plan.rounds
}

// roundsOf is fewer for slow programs with large files; 0: as many as the row has.
func (b *bench) roundsOf(p program, n int64) int {
	if p.slow && n >= b.plan.big {
		return b.plan.slowRounds
	}
	return 0
}

// durable measures files that are on the disk when the program ends.
func (b *bench) durable() {
	s := b.section(4, "Encrypt a file onto the disk", "`envseal encrypt -o OUT FILE`, which ends when the file is on the disk under its name, beside `dd bs=1M conv=fsync`. "+
		newAge+" does not wait for the disk: it is here to be compared all the same. The disk decides, and its speed varies.")
	for _, n := range []int64{64 * mib, b.plan.big} {
		r := &row{name: "durable " + sizeName(n), label: sizeName(n), bytes: n, rounds: b.plan.rounds}
		if !b.wanted(r.name) {
			continue
		}
		plain := b.file(n, randomData())
		durable := program{name: "envseal", seal: b.envseal("encrypt"), open: b.envseal("decrypt")}
		r.contenders = []contender{{name: "dd conv=fsync", job: func(out string) job {
			return command(b.tools["dd"], "if="+plain, "of="+out, "bs=1M", "conv=fsync", "status=none")
		}}}
		used := []string{plain}
		for _, sealed := range b.sealAll(plain, append([]program{durable}, b.withoutSync()...)) {
			r.contenders = append(r.contenders,
				contender{name: sealed.program.name, job: func(out string) job {
					return command(sealed.program.seal(plain, out)...)
				}})
			used = append(used, sealed.path)
		}
		if n == b.plan.big {
			r.goals = []goal{wallAtMost(0.7, "envseal", "dd conv=fsync")}
		}
		b.warm(plain)
		b.race(s, r)
		b.remove(used...)
	}
}

// withoutSync is the new age, under a name that says so.
func (b *bench) withoutSync() []program {
	var all []program
	for _, p := range b.mains() {
		if p.name == newAge {
			p.name += ", no sync"
			all = append(all, p)
		}
	}
	return all
}

// oneCore measures CPU time with every program on the same single core.
func (b *bench) oneCore() {
	s := b.section(6, "On one core", "Every program pinned to the same core. The goal is about CPU seconds: no more than copying the file and the cipher cost, where the cipher may run at "+
		"95 % of the speed that Go's AES-256-GCM has on this core in memory (“cipher alone”, chunks of 64 KiB, measured in the same turns).")
	n := b.plan.big
	if !b.wanted("one core, encrypt") && !b.wanted("one core, decrypt") {
		return
	}
	plain := b.file(n, randomData())
	sealed := b.sealAll(plain, b.mains())
	used := []string{plain}
	for _, f := range sealed {
		used = append(used, f.path)
	}
	b.warm(used...)
	for _, way := range []string{"encrypt", "decrypt"} {
		r := &row{name: "one core, " + way, label: way + " " + sizeName(n),
			bytes: n, rounds: b.plan.rounds}
		r.contenders = []contender{
			{name: "cp", job: func(out string) job { return pinned(b.tools["cp"], plain, out) }},
			{name: "cipher alone", job: func(string) job {
				return pinned(b.tools["gcm"], map[string]string{"encrypt": "seal", "decrypt": "open"}[way],
					fmt.Sprint(n), "65536")
			}},
		}
		for _, f := range sealed {
			r.contenders = append(r.contenders, contender{name: f.program.name, job: func(out string) job {
				if way == "encrypt" {
					return pinned(f.program.seal(plain, out)...)
				}
				return pinned(f.program.open(f.path, out)...)
			}})
		}
		r.goals = []goal{{who: "envseal", words: "CPU ≤ 1 × (cp + cipher ÷ 0.95)",
			limit: 1, figure: againstParts}}
		b.race(s, r)
	}
	b.remove(used...)
}

// againstParts is envseal's CPU time as a multiple of what copying and the cipher cost.
func againstParts(r *row) (float64, bool) {
	own, ok1 := r.median("envseal", cpu)
	copying, ok2 := r.median("cp", cpu)
	cipher, ok3 := r.median("cipher alone", cpu)
	return own / (copying + cipher/0.95), ok1 && ok2 && ok3
}

func pinned(args ...string) job {
	j := command(args...)
	j.Pinned = true
	return j
}

// jobs measures what a second worker brings.
func (b *bench) jobs() {
	s := b.section(7, "One worker and two", "`envseal encrypt --no-sync` with `-j 1` and `-j 2`, and between two pipes (`cat FILE | envseal encrypt | cat > /dev/null`).")
	n := b.plan.big
	if !b.wanted("jobs, file") && !b.wanted("jobs, pipe") {
		return
	}
	plain := b.file(n, randomData())
	b.warm(plain)
	file := &row{name: "jobs, file", label: "file of " + sizeName(n), bytes: n, rounds: b.plan.rounds}
	pipe := &row{name: "jobs, pipe", label: "pipe, " + sizeName(n), bytes: n, rounds: b.plan.rounds}
	for _, j := range []string{"1", "2"} {
		seal := b.envseal("encrypt", "--no-sync", "-j", j)
		check := b.checkSeal(plain, program{seal: seal, open: b.envseal("decrypt")})
		file.contenders = append(file.contenders,
			contender{name: "envseal -j " + j, check: check, job: func(out string) job {
				return command(seal(plain, out)...)
			}})
		pipe.contenders = append(pipe.contenders,
			contender{name: "envseal -j " + j, job: func(string) job {
				return b.between(plain, seal("", ""))
			}})
	}
	b.race(s, file)
	b.race(s, pipe)
	b.remove(plain)
}

// checkSeal seals, opens and compares.
func (b *bench) checkSeal(plain string, p program) func() error {
	return func() error {
		sealed, opened := b.fresh("sealed"), b.fresh("opened")
		defer b.remove(sealed, opened)
		if err := b.do(p.seal(plain, sealed)...); err != nil {
			return err
		}
		if err := b.do(p.open(sealed, opened)...); err != nil {
			return err
		}
		return same(plain, opened)
	}
}
