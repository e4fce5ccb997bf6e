//go:build torture

// Package kmstorture has the real envseal work against a key service that misbehaves: served by
// `envseal keystore serve --faults`, behind toxiproxy, behind TLS that is none. Of each run it
// looks at the exit code, the attempts, the time, the memory, the words, and at the files, which
// must be as before where the run failed.
package kmstorture

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/envseal/envseal/cmd/e2e/testhome"
)

var (
	program string // the envseal that is tested
	scratch string // folder of this run
	full    = os.Getenv("TORTURE") != "short"
)

func TestMain(m *testing.M) {
	if os.Getenv(launched) != "" {
		os.Exit(launch(os.Args[1:]))
	}
	flag.Parse()
	// The tests wait more than they work.
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err)
	}
	os.Exit(testhome.Run(func() int {
		code, err := testAll(m)
		if err != nil {
			fmt.Fprintln(os.Stderr, "kmstorture:", err)
		}
		return code
	}))
}

func testAll(m *testing.M) (int, error) {
	var err error
	if scratch, err = os.MkdirTemp("", "envseal-kmstorture"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(scratch)
	program = filepath.Join(scratch, "envseal")
	if err := build(program); err != nil {
		return 1, err
	}
	if err := makeFixture(); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// build makes the program with the flags of `make build`.
func build(to string) error {
	c := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "urfave_cli_no_docs",
		"-ldflags", "-s -w -buildid=", "-o", to, ".")
	c.Dir = testhome.Module()
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}
