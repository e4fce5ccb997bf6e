//go:build bench

package bench

import (
	"errors"
	"fmt"
	"path/filepath"
)

// trees measures many small files. It runs before what makes and removes large files, and removes
// nothing until it is done, because ext4 is slow for a while where inodes that were just freed are
// used again.
func (b *bench) trees() {
	n := b.plan.treeFiles
	label := fmt.Sprintf("%d files of 4 KiB", n)
	s := b.section(9, "A tree of small files", fmt.Sprintf("%s, a hundred in a directory. `envseal encrypt -R -O OUT DIR` beside `cp -r DIR OUT`. With `--reuse-key` one data key serves a thousand files; "+
		"without it, every file has its own. “Onto the disk” is without `--no-sync`, beside `cp -r DIR OUT; sync -f OUT`. A program without trees would be started for every file: "+
		"that is measured once, with %d of the files, and multiplied.", label, b.plan.loopFiles))
	names := []string{"tree, encrypt", "tree, onto the disk", "tree, decrypt"}
	if !b.wanted(names[0]) && !b.wanted(names[1]) && !b.wanted(names[2]) {
		return
	}
	in := b.tree(n)
	sealed := b.fresh("tree")
	b.must(b.envsealTree("encrypt", in, sealed, "--no-sync")...)
	copied := b.treeContender("cp -r", in, func(out string) []string {
		return []string{b.tools["cp"], "-r", in, out}
	}, nil)
	encrypt := &row{name: names[0], label: "encrypt", bytes: int64(n) * 4 * kib, rounds: b.plan.rounds,
		keep: true, contenders: []contender{copied, b.sealTree("envseal -R", in, "--no-sync"),
			b.sealTree("envseal -R --reuse-key", in, "--no-sync", "--reuse-key")}}
	encrypt.goals = []goal{wallAtMost(1.8, "envseal -R", "cp -r"),
		wallAtMost(1.8, "envseal -R --reuse-key", "cp -r")}
	if b.tools["age"] != "" {
		encrypt.contenders = append(encrypt.contenders, b.ageLoop(in))
	}
	durable := &row{name: names[1], label: "encrypt, onto the disk", bytes: int64(n) * 4 * kib,
		rounds: b.plan.rounds, keep: true, contenders: []contender{
			b.treeContender("cp -r; sync -f", in, func(out string) []string {
				return []string{b.tools["sh"], "-c", `cp -r "$0" "$1" && sync -f "$1"`, in, out}
			}, nil),
			b.sealTree("envseal -R", in), b.sealTree("envseal -R --reuse-key", in, "--reuse-key")}}
	decrypt := &row{name: names[2], label: "decrypt",
		bytes: int64(n) * 4 * kib, rounds: b.plan.rounds, keep: true,
		contenders: []contender{copied, b.treeContender("envseal -R", in, func(out string) []string {
			return b.envsealTree("decrypt", sealed, out, "--no-sync")
		}, nil)}}
	for _, r := range []*row{encrypt, durable, decrypt} {
		b.race(s, r)
	}
	b.removeAll("out-*", "opened-*", "tree-*")
}

func (b *bench) removeAll(patterns ...string) {
	b.t.Helper()
	for _, pattern := range patterns {
		paths, err := filepath.Glob(filepath.Join(b.dir, pattern))
		if err != nil {
			b.t.Fatal(err)
		}
		b.remove(paths...)
	}
}

func (b *bench) envsealTree(command, in, out string, flags ...string) []string {
	args := []string{b.tools["envseal"], command, "-q", "-R", "-O", out}
	if command == "encrypt" {
		args = append(args, "-k", "local:bench")
	}
	return append(append(args, flags...), in)
}

// treeContender makes a tree. The check compares it with want, opened first if open is not nil.
func (b *bench) treeContender(name, want string, args func(out string) []string,
	open func(sealed, opened string) []string) contender {
	check := func() error {
		out := b.fresh("out")
		if err := b.do(args(out)...); err != nil {
			return err
		}
		if open != nil {
			opened := b.fresh("opened")
			if err := b.do(open(out, opened)...); err != nil {
				return err
			}
			out = opened
		}
		return sameTree(want, out)
	}
	return contender{name: name, check: check,
		job: func(out string) job { return command(args(out)...) }}
}

func (b *bench) sealTree(name, in string, flags ...string) contender {
	return b.treeContender(name, in, func(out string) []string {
		return b.envsealTree("encrypt", in, out, flags...)
	}, func(sealed, opened string) []string {
		return b.envsealTree("decrypt", sealed, opened, "--no-sync")
	})
}

// ageLoop starts age for each of the first files of the tree.
func (b *bench) ageLoop(in string) contender {
	var age program
	for _, p := range b.programs {
		if p.name == newAge {
			age = p
		}
	}
	const loop = `in=$1 out=$2 files=$3; shift 3
mkdir "$out"
for f in $(cd "$in" && find . -type f | sort | head -n "$files"); do
	mkdir -p "$out/${f%/*}"
	"$@" -o "$out/$f" "$in/$f" || exit 1
done`
	args := func(out string) []string {
		return append([]string{b.tools["sh"], "-c", loop, "loop", in, out, fmt.Sprint(b.plan.loopFiles)},
			age.seal("", "")...)
	}
	check := func() error {
		out, opened := b.fresh("out"), b.fresh("opened")
		if err := b.do(args(out)...); err != nil {
			return err
		}
		made, err := filepath.Glob(filepath.Join(out, "*", "*"))
		if err != nil || len(made) != b.plan.loopFiles {
			return errors.Join(err, fmt.Errorf("%d files instead of %d", len(made), b.plan.loopFiles))
		}
		if err := b.do(age.open(made[0], opened)...); err != nil {
			return err
		}
		name, err := filepath.Rel(out, made[0])
		if err != nil {
			return err
		}
		return same(filepath.Join(in, name), opened)
	}
	return contender{name: "age 1.3 in a loop", rounds: 1,
		scale: float64(b.plan.treeFiles) / float64(b.plan.loopFiles), check: check,
		job: func(out string) job { return command(args(out)...) }}
}
