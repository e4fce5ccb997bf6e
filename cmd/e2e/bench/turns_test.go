//go:build bench

package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// row is one comparison: all its contenders run in turns.
type row struct {
	name       string // for BENCH_ONLY, and in the list of goals
	label      string // in the table
	bytes      int64  // of plaintext
	rounds     int
	contenders []contender // the first is what the others are compared with
	goals      []goal
	keep       bool // outputs stay until the end of the section, which removes them: see trees
	samples    map[string][]sample
}

// contender is one command of a row.
type contender struct {
	name   string
	rounds int // 0: those of the row
	// 0: 1; what is measured is multiplied by it, for a command that does only a part of the work
	scale float64
	job   func(out string) job // out does not exist
	// run once before anything is timed; nil if the result was checked already
	check func() error
}

// job and stage are what the program spawn reads, measured is what it writes: see testdata/spawn.
type job struct {
	Stages  []stage
	Stdin   string
	Stdout  string
	Stderr  string
	Pinned  bool
	watched int // the stage whose CPU time and memory count
}

type stage struct {
	Args []string
	Env  []string
}

type measured struct {
	Wall   time.Duration
	Stages []struct {
		User, Sys time.Duration
		MaxRSS    int64
		Exit      int
	}
}

// sample is one run. The wall time is that of all stages of a pipeline, the rest is the watched
// one's.
type sample struct {
	wall, cpu time.Duration
	all       time.Duration // CPU time of all stages
	rss       int64         // bytes
	size      int64         // bytes of the output, if that is a file
}

// race measures a row and adds it to the section. Programs take turns, so that whatever drifts hits
// all of them, in an order that changes from round to round, so that each comes after different
// ones.
func (b *bench) race(s *section, r *row) {
	if !b.wanted(r.name) {
		return
	}
	r.contenders = slices.DeleteFunc(r.contenders, func(c contender) bool {
		if c.check == nil {
			return false
		}
		err := c.check()
		if err != nil && strings.HasPrefix(c.name, "envseal") {
			b.t.Fatalf("%s: %s: %v", r.name, c.name, err)
		}
		if err != nil {
			b.remark("%s is not measured at “%s”: %v", c.name, r.name, err)
		}
		return err != nil
	})
	begin := time.Now()
	r.samples = make(map[string][]sample)
	for round := range r.rounds {
		for _, c := range turn(r.contenders, round) {
			if c.rounds == 0 || round < c.rounds {
				r.samples[c.name] = append(r.samples[c.name], b.once(r, c))
			}
		}
	}
	s.rows = append(s.rows, r)
	fmt.Printf("\n%s (%s)\n", r.name, time.Since(begin).Round(time.Second))
	for _, line := range s.lines(r) {
		fmt.Println(line)
	}
}

// turn is the order of one round: it begins with another contender each time, and every other round
// goes backwards.
func turn(all []contender, round int) []contender {
	first := round / 2 % len(all)
	order := slices.Concat(all[first:], all[:first])
	if round%2 == 1 {
		slices.Reverse(order)
	}
	return order
}

// once is one run that counts. What earlier runs left to be written goes to the disk before.
func (b *bench) once(r *row, c contender) sample {
	b.t.Helper()
	out := b.fresh("out")
	syscall.Sync()
	b.touch(r.bytes + c.memory(r))
	before, err1 := busyTime()
	s, err2 := b.spawn(c.job(out))
	after, err3 := busyTime()
	if err := errors.Join(err1, err2, err3); err != nil {
		b.t.Fatalf("%s: %s: %v", r.name, c.name, err)
	}
	b.others.add(after-before, s.all, s.wall)
	if info, err := os.Stat(out); err == nil && info.Mode().IsRegular() {
		s.size = info.Size()
	}
	if !r.keep {
		b.remove(out)
	}
	if c.scale != 0 {
		s.wall, s.cpu = time.Duration(c.scale*float64(s.wall)), time.Duration(c.scale*float64(s.cpu))
	}
	return s
}

// touch uses free memory just before a run that will need n bytes. Many virtual machines give free
// memory back to their host within seconds, and each page that comes from there again costs far
// more than what is done with it: which program that hits would be chance.
func (b *bench) touch(n int64) {
	b.t.Helper()
	n = min(n+n/4+128*mib, b.meminfo("MemAvailable")/2)
	out, err := exec.Command(b.tools["spawn"], "touch", fmt.Sprint(n)).CombinedOutput()
	if err != nil {
		b.t.Fatalf("%v: %s", err, out)
	}
}

// memory is what the contender needed the last time, in bytes.
func (c contender) memory(r *row) int64 {
	if all := r.samples[c.name]; len(all) > 0 {
		return all[len(all)-1].rss
	}
	return 0
}

// spawn does a job. Any stage's exit code but 0 is an error.
func (b *bench) spawn(j job) (sample, error) {
	j.Stderr = filepath.Join(b.dir, "messages")
	for i := range j.Stages {
		j.Stages[i].Env = b.env
	}
	input, err := json.Marshal(j)
	if err != nil {
		return sample{}, err
	}
	cmd := exec.Command(b.tools["spawn"])
	cmd.Stdin = bytes.NewReader(input)
	cmd.Stderr = os.Stderr
	answer, err := cmd.Output()
	if err != nil {
		return sample{}, fmt.Errorf("spawn %v: %w", j.Stages, err)
	}
	var m measured
	if err := json.Unmarshal(answer, &m); err != nil {
		return sample{}, err
	}
	var all time.Duration
	for i, s := range m.Stages {
		all += s.User + s.Sys
		if s.Exit != 0 {
			messages, _ := os.ReadFile(j.Stderr)
			return sample{}, fmt.Errorf("%s: exit code %d: %s",
				filepath.Base(j.Stages[i].Args[0]), s.Exit, bytes.TrimSpace(messages))
		}
	}
	watched := m.Stages[j.watched]
	return sample{wall: m.Wall, cpu: watched.User + watched.Sys, all: all, rss: watched.MaxRSS}, nil
}

// do runs a command that is not timed.
func (b *bench) do(args ...string) error {
	_, err := b.spawn(command(args...))
	return err
}

func (b *bench) must(args ...string) {
	b.t.Helper()
	if err := b.do(args...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) remove(paths ...string) {
	b.t.Helper()
	for _, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			b.t.Fatal(err)
		}
	}
}

// command is a job of one program.
func command(args ...string) job {
	return job{Stages: []stage{{Args: args}}}
}

// median of the runs of one contender; false if there were none.
func (r *row) median(name string, figure func(sample) float64) (float64, bool) {
	var all []float64
	for _, s := range r.samples[name] {
		all = append(all, figure(s))
	}
	if len(all) == 0 {
		return 0, false
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2, true
}

func wall(s sample) float64 { return s.wall.Seconds() }
func cpu(s sample) float64  { return s.cpu.Seconds() }
func rss(s sample) float64  { return float64(s.rss) }
func size(s sample) float64 { return float64(s.size) }
