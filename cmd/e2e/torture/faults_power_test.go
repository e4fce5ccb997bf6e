//go:build torture && linux && amd64

package torture

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// powerCuts are what two moments of a run leave on a disk: somewhere in the middle, and after the
// exit code 0.
type powerCuts struct {
	where  string
	during []byte
	after  []byte
	code   int
}

// cutAt plays the scene on the disk, and cuts the power before the nth call on the user's files,
// and when the program has just ended.
func (s *stage) cutAt(disk *imageDisk, nth int) (p powerCuts, err error) {
	if err := s.set(); err != nil {
		return p, err
	}
	if err := disk.sync(); err != nil { // what was there before is there for good
		return p, err
	}
	seen := 0
	var cutErr error
	r, err := s.run(s.args, func(c *exec.Cmd) (syscall.WaitStatus, error) {
		status, err := trace(c, func(c *call) verdict {
			if path, ok := c.within(s.dir); ok {
				if seen++; seen == nth {
					p.where = c.kind.name + " " + path
					if nth%2 == 0 {
						_ = disk.sync() // by somebody else, so that what is half done is there after the cut
					}
					p.during, cutErr = disk.cut()
				}
			}
			return verdict{}
		})
		if err == nil {
			p.after, err = disk.cut()
		}
		return syscall.WaitStatus(status), err
	})
	if err == nil {
		err = cutErr
	}
	p.code = r.code
	return p, err
}

// survived looks at what is there when the machine starts again. ended tells that the program had
// said it was done.
func (s *stage) survived(root string, ended bool) (problems []string) {
	there := &stage{dir: filepath.Join(root, filepath.Base(s.dir)), scene: s.scene}
	done, kept, broken := there.state()
	if s.inside != nil && len(broken) > 0 { // a torn header, which the journal makes good
		r := envseal(there.files(), nil, "decrypt", "-q", "-o", "-", s.wants[0].name)
		if r.code == 0 && bytes.Equal(r.stdout, s.inside) {
			broken = nil
		}
	}
	problems = append(broken, there.changedInputs(done)...)
	if ended && len(kept) > 0 {
		problems = append(problems, fmt.Sprintf("%v not there after exit code 0", kept))
	}
	return problems
}

// powerWork spreads the cuts over the calls of the scenes that make files.
func powerWork(t *testing.T, list []*scene, n int) []work {
	var all []work
	for _, sc := range list {
		calls, err := newStage(t, sc).callCount(false)
		if err != nil {
			t.Fatal(err)
		}
		for _, nth := range spread(calls, (n+len(list)-1)/len(list)) {
			all = append(all, work{scene: sc, nth: nth})
		}
	}
	return all
}

// TestTorturePowerCut cuts the power at system calls and after the end, on an ext4 of its own.
func TestTorturePowerCut(t *testing.T) {
	list := slices.DeleteFunc(scenes(t), func(s *scene) bool { return s.wants == nil })
	if !full {
		list = slices.DeleteFunc(list, func(s *scene) bool {
			return strings.Contains(s.name, "pipe") || strings.Contains(s.name, " -") && !s.many
		})
	}
	during := count(t, "13", "power cut before a system call: the old file or the new one", ours)
	after := count(t, "13", "power cut after exit code 0: the new file", ours)
	disk := newImageDisk(t)
	for i, w := range powerWork(t, list, trials(540, 20)) {
		s := &stage{dir: filepath.Join(disk.dir, fmt.Sprint(i)), scene: w.scene}
		if err := os.Mkdir(s.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		cuts, err := s.cutAt(disk, w.nth)
		if err != nil || cuts.code != 0 {
			t.Fatal(s.name, cuts.code, err)
		}
		for _, c := range []struct {
			*tally
			image []byte
			ended bool
		}{{during, cuts.during, false}, {after, cuts.after, true}} {
			if c.image == nil {
				continue // fewer calls this time
			}
			err := disk.look(c.image, func(root string) {
				c.trial(fmt.Sprintf("%s: call %d, %s", s.name, w.nth, cuts.where), s.survived(root, c.ended)...)
			})
			if err != nil {
				c.trial(s.name, err.Error())
			}
		}
		if err := os.RemoveAll(s.dir); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTorturePowerCutIsNoticed shows that the cuts are cuts: without syncs files do get lost.
func TestTorturePowerCutIsNoticed(t *testing.T) {
	disk := newImageDisk(t)
	lost := 0
	for _, sc := range scenes(t) {
		if sc.name != "encrypt -f" && sc.name != "decrypt -f" {
			continue
		}
		unsynced := *sc
		unsynced.args = append([]string{sc.args[0], "--no-sync"}, sc.args[1:]...)
		s := &stage{dir: filepath.Join(disk.dir, sc.name), scene: &unsynced}
		if err := os.Mkdir(s.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		cuts, err := s.cutAt(disk, 1)
		if err == nil {
			err = disk.look(cuts.after, func(root string) { lost += min(1, len(s.survived(root, true))) })
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if lost != 2 {
		t.Errorf("%d of 2 files that nobody synced are lost: these are no power cuts", lost)
	}
}

// TestTorturePowerCutPeers cuts the power for all programs: after they have ended well, and at a
// random moment while they replace a file.
func TestTorturePowerCutPeers(t *testing.T) {
	all := duels(t, 300_000)
	after := tallies(t, "13", "power cut after exit code 0 of replacing a file", all)
	during := tallies(t, "13", "power cut at a random time while replacing a file", all)
	disk := newImageDisk(t)
	dir := filepath.Join(disk.dir, "work")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		var usual time.Duration
		for i := range trials(13, 2) {
			took, err := d.cutAfter(disk, dir, after[d.name])
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				usual = took
			}
			if err := d.cutAt(disk, dir, rand.N(usual), i%2 == 1, during[d.name]); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (d *duel) prepare(disk *imageDisk, dir string) error {
	if err := d.set(dir); err != nil {
		return err
	}
	return disk.sync()
}

func (d *duel) cutAfter(disk *imageDisk, dir string, a *tally) (took time.Duration, err error) {
	if err := d.prepare(disk, dir); err != nil {
		return 0, err
	}
	begin := time.Now()
	r := run(d.begin(dir))
	took = time.Since(begin)
	if r.code != 0 {
		return took, fmt.Errorf("%s: %d %s", d.name, r.code, r.stderr)
	}
	image, err := disk.cut()
	if err != nil {
		return took, err
	}
	return took, disk.look(image, func(root string) {
		a.trial(d.what, d.judge(filepath.Join(root, "work"), 0)...)
	})
}

// cutAt stops the program after a while, so that the disk holds still, and cuts the power. synced
// tells that somebody called sync just before.
func (d *duel) cutAt(disk *imageDisk, dir string, after time.Duration,
	synced bool, a *tally) error {
	if err := d.prepare(disk, dir); err != nil {
		return err
	}
	c := d.begin(dir)
	if err := c.Start(); err != nil {
		return err
	}
	time.Sleep(after)
	_ = c.Process.Signal(syscall.SIGSTOP)
	if synced {
		_ = disk.sync()
	}
	image, err := disk.cut()
	_ = c.Process.Kill()
	_ = c.Wait()
	if err != nil {
		return err
	}
	return disk.look(image, func(root string) {
		a.trial(fmt.Sprintf("%s after %v", d.what, after), d.judge(filepath.Join(root, "work"), -1)...)
	})
}
