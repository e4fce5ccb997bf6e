//go:build secrets

package memscan_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/envseal/envseal/cmd/e2e/testhome"
)

// The tests of this file's build tag run the real program, hold it at chosen points and search what
// it holds there: memory, registers, core dumps, output. They are told to report, one line for each
// thing that was tried, how often it was and how often a key was found.

// defaultRuns is how many processes of each kind are searched; SECRETS_RUNS says otherwise.
const defaultRuns = 100

var (
	program  string // the binary, as `make build` makes it
	childEnv = "ENVSEAL_MEMSCAN_TEST_CHILD"
)

func TestMain(m *testing.M) {
	if how := os.Getenv(childEnv); how != "" {
		os.Exit(careless(how))
	}
	os.Exit(testhome.Run(func() int { return withProgram(m.Run) }))
}

// withProgram builds the program and runs the tests with it.
func withProgram(run func() int) int {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr,
			"make secrets: must be run by root: the program keeps its memory from everybody else")
		return 1
	}
	dir, err := os.MkdirTemp("", "envseal-secrets-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	program = filepath.Join(dir, "envseal")
	out, err := exec.Command("make", "-s", "-C", testhome.Module(), "build",
		"BIN="+program).CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "make build: %v\n%s", err, out)
		return 1
	}
	return run()
}

// runs is how many processes of each kind are searched.
func runs(t *testing.T) int {
	t.Helper()
	text := os.Getenv("SECRETS_RUNS")
	if text == "" {
		return defaultRuns
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("SECRETS_RUNS=%q is not a number of runs", text)
	}
	return n
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// needTools fails where a program that the test needs is missing.
func needTools(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("%s is not installed", name)
		}
	}
}

// report prints one line for docs/reliability.md.
func report(fault, program string, trials, violations int, remark string) {
	fmt.Printf("reliability: -|%s|%s|%d|%d|%s\n", fault, program, trials, violations, remark)
}
