package e2e

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// What comes out of a range of a large file costs what the range costs, and not what the file
// would.
func TestRangeReadsLittle(t *testing.T) {
	r := newPipeRig(t)
	text := lines(100 << 20)
	for _, args := range [][]string{{}, {"-z"}} {
		seal := exec.Command("envseal",
			append([]string{"encrypt", "-f", "-o", r.path("big")}, args...)...)
		seal.Stdin = strings.NewReader(text)
		if out, err := seal.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		// what every run reads: of the system, the keystore, the file's header
		fewCalls, few := r.readsOf(1, "64MiB:1")
		calls, all := r.readsOf(1<<20, "64MiB:1MiB")
		if few > 3<<19 || fewCalls > 80 || all > 3<<20 || calls > fewCalls+12 {
			t.Errorf("%v: one byte takes %d reads of %d bytes, 1 MiB takes %d of %d",
				args, fewCalls, few, calls, all)
		}
		whole, most := r.readsOf(100<<20, "0:100MiB")
		if most < 10<<20 {
			t.Errorf("all of it takes %d reads of %d bytes: the count is wrong", whole, most)
		}
		t.Logf("%v: %d reads of %d bytes, for one byte %d of %d, for all %d of %d",
			args, calls, all, fewCalls, few, whole, most)
	}
}

// lines are so many bytes of text that can be made smaller, each line another.
func lines(size int) string {
	const line = "a line that can be made "
	var b strings.Builder
	b.Grow(size + 32)
	for random := hex.EncodeToString(randomBytes(size / 64)); b.Len() < size; {
		b.WriteString(line)
		n := b.Len() / 4 % (len(random) - 7)
		b.WriteString(random[n : n+7])
		b.WriteByte('\n')
	}
	return b.String()[:size]
}

// readsOf opens a range of big, of size bytes, and gives the number of system calls that read, and
// their bytes. The kernel counts both for a process and those that it has waited for, and tells it
// of itself alone: so it is a shell that asks, whose own few reads are in the counts.
func (r *rig) readsOf(size int64, span string) (calls, sum int64) {
	r.Helper()
	c := exec.Command("sh", "-c",
		`envseal decrypt -q --range "$1" "$2" > "$3" && exec cat /proc/self/io`, "sh", span,
		r.path("big"), r.path("out"))
	c.Stderr = os.Stderr
	counts, err := c.Output()
	if err != nil {
		r.Fatal(err)
	}
	if info, err := os.Stat(r.path("out")); err != nil || info.Size() != size {
		r.Fatalf("%s: %v, %v", span, info, err)
	}
	for line := range strings.Lines(string(counts)) {
		_, _ = fmt.Sscanf(line, "rchar: %d", &sum)
		_, _ = fmt.Sscanf(line, "syscr: %d", &calls)
	}
	if sum == 0 || calls == 0 {
		r.Fatalf("no counts in %q", counts)
	}
	return calls, sum
}
