//go:build torture && linux && amd64

package torture

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTortureFullDisk runs every command on a disk that becomes full somewhere on the way.
func TestTortureFullDisk(t *testing.T) {
	disk := newSmallDisk(t, "24m")
	a := count(t, "6", "full disk, all commands", ours)
	for i, sc := range scenes(t) {
		s := &stage{dir: filepath.Join(disk.dir, fmt.Sprint(i)), scene: sc}
		if err := os.Mkdir(s.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, free := range freeSpace(s) {
			problems, err := fullDisk(s, disk, free)
			if err != nil {
				t.Fatal(err)
			}
			a.trial(fmt.Sprintf("%s with %d bytes free", s.name, free), problems...)
		}
		if err := os.RemoveAll(s.dir); err != nil {
			t.Fatal(err)
		}
	}
}

// freeSpace are amounts from nothing to more than is needed.
func freeSpace(s *stage) []int64 {
	most := int64(64 << 10)
	for _, b := range s.inputs {
		most += int64(len(b)) * 3 / 2
	}
	for _, w := range s.wants {
		most += int64(len(w.old))
	}
	most += int64(len(s.stdin)) * 3 / 2
	n := int64(trials(24, 4))
	var all []int64
	for i := range n {
		all = append(all, most*i/(n-1)/4096*4096)
	}
	return all
}

func fullDisk(s *stage, disk *smallDisk, free int64) ([]string, error) {
	if err := s.set(); err != nil {
		return nil, err
	}
	if err := disk.leave(free); err != nil {
		return nil, err
	}
	r, err := s.run(s.args, killedAfter(time.Minute))
	if err != nil {
		return nil, err
	}
	e := expectation{codes: []int{8}}
	if s.many {
		e.codes = []int{3, 8}
	}
	problems := s.judge(r, e)
	if r.code != 0 && !strings.Contains(r.stderr, "no space left") {
		problems = append(problems, "not a word of the disk: "+r.stderr)
	}
	return problems, disk.empty()
}

// TestTortureFullDiskPeers has all programs replace a file on such a disk.
func TestTortureFullDiskPeers(t *testing.T) {
	disk := newSmallDisk(t, "8m")
	all := duels(t, 1<<20)
	counts := tallies(t, "6", "full disk while replacing a file of 1 MiB", all)
	dir := filepath.Join(disk.dir, "work")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		for i := range trials(12, 3) {
			free := int64(i) * (1 << 20) / int64(trials(12, 3))
			for _, err := range []error{d.set(dir), disk.leave(free)} {
				if err != nil {
					t.Fatal(err)
				}
			}
			r := run(d.begin(dir))
			counts[d.name].trial(fmt.Sprintf("%s with %d bytes free", d.what, free), d.judge(dir, r.code)...)
			if err := disk.empty(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
