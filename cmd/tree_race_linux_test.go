package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/internal/testkit"
	"golang.org/x/sys/unix"
)

// raceTime is how long an attacker tries. ENVSEAL_RACE_TIME=60s makes it longer.
func raceTime(t *testing.T) time.Duration {
	if text := os.Getenv("ENVSEAL_RACE_TIME"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	return time.Second
}

// attack exchanges the two names again and again, as fast as can be, until stop is called. One of
// them is a link to where nothing may happen.
func (r *treeRig) attack(pairs [][2]string) (stop func() int) {
	r.t.Helper()
	done := make(chan struct{})
	var attackers sync.WaitGroup
	swaps := 0
	attackers.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			for _, p := range pairs {
				if unix.Renameat2(unix.AT_FDCWD, r.path(p[0]), unix.AT_FDCWD, r.path(p[1]),
					unix.RENAME_EXCHANGE) == nil {
					swaps++
				}
			}
		}
	})
	return func() int {
		close(done)
		attackers.Wait()
		return swaps
	}
}

// Directories below -O turn into links to a place outside and back, while a tree is written there:
// nothing arrives outside.
func TestTreeRacerAtTheOutput(t *testing.T) {
	r := newTreeRig(t, "unnamed")
	r.grow("data", 200, "x")
	r.envseal(0, "encrypt", "-R", "-q", "--no-sync", "-O", "sealed", "data")
	for _, dir := range []string{"victim/e1", "out/d0", "out/d1/e1", "out/d2"} {
		if err := os.MkdirAll(r.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	testkit.WriteFile(t, r.path("victim/f7"), "precious")
	testkit.WriteFile(t, r.path("victim/e1/f1"), "precious")
	before := r.listed("victim")
	pairs := [][2]string{{"out/d0", "link0"}, {"out/d1/e1", "link1"}, {"out/d2", "link2"}}
	for _, p := range pairs {
		if err := os.Symlink(r.path("victim"), r.path(p[1])); err != nil {
			t.Fatal(err)
		}
	}
	stop := r.attack(pairs)
	runs, refused := 0, 0
	for began := time.Now(); time.Since(began) < raceTime(t) ||
		refused == 0 && time.Since(began) < time.Minute; runs++ {
		child, stderr := r.command("decrypt", "-R", "-f", "--no-sync", "-O", "out", "sealed")
		_ = child.Run()
		refused += strings.Count(stderr.String(), "envseal: error: sealed/")
		if after := r.listed("victim"); after != before {
			t.Fatalf("the victim was reached: %s, it was %s; %s", after, before, stderr)
		}
	}
	swaps := stop()
	t.Logf("%d runs, %d exchanges, %d times something was refused", runs, swaps, refused)
	if swaps < 1000 || refused == 0 {
		t.Errorf("%d exchanges, %d refusals: the test tests less than it says", swaps, refused)
	}
}

// listed is all names below a directory with their contents.
func (r *treeRig) listed(name string) string {
	r.t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(r.path(name), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		b.WriteString(path + " " + d.Type().String())
		if d.Type().IsRegular() {
			text, err := os.ReadFile(path)
			b.Write(text)
			return err
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return b.String()
}

// Directories and files of the input turn into links to a secret and back: it is never sealed
// along.
func TestTreeRacerAtTheInput(t *testing.T) {
	r := newTreeRig(t, "unnamed")
	r.grow("data", 200, "x")
	const secret = "nobody may read this"
	for _, name := range []string{"outside/f7", "outside/e1/f1", "outside/e2/f2", "outside/secret"} {
		if err := os.MkdirAll(filepath.Dir(r.path(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		testkit.WriteFile(t, r.path(name), secret)
	}
	pairs := [][2]string{{"data/d0", "link0"}, {"data/d1/e1", "link1"}, {"data/d2/e2/f2", "link2"}}
	for i, p := range pairs {
		err := os.Symlink(r.path([]string{"outside", "outside/e1", "outside/secret"}[i]), r.path(p[1]))
		if err != nil {
			t.Fatal(err)
		}
	}
	stop := r.attack(pairs)
	runs, links := 0, 0
	for began := time.Now(); time.Since(began) < raceTime(t) ||
		links == 0 && time.Since(began) < time.Minute; runs++ {
		for _, name := range []string{"sealed", "back"} {
			if err := os.RemoveAll(r.path(name)); err != nil {
				t.Fatal(err)
			}
		}
		child, stderr := r.command("encrypt", "-R", "--no-sync", "-O", "sealed", "data")
		_ = child.Run()
		links += strings.Count(stderr.String(), "symbolic link")
		r.envseal(0, "decrypt", "-R", "-q", "--no-sync", "-O", "back", "sealed")
		for name, text := range r.files("back") {
			if strings.Contains(text, secret) {
				t.Fatalf("%s: the secret was sealed", name)
			}
		}
	}
	swaps := stop()
	t.Logf("%d runs, %d exchanges, links were met %d times", runs, swaps, links)
	if swaps < 1000 || links == 0 {
		t.Errorf("%d exchanges, %d links met: the test tests less than it says", swaps, links)
	}
}
