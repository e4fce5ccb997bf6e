package cmd

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/kmsclient/keystore"
	"golang.org/x/sys/unix"
)

// treeVariable has a process of this test binary be envseal, on a machine as the words in it say.
const treeVariable = "ENVSEAL_TEST_TREE"

func TestTreeProcess(t *testing.T) {
	machine := os.Getenv(treeVariable)
	if machine == "" {
		return // an ordinary run of the tests
	}
	namedTemps = strings.Contains(machine, "named")
	noWholeSync = strings.Contains(machine, "single")
	os.Exit(Main(strings.Split(os.Args[len(os.Args)-1], "\x1f")))
}

// treeRig is a directory with a keystore.
type treeRig struct {
	t       *testing.T
	dir     string
	machine string
}

func newTreeRig(t *testing.T, machine string) *treeRig {
	t.Helper()
	r := &treeRig{t: t, dir: t.TempDir(), machine: machine}
	storeWithKey(t, r.path("keystore"))
	return r
}

func (r *treeRig) path(name string) string { return filepath.Join(r.dir, name) }

// command prepares a run of envseal in the rig's directory.
func (r *treeRig) command(args ...string) (*exec.Cmd, *bytes.Buffer) {
	args = append([]string{"envseal"}, args...)
	child := exec.Command(os.Args[0], "-test.run=^TestTreeProcess$", "--", strings.Join(args, "\x1f"))
	child.Env = append(os.Environ(), treeVariable+"="+r.machine+"+", "GORACE=atexit_sleep_ms=0", "ENVSEAL_KEYSTORE="+r.path("keystore"), "ENVSEAL_KEY_ID="+r.key())
	child.Dir = r.dir
	stderr := new(bytes.Buffer)
	child.Stderr = stderr
	return child, stderr
}

// key is the keystore's only key.
func (r *treeRig) key() string {
	r.t.Helper()
	store, err := keystore.Open(r.path("keystore"), keystore.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	defer store.Close()
	keys, err := store.ListKeys(r.t.Context())
	if err != nil || len(keys) != 1 {
		r.t.Fatalf("%d keys, %v", len(keys), err)
	}
	return "local:" + keys[0].ARN
}

// envseal runs to its end with the given exit code, and returns what it said.
func (r *treeRig) envseal(code int, args ...string) string {
	r.t.Helper()
	child, stderr := r.command(args...)
	if got := exitStatus(r.t, child.Run()); got != code {
		r.t.Fatalf("%s %v: exit %d, want %d: %.2000s", r.machine, args, got, code, stderr)
	}
	return stderr.String()
}

// grow makes n small files in directories of a few, and one or two larger ones.
func (r *treeRig) grow(name string, n int, seed string) {
	r.t.Helper()
	for i := range n {
		path := r.path(filepath.Join(name, fmt.Sprintf("d%d/e%d", i%7, i%3), fmt.Sprintf("f%d", i)))
		text := strings.Repeat(fmt.Sprintf("%s %d ", seed, i), 1+i%200)
		if i%500 == 499 {
			text = strings.Repeat(text, 1+(3<<20)/len(text))
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			r.t.Fatal(err)
		}
		writeFile(r.t, path, text)
	}
}

// files reads all regular files below a directory.
func (r *treeRig) files(name string) map[string]string {
	r.t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(r.path(name), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		rel, _ := filepath.Rel(r.path(name), path)
		all[rel] = string(text)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

func (r *treeRig) wantSame(a, b string) {
	r.t.Helper()
	x, y := r.files(a), r.files(b)
	if len(x) == 0 || len(x) != len(y) {
		r.t.Errorf("%d files in %s, %d in %s", len(x), a, len(y), b)
	}
	for name, text := range x {
		if y[name] != text {
			r.t.Errorf("%s differs in %s and %s", name, a, b)
		}
	}
}

// machines are the ways to get names and to reach the disk.
var machines = []string{"unnamed", "named", "unnamed single", "named single"}

func TestTreeOnAllMachines(t *testing.T) {
	for _, machine := range machines {
		r := newTreeRig(t, machine)
		r.grow("data", 600, "old")
		r.envseal(0, "encrypt", "-R", "-q", "--reuse-key", "-O", "sealed", "data")
		r.envseal(0, "decrypt", "-R", "-q", "--reuse-key", "-j", "3", "-O", "back", "sealed")
		r.wantSame("data", "back")
		r.grow("data", 600, "new")
		r.envseal(exitSome, "encrypt", "-R", "-O", "sealed", "data")
		r.envseal(0, "encrypt", "-R", "-f", "-O", "sealed", "data")
		r.envseal(0, "decrypt", "-R", "-q", "-f", "--no-sync", "-O", "back", "sealed")
		r.wantSame("data", "back")
		r.wantNoTemps()
	}
}

func (r *treeRig) wantNoTemps() {
	r.t.Helper()
	err := filepath.WalkDir(r.dir, func(path string, d os.DirEntry, err error) error {
		if isOwnTemp(filepath.Base(path)) {
			r.t.Errorf("%s: %s is left", r.machine, path)
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// One file in a hundred is damaged, in all sorts of ways: the others come out, and the list is right.
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
	said := r.envseal(exitSome, "decrypt", "-R", "--reuse-key", "--no-sync", "--log-json", "log", "-O", "back", "sealed")
	if !strings.Contains(said, "10 of 1000 files failed: ") || strings.Count(said, "envseal: error: ") != 11 {
		t.Errorf("said %s", said)
	}
	log, err := os.ReadFile(r.path("log"))
	if err != nil {
		t.Fatal(err)
	}
	good := r.files("data")
	for _, name := range bad {
		if !strings.Contains(said, "envseal: error: sealed/"+name+": ") || !strings.Contains(said, `"sealed/`+name+`"`) {
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

func (r *treeRig) sorted(name string) []string {
	var names []string
	for n := range r.files(name) {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// damage does something to a sealed file, by the number.
func (r *treeRig) damage(path string, n int) {
	r.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	switch n / 100 % 5 {
	case 0:
		b[rand.IntN(len(b))] ^= 1 << rand.IntN(8)
	case 1:
		b = b[:rand.IntN(len(b))]
	case 2:
		b = append(b, b...)
	case 3:
		b = nil
	case 4:
		b = append(b, 0)
	}
	writeFile(r.t, path, string(b))
}

// Files come from many directories into few hands: no two workers do the same file, and none is left out, whatever the number of workers.
func TestTreeWorkers(t *testing.T) {
	r := newTreeRig(t, "unnamed")
	r.grow("data", 300, "x")
	for _, jobs := range []string{"1", "2", "7"} {
		r.envseal(0, "encrypt", "-R", "-q", "--no-sync", "-j", jobs, "--reuse-key=50", "--log-json", "log"+jobs, "-O", "sealed"+jobs, "data")
		log, err := os.ReadFile(r.path("log" + jobs))
		if err != nil || bytes.Count(log, []byte("\n")) != 300 || bytes.Count(log, []byte(`"KmsCalls":1`)) != 6 || bytes.Count(log, []byte(`"KmsCalls":0`)) != 294 {
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
	if status := exitStatus(t, child.Run()); status != 0 {
		t.Fatalf("exit %d: %s", status, stderr)
	}
	r.envseal(0, "decrypt", "-R", "-q", "-O", "back", "sealed")
	r.wantSame("data", "back")
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
	if status := exitStatus(t, child.Run()); status != 0 {
		t.Fatalf("exit %d: %s", status, stderr)
	}
	if said := r.envseal(0, "decrypt", "-R", "-v", "--no-sync", "-O", "back", "sealed"); !strings.Contains(said, "1 file done") {
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
		r.grow("data", 1000, "x")
		child, stderr := r.command("encrypt", "-R", "-v", "-j", "2", "-O", "sealed", "data")
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if _, err := os.Stat(r.path("sealed/d1/e1")); err == nil {
				break
			}
		}
		_ = child.Process.Signal(unix.SIGTERM)
		if status := exitStatus(t, child.Wait()); status != 143 && status != 0 {
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
		r.grow("old", 300, "old")
		r.grow("new", 300, "new")
		r.envseal(0, "encrypt", "-R", "-q", "--no-sync", "-O", "a", "old")
		r.envseal(0, "encrypt", "-R", "-q", "--no-sync", "-O", "b", "new")
		began := time.Now()
		r.envseal(0, "decrypt", "-R", "-q", "-O", "out", "a")
		usual := time.Since(began)
		old, new := r.files("old"), r.files("new")
		killed, mixed := 0, 0
		for i := range 12 {
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
			t.Errorf("%s: no run was killed", machine)
		}
		t.Logf("%s: %d of 12 killed, %d with files of both", machine, killed, mixed)
		r.envseal(0, "decrypt", "-R", "-q", "-f", "-O", "out", "b")
		r.wantSame("new", "out")
		r.wantNoTemps()
	}
}

// countVersions wants each file to be whole, and counts the old and the new ones.
func (r *treeRig) countVersions(name string, old, new map[string]string) (olds, news int) {
	r.t.Helper()
	seen := 0
	for file, text := range r.files(name) {
		switch {
		case isOwnTemp(filepath.Base(file)):
			continue
		case text == old[file]:
			olds++
		case text == new[file]:
			news++
		default:
			r.t.Errorf("%s: %s is neither old nor new: %d bytes", r.machine, file, len(text))
		}
		seen++
	}
	if seen != len(old) {
		r.t.Errorf("%s: %d files of %d", r.machine, seen, len(old))
	}
	return olds, news
}
