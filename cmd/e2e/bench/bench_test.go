//go:build bench

// Package bench measures envseal beside other programs and writes docs/benchmarks.md: `make bench`.
//
// The real binary, bin/envseal, runs in turns with cp, cat, dd and with programs that encrypt.
// Nothing here passes or fails on a time, because times depend on the machine: the goals are
// printed beside what was measured, for people to judge. What fails is a program that gives a wrong
// result or a wrong exit code.
//
// Environment: BENCH=full (default, some 25 minutes on a quiet machine), or quick for trying things
// out, which prints the document and writes nothing. BENCH_ONLY=REGEXP measures only the rows whose
// name matches, such as 'encrypt 1 GiB', and writes nothing either. TMPDIR says on which file
// system to measure.
package bench

import (
	"cmp"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/e2e/testhome"
)

// plan is how much is measured.
type plan struct {
	name       string
	rounds     int     // turns of every program; small files take three times as many
	slowRounds int     // turns of slow programs with large files
	starts     int     // turns of a program that only starts
	sizes      []int64 // files: encrypt and decrypt
	big        int64   // the size where one is enough
	largest    int64   // for the main programs only; 0 for none
	tarSize    int64   // at most
	treeFiles  int
	loopFiles  int // of the tree, for a program that is started for every file
}

const (
	kib = int64(1) << 10
	mib = int64(1) << 20
	gib = int64(1) << 30
)

var (
	full = plan{name: "full", rounds: 7, slowRounds: 3, starts: 101,
		sizes: []int64{0, kib, mib, 64 * mib, gib}, big: gib, largest: 4 * gib, tarSize: 512 * mib,
		treeFiles: 10000, loopFiles: 500}
	quick = plan{name: "quick", rounds: 3, slowRounds: 1, starts: 15,
		sizes: []int64{0, kib, mib, 64 * mib, 256 * mib}, big: 256 * mib, tarSize: 192 * mib,
		treeFiles: 10000, loopFiles: 100}
)

// bench is one run of it all.
type bench struct {
	t        *testing.T
	plan     plan
	only     *regexp.Regexp
	dir      string // scratch
	env      []string
	tools    map[string]string // paths of programs that have nothing to do with encryption
	programs []program         // what seals and opens, envseal first
	remarks  []string          // what is not there or was left out, and why
	sections []*section
	outputs  int // for fresh names
	others   others
}

func TestMain(m *testing.M) { os.Exit(testhome.Run(m.Run)) }

func TestBench(t *testing.T) {
	begin := time.Now()
	b := newBench(t)
	defer b.close()
	for _, part := range []func(){b.startUp, b.trees, b.files, b.durable, b.pipes, b.redirected,
		b.oneCore, b.jobs, b.compression} {
		part()
	}
	b.memory()
	slices.SortStableFunc(b.sections, func(x, y *section) int { return cmp.Compare(x.place, y.place) })
	document := b.document()
	fmt.Printf("measured in %s, other work: %s\n", time.Since(begin).Round(time.Second), &b.others)
	if b.plan.name != full.name || b.only != nil {
		fmt.Print(document)
		return
	}
	file := filepath.Join(testhome.Module(), "docs", "benchmarks.md")
	if err := os.WriteFile(file, []byte(document), 0o644); err != nil {
		t.Fatal(err)
	}
	fmt.Println("written to docs/benchmarks.md")
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, plan: full, tools: make(map[string]string)}
	switch name := os.Getenv("BENCH"); name {
	case "", full.name:
	case quick.name:
		b.plan = quick
	default:
		t.Fatalf("BENCH=%s: neither full nor quick", name)
	}
	if only := os.Getenv("BENCH_ONLY"); only != "" {
		var err error
		if b.only, err = regexp.Compile(only); err != nil {
			t.Fatalf("BENCH_ONLY: %v", err)
		}
	}
	var err error
	if b.dir, err = os.MkdirTemp("", "envseal-bench-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(b.dir) })
	b.removeWhenInterrupted()
	b.findPrograms()
	b.fitPlan()
	for _, remark := range b.remarks {
		fmt.Println("remark:", remark)
	}
	return b
}

// removeWhenInterrupted leaves no gigabytes behind for somebody who does not want to wait for the
// end.
func (b *bench) removeWhenInterrupted() {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		for range 50 { // what still runs may go on making files for a moment
			if os.RemoveAll(b.dir) == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		os.Exit(1)
	}()
}

// fitPlan leaves the largest size out where memory does not keep its files cached, or where the
// disk has no room for them.
func (b *bench) fitPlan() {
	memory, disk := b.meminfo("MemAvailable"), b.diskFree()
	// plaintext, two sealed files, an output, and one more while checking
	need := 5*b.plan.largest + gib
	if b.plan.largest > 0 && min(memory, disk) < need {
		b.remark("%s is not measured: that takes %s of memory, so that all files stay in the page cache, and as much on the disk; %s and %s are available",
			sizeName(b.plan.largest), sizeName(need), sizeName(memory), sizeName(disk))
		b.plan.largest = 0
	}
	if need = 11*b.plan.big + 4*gib; disk < need {
		b.t.Fatalf(
			"%s are free where temporary files go, and %s are needed: set TMPDIR to another file system",
			sizeName(disk), sizeName(need))
	}
}

func (b *bench) remark(format string, args ...any) {
	b.remarks = append(b.remarks, strings.ReplaceAll(fmt.Sprintf(format, args...), b.dir+"/", ""))
}

// wanted tells whether BENCH_ONLY lets a row with this name be measured.
func (b *bench) wanted(name string) bool {
	return b.only == nil || b.only.MatchString(name)
}

// fresh is a path at which there is nothing.
func (b *bench) fresh(kind string) string {
	b.outputs++
	return filepath.Join(b.dir, fmt.Sprintf("%s-%d", kind, b.outputs))
}

// sizeName is 4 KiB, 256 MiB, 1.5 GiB.
func sizeName(n int64) string {
	for _, unit := range []struct {
		size int64
		name string
	}{{gib, "GiB"}, {mib, "MiB"}, {kib, "KiB"}} {
		if n >= unit.size {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/float64(unit.size)), ".0") +
				" " + unit.name
		}
	}
	return fmt.Sprintf("%d B", n)
}
