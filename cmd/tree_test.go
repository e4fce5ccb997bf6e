package cmd

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/testkit"
	"golang.org/x/sys/unix"
)

func TestTreeOnAllMachines(t *testing.T) {
	for _, machine := range append(machines, "unnamed on a disk") {
		r := newTreeRig(t, machine)
		r.grow("data", 150, "old")
		r.envseal(0, "encrypt", "-R", "-q", "--reuse-key", "-O", "sealed", "data")
		r.envseal(0, "decrypt", "-R", "-q", "--reuse-key", "-j", "3", "-O", "back", "sealed")
		r.wantSame("data", "back")
		r.grow("data", 150, "new")
		r.envseal(exit.Some, "encrypt", "-R", "-O", "sealed", "data")
		r.envseal(0, "encrypt", "-R", "-f", "-O", "sealed", "data")
		r.envseal(0, "decrypt", "-R", "-q", "-f", "--no-sync", "-O", "back", "sealed")
		r.wantSame("data", "back")
		r.wantNoTemps()
	}
}

// One file in a hundred is damaged, in all sorts of ways: the others come out, and the list is
// right.
func TestTreeWithDamagedFiles(t *testing.T) {
	r := newTreeRig(t, "unnamed")
	r.grow("data", 1000, "x")
	r.envseal(0, "encrypt", "-R", "-q", "--reuse-key", "--no-sync", "-O", "sealed", "data")
	var bad []string
	names := r.sorted("sealed")
	for i := 50; i < len(names); i += 100 {
		r.damage(r.path("sealed/"+names[i]), i)
		bad = append(bad, names[i])
	}
	said := r.envseal(exit.Some, "decrypt", "-R", "--reuse-key", "--no-sync", "--log-json",
		"log", "-O", "back", "sealed")
	if !strings.Contains(said, "10 of 1000 files failed: ") ||
		strings.Count(said, "envseal: error: ") != 11 {
		t.Errorf("said %s", said)
	}
	log, err := os.ReadFile(r.path("log"))
	if err != nil {
		t.Fatal(err)
	}
	good := r.files("data")
	for _, name := range bad {
		if !strings.Contains(said, "envseal: error: sealed/"+name+": ") ||
			!strings.Contains(said, `"sealed/`+name+`"`) {
			t.Errorf("%s is not in the list", name)
		}
		if strings.Count(string(log), `"Input":"sealed/`+name+`"`) != 1 {
			t.Errorf("%s is not in the log", name)
		}
		delete(good, strings.TrimSuffix(name, ".sealed"))
	}
	back := r.files("back")
	if len(good) != 990 || len(back) != 990 {
		t.Errorf("%d files are good, %d came out", len(good), len(back))
	}
	for name, text := range good {
		if back[name] != text {
			t.Errorf("%s came out wrong", name)
		}
	}
	if n := bytes.Count(log, []byte("\n")); n != 1000 {
		t.Errorf("%d lines in the log", n)
	}
}

// Files come from many directories into few hands: no two workers do the same file, and none is
// left out, whatever the number of workers.
func TestTreeWorkers(t *testing.T) {
	r := newTreeRig(t, "unnamed")
	r.grow("data", 300, "x")
	for _, jobs := range []string{"1", "2", "7"} {
		r.envseal(0, "encrypt", "-R", "-q", "--no-sync", "-j", jobs, "--reuse-key=50", "--log-json",
			"log"+jobs, "-O", "sealed"+jobs, "data")
		log, err := os.ReadFile(r.path("log" + jobs))
		if err != nil || bytes.Count(log, []byte("\n")) != 300 ||
			bytes.Count(log, []byte(`"KmsCalls":1`)) != 6 ||
			bytes.Count(log, []byte(`"KmsCalls":0`)) != 294 {
			t.Errorf("-j %s: %v: %.300s", jobs, err, log)
		}
		r.envseal(0, "decrypt", "-R", "-q", "--no-sync", "-j", jobs, "-O", "back"+jobs, "sealed"+jobs)
		r.wantSame("data", "back"+jobs)
	}
}

// Few descriptors: the batches get smaller, and nothing fails for the want of one.
func TestTreeWithFewDescriptors(t *testing.T) {
	r := newTreeRig(t, "unnamed")
	r.grow("data", 500, "x")
	child, stderr := r.command("encrypt", "-R", "-q", "-O", "sealed", "data")
	child.Args = append([]string{"sh", "-c", `ulimit -n 200 && exec "$0" "$@"`}, child.Args...)
	child.Path = "/bin/sh"
	if status := testkit.ExitStatus(t, child.Run()); status != 0 {
		t.Fatalf("exit %d: %s", status, stderr)
	}
	r.envseal(0, "decrypt", "-R", "-q", "-O", "back", "sealed")
	r.wantSame("data", "back")
}

// A directory is listed without a look at each file in it: one that cannot be looked at fails
// alone, and does not take the others along.
func TestTreeListsWithoutLooking(t *testing.T) {
	dir := t.TempDir()
	gone := testkit.WriteFile(t, filepath.Join(dir, "gone"), "")
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	in, err := file.OpenBelow(root, ".")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	entries, err := in.ReadDir(-1)
	if err != nil || len(entries) != 1 || !entries[0].Type().IsRegular() {
		t.Fatal(entries, err)
	}
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	if _, err := entries[0].Info(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is gone was looked at before: %v", err)
	}
}

// A very deep tree takes no more descriptors than a flat one.
func TestTreeDeep(t *testing.T) {
	r := newTreeRig(t, "unnamed")
	if err := os.Mkdir(r.path("data"), 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(r.path("data"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	at := root
	for range 300 {
		if err := at.Mkdir("a-directory-of-a-long-name", 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := at.OpenRoot("a-directory-of-a-long-name")
		if err != nil {
			t.Fatal(err)
		}
		defer next.Close()
		at = next
	}
	if err := at.WriteFile("file", []byte("deep down"), 0o600); err != nil {
		t.Fatal(err)
	}
	child, stderr := r.command("encrypt", "-R", "-q", "--no-sync", "-O", "sealed", "data")
	child.Args = append([]string{"sh", "-c", `ulimit -n 100 && exec "$0" "$@"`}, child.Args...)
	child.Path = "/bin/sh"
	if status := testkit.ExitStatus(t, child.Run()); status != 0 {
		t.Fatalf("exit %d: %s", status, stderr)
	}
	said := r.envseal(0, "decrypt", "-R", "-v", "--no-sync", "-O", "back", "sealed")
	if !strings.Contains(said, "1 file done") {
		t.Errorf("said %s", said)
	}
	out, err := exec.Command("find", r.path("back"), "-name", "file", "-size", "9c").Output()
	if err != nil || bytes.Count(out, []byte("\n")) != 1 {
		t.Errorf("found %q, %v", out, err)
	}
}

// A signal ends a run: what is there is whole, and nothing else is left.
func TestTreeSignal(t *testing.T) {
	for _, machine := range machines[:2] {
		r := newTreeRig(t, machine)
		r.grow("data", 400, "x")
		child, stderr := r.command("encrypt", "-R", "-v", "-j", "2", "-O", "sealed", "data")
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(10 * time.Second); time.Now().Before(
			end); time.Sleep(time.Millisecond) {
			if _, err := os.Stat(r.path("sealed/d1/e1")); err == nil {
				break
			}
		}
		_ = child.Process.Signal(unix.SIGTERM)
		if status := testkit.ExitStatus(t, child.Wait()); status != 143 && status != 0 {
			t.Errorf("%s: exit %d: %s", machine, status, stderr)
		}
		r.wantNoTemps()
		r.envseal(0, "encrypt", "-R", "-q", "--update", "-O", "sealed", "data")
		r.envseal(0, "decrypt", "-R", "-q", "-O", "back", "sealed")
		r.wantSame("data", "back")
	}
}

// Whenever a run over an old tree is killed, each file is the old one or the new one.
func TestTreeKilled(t *testing.T) {
	for _, machine := range machines {
		r := newTreeRig(t, machine)
		r.grow("old", 150, "old")
		r.grow("new", 150, "new")
		r.envseal(0, "encrypt", "-R", "-q", "--no-sync", "-O", "a", "old")
		r.envseal(0, "encrypt", "-R", "-q", "--no-sync", "-O", "b", "new")
		began := time.Now()
		r.envseal(0, "decrypt", "-R", "-q", "-O", "out", "a")
		usual := time.Since(began)
		old, new := r.files("old"), r.files("new")
		killed, mixed := 0, 0
		runs := 0
		for i := 0; i < 4 || killed < 2 && i < 40; i++ {
			runs++
			child, _ := r.command("decrypt", "-R", "-q", "-f", "-O", "out", []string{"b", "a"}[i%2])
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(usual/4 + rand.N(usual))
			_ = child.Process.Kill()
			if child.Wait() != nil {
				killed++
			}
			olds, news := r.countVersions("out", old, new)
			if olds > 0 && news > 0 {
				mixed++
			}
		}
		if killed == 0 {
			t.Errorf("%s: none of %d runs was killed", machine, runs)
		}
		t.Logf("%s: %d of %d killed, %d with files of both", machine, killed, runs, mixed)
		r.envseal(0, "decrypt", "-R", "-q", "-f", "-O", "out", "b")
		r.wantSame("new", "out")
		r.wantNoTemps()
	}
}
