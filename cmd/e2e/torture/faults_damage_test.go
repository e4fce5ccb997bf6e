//go:build torture && linux && amd64

package torture

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestTortureDamage has all programs open what is damaged over an old output. Ours is tried byte by
// byte elsewhere; these are for the comparison.
func TestTortureDamage(t *testing.T) {
	all := slices.DeleteFunc(duels(t, 300_000), func(d *duel) bool { return d.what != "open" })
	flips := tallies(t, "1", "one bit flipped, opened over an old file", all)
	cuts := tallies(t, "2", "cut off, opened over an old file", all)
	more := tallies(t, "3", "bytes after the end, opened over an old file", all)
	for _, d := range all {
		for range trials(80, 6) {
			at := rand.N(len(d.in))
			flipped := slices.Clone(d.in)
			flipped[at] ^= 1 << rand.N(8)
			flips[d.name].trial(fmt.Sprintf("byte %d", at), d.openDamaged(t, flipped)...)
			at = rand.N(len(d.in))
			cuts[d.name].trial(fmt.Sprintf("after %d bytes", at), d.openDamaged(t, d.in[:at])...)
		}
		for _, n := range []int{1, 16, 1000, len(d.in)} {
			more[d.name].trial(fmt.Sprintf("%d bytes", n),
				d.openDamaged(t, append(slices.Clone(d.in), d.in[:n]...))...)
		}
	}
}

// openDamaged wants damage to be told by the exit code, and the old output to be left alone.
func (d *duel) openDamaged(t *testing.T, b []byte) (problems []string) {
	dir := t.TempDir()
	if err := d.set(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "in"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	r := run(d.begin(dir))
	if r.code == 0 || d.name == ours && r.code != 4 && r.code != 7 {
		problems = append(problems, fmt.Sprintf("exit code %d", r.code))
	}
	if now, err := os.ReadFile(filepath.Join(dir, "out")); err != nil || string(now) != string(d.old) {
		problems = append(problems, "the old output is gone")
	}
	return append(problems, strangers(dir, "in", "out")...)
}
