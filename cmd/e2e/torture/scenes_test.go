//go:build torture && linux && amd64

package torture

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// randomBytes are the same in every run.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// proseBytes can be compressed.
func proseBytes(n int) []byte {
	return bytes.Repeat(
		[]byte("all work and no play makes jack a dull boy, and twice as dull on days like this\n"),
		n/80+1)[:n]
}

// direct is above the size from which regular files are read and written at any offset.
const directSize = 2<<20 + 300_001

// seal is what the program makes of plain.
func seal(t *testing.T, plain []byte, flags ...string) []byte {
	t.Helper()
	r := envseal(homeDir, plain, append([]string{"encrypt", "-q", "-k", "local:a"}, flags...)...)
	if r.code != 0 {
		t.Fatalf("encrypt %v: %d\n%s", flags, r.code, r.stderr)
	}
	return r.stdout
}

// is wants exactly b.
func is(b []byte) whole {
	return func(got []byte) string {
		if !bytes.Equal(got, b) {
			return "is not the data"
		}
		return ""
	}
}

// beginsLike wants the beginning of b, or all of it.
func beginsLike(b []byte) whole {
	return func(got []byte) string {
		if !bytes.HasPrefix(b, got) {
			return "is not the beginning of the data"
		}
		return ""
	}
}

// opensTo wants a sealed file of plain.
func opensTo(plain []byte) whole {
	return func(got []byte) string {
		r := envseal(homeDir, got, "decrypt", "-q")
		if r.code != 0 {
			return fmt.Sprintf("does not open: %d %s", r.code, r.stderr)
		}
		if !bytes.Equal(r.stdout, plain) {
			return "opens to something else"
		}
		return ""
	}
}

// never is for what must not pass for whole: part of a sealed file.
func never(plain []byte) whole {
	return func(got []byte) string {
		if opensTo(plain)(got) == "" {
			return "is whole, which the exit code denies"
		}
		return ""
	}
}

// rewrapped wants sealed with other slots, which open it.
func rewrapped(t *testing.T, sealed, plain []byte, args ...string) whole {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	if err := os.WriteFile(name, sealed, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := envseal(dir, nil, append(append([]string{"rewrap", "-q"}, args...), "f")...); r.code != 0 {
		t.Fatal(r.stderr)
	}
	example, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	payload := sealed[len(sealed)-len(plain)*9/10:] // what is surely behind both headers
	return func(got []byte) string {
		if !bytes.HasSuffix(got, payload) || len(got) != len(example) {
			return "payload is not the same"
		}
		if bytes.Equal(got, sealed) {
			return "has the old slots"
		}
		return opensTo(plain)(got)
	}
}

// scenes are the commands that the faults of system calls are tried on.
func scenes(t *testing.T) []*scene {
	small, large, prose := randomBytes(100_000), randomBytes(directSize), proseBytes(300_000)
	sealedSmall, sealedLarge, sealedProse := seal(t, small), seal(t, large), seal(t, prose, "-z")
	old := []byte("what was here before")
	in := func(name string, b []byte) map[string][]byte { return map[string][]byte{name: b} }
	key := []string{"encrypt", "-q", "-k", "local:a"}
	add := []string{"--add", "local:b", "--add", "local:c", "--add", "local:d", "--add", "local:e"}
	list := []*scene{
		{name: "encrypt -f", args: with(key, "-f", "f"), inputs: in("f", small),
			wants: []want{{"f.sealed", old, opensTo(small)}}},
		{name: "encrypt, 6 bytes", args: with(key, "f"), inputs: in("f", []byte("secret")),
			wants: []want{{"f.sealed", nil, opensTo([]byte("secret"))}}},
		{name: "encrypt, direct", args: with(key, "-f", "f"), inputs: in("f", large),
			wants: []want{{"f.sealed", old, opensTo(large)}}},
		{name: "encrypt -z", args: with(key, "-f", "-z", "f"), inputs: in("f", prose),
			wants: []want{{"f.sealed", old, opensTo(prose)}}},
		{name: "encrypt -a", args: with(key, "-f", "-a", "f"), inputs: in("f", small),
			wants: []want{{"f.sealed", old, opensTo(small)}}},
		{name: "encrypt --rm", args: with(key, "--rm", "f"), inputs: in("f", small), moves: true,
			wants: []want{{"f.sealed", nil, opensTo(small)}}},
		{name: "encrypt from a pipe", args: with(key, "-o", "o"), stdin: small,
			wants: []want{{"o", nil, opensTo(small)}}},
		{name: "encrypt to a pipe", args: with(key, "-o", "-", "f"), inputs: in("f", small),
			stdout: opensTo(small), partly: never(small)},
		{name: "encrypt, pipe to pipe", args: key, stdin: small,
			stdout: opensTo(small), partly: never(small)},
		{name: "decrypt -f", args: []string{"decrypt", "-q", "-f", "f.sealed"},
			inputs: in("f.sealed", sealedSmall), wants: []want{{"f", old, is(small)}}},
		{name: "decrypt, direct", args: []string{"decrypt", "-q", "-f", "f.sealed"},
			inputs: in("f.sealed", sealedLarge), wants: []want{{"f", old, is(large)}}},
		{name: "decrypt -z", args: []string{"decrypt", "-q", "f.sealed"},
			inputs: in("f.sealed", sealedProse), wants: []want{{"f", nil, is(prose)}}},
		{name: "decrypt --verify-first", args: []string{"decrypt", "-q", "--verify-first", "f.sealed"},
			inputs: in("f.sealed", sealedSmall), wants: []want{{"f", nil, is(small)}}},
		{name: "decrypt from a pipe", args: []string{"decrypt", "-q", "-o", "o"}, stdin: sealedSmall,
			wants: []want{{"o", nil, is(small)}}},
		{name: "decrypt to a pipe", args: []string{"decrypt", "-q", "-o", "-", "f.sealed"},
			inputs: in("f.sealed", sealedSmall), stdout: is(small), partly: beginsLike(small)},
		{name: "verify", args: []string{"verify", "-q", "f.sealed"}, inputs: in("f.sealed", sealedSmall)},
		{name: "rewrap in place", args: []string{"rewrap", "-q", "--to", "local:b", "f"}, inside: small,
			wants: []want{{"f", sealedSmall, rewrapped(t, sealedSmall, small, "--to", "local:b")}}},
		{name: "rewrap by copy", args: append(append([]string{"rewrap", "-q"}, add...), "f"),
			inside: large, wants: []want{{"f", sealedLarge, rewrapped(t, sealedLarge, large, add...)}}},
	}
	return append(list, trees(t)...)
}

func with(args []string, more ...string) []string { return append(slices.Clone(args), more...) }

// trees are runs over several files, one of them larger than what is read at once.
func trees(t *testing.T) []*scene {
	plain := map[string][]byte{"in/1": randomBytes(10), "in/2": randomBytes(70_000),
		"in/sub/3": randomBytes(3000), "in/sub/4": randomBytes(1<<20 + 7)}
	sealed := map[string][]byte{}
	var sealing, opening, beside []want
	for _, name := range slices.Sorted(maps.Keys(plain)) {
		b := plain[name]
		sealed[name+".sealed"] = seal(t, b)
		below := strings.TrimPrefix(name, "in/")
		sealing = append(sealing, want{"out/" + below + ".sealed", nil, opensTo(b)})
		opening = append(opening, want{"out/" + below, []byte("old " + name), is(b)})
		beside = append(beside, want{name + ".sealed", []byte("old " + name), opensTo(b)})
	}
	key := []string{"encrypt", "-q", "-k", "local:a"}
	return []*scene{
		{name: "encrypt -R -O", args: with(key, "-R", "-O", "out", "in"), inputs: plain,
			wants: sealing, many: true},
		{name: "decrypt -R -O -f", args: []string{"decrypt", "-q", "-f", "-R", "-O", "out", "in"},
			inputs: sealed, wants: opening, many: true},
		{name: "encrypt --reuse-key",
			args: with(key, "-f", "--reuse-key", "in/1", "in/2", "in/sub/3", "in/sub/4"), inputs: plain,
			wants: beside, many: true},
	}
}
