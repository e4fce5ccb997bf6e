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

	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/testkit"
	"github.com/envseal/envseal/kmsclient/keystore"
)

// treeVariable has a process of this test binary be envseal, on a machine as the words in it say.
const treeVariable = "ENVSEAL_TEST_TREE"

func TestTreeProcess(t *testing.T) {
	machine := os.Getenv(treeVariable)
	if machine == "" {
		return // an ordinary run of the tests
	}
	if err := testkit.OtherMachine(machine); err != nil {
		t.Fatal(err)
	}
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
	dir, err := os.MkdirTemp("/dev/shm", "envseal-test-")
	if err == nil && !strings.Contains(machine, "disk") {
		t.Cleanup(func() { os.RemoveAll(dir) })
		r.dir = dir // memory: nothing here depends on a disk, and disks make tests slow
	}
	testkit.StoreWithKey(t, r.path("keystore"))
	return r
}

func (r *treeRig) path(name string) string { return filepath.Join(r.dir, name) }

// command prepares a run of envseal in the rig's directory.
func (r *treeRig) command(args ...string) (*exec.Cmd, *bytes.Buffer) {
	args = append([]string{"envseal"}, args...)
	child := exec.Command(os.Args[0], "-test.run=^TestTreeProcess$", "--", strings.Join(args, "\x1f"))
	child.Env = append(os.Environ(), treeVariable+"="+r.machine+" +", "GORACE=atexit_sleep_ms=0",
		"ENVSEAL_KEYSTORE="+r.path("keystore"), "ENVSEAL_KEY_ID="+r.key())
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
	if got := testkit.ExitStatus(r.t, child.Run()); got != code {
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
		if i%100 == 99 {
			text = strings.Repeat(text, 1+(3<<20)/len(text))
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			r.t.Fatal(err)
		}
		testkit.WriteFile(r.t, path, text)
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

func (r *treeRig) wantNoTemps() {
	r.t.Helper()
	err := filepath.WalkDir(r.dir, func(path string, d os.DirEntry, err error) error {
		if file.IsOwnTemp(filepath.Base(path)) {
			r.t.Errorf("%s: %s is left", r.machine, path)
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
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
	testkit.WriteFile(r.t, path, string(b))
}

// countVersions wants each file to be whole, and counts the old and the new ones.
func (r *treeRig) countVersions(name string, old, new map[string]string) (olds, news int) {
	r.t.Helper()
	seen := 0
	for f, text := range r.files(name) {
		switch {
		case file.IsOwnTemp(filepath.Base(f)):
			continue
		case text == old[f]:
			olds++
		case text == new[f]:
			news++
		default:
			r.t.Errorf("%s: %s is neither old nor new: %d bytes", r.machine, f, len(text))
		}
		seen++
	}
	if seen != len(old) {
		r.t.Errorf("%s: %d files of %d", r.machine, seen, len(old))
	}
	return olds, news
}
