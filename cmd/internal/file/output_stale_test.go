package file

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/envseal/envseal/cmd/internal/testkit"
)

func TestStaleTempsGo(t *testing.T) {
	bothWays(t, func(t *testing.T, named bool) {
		dir := t.TempDir()
		testkit.WriteFile(t, filepath.Join(dir, ".envseal-dead.tmp"), "left behind")
		testkit.WriteFile(t, filepath.Join(dir, ".envseal-notes"), "not ours")
		testkit.WriteFile(t, filepath.Join(dir, "victim"), "victim")
		if err := os.Symlink("victim", filepath.Join(dir, ".envseal-link.tmp")); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(filepath.Join(dir, ".envseal-pipe.tmp"), 0o600); err != nil {
			t.Fatal(err)
		}
		out := mustCreate(t, named, filepath.Join(dir, "out"), Options{Perm: 0o600})
		mustWrite(t, out, "text")
		if err := out.Commit(); err != nil {
			t.Fatal(err)
		}
		// kept, and too slow to compare
		if err := os.Remove(filepath.Join(dir, ".envseal-pipe.tmp")); err != nil {
			t.Error(err)
		}
		testkit.WantFiles(t, dir, map[string]string{".envseal-notes": "not ours", "victim": "victim",
			".envseal-link.tmp": "victim", "out": "text"})
	})
}

func TestLiveTempsStay(t *testing.T) {
	dir := t.TempDir()
	first := mustCreate(t, true, filepath.Join(dir, "first"), Options{Perm: 0o600})
	mustWrite(t, first, "one")
	second := mustCreate(t, true, filepath.Join(dir, "second"), Options{Perm: 0o600})
	mustWrite(t, second, "two")
	for _, out := range []*Output{first, second} {
		if err := out.Commit(); err != nil {
			t.Error(err)
		}
	}
	testkit.WantFiles(t, dir, map[string]string{"first": "one", "second": "two"})
}

// While some runs start, others clean up: nobody may lose a temp file that is in use.
func TestStaleRace(t *testing.T) {
	dir := t.TempDir()
	d, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			entries, _ := os.ReadDir(dir)
			for _, e := range entries {
				if strings.HasPrefix(e.Name(), TempPrefix) {
					d.RemoveIfStale(e.Name())
				}
			}
		}
	}()
	for i := range 500 {
		target := filepath.Join(dir, fmt.Sprint(i))
		out := mustCreate(t, true, target, Options{Perm: 0o600, NoSync: true})
		mustWrite(t, out, "text")
		if err := out.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(target); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	<-done
	testkit.WantFiles(t, dir, nil)
}
