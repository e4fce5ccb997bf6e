// Package e2e tests envseal as its users meet it: a process of its own, in shells, beside other
// people's tools. What holds for the module as a whole is tested here, too: the law of imports, the
// table of dependencies.
package e2e

import (
	"crypto/fips140"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/envseal/envseal/cmd"
	"github.com/envseal/envseal/cmd/e2e/testhome"
)

func TestMain(m *testing.M) {
	testscript.Main(inHome{m}, map[string]func(){
		"envseal": func() { os.Exit(cmd.Main(os.Args)) },
	})
}

// inHome are tests that run in a home of their own.
type inHome struct{ *testing.M }

func (m inHome) Run() int { return testhome.Run(m.M.Run) }

// TestScript runs testdata/script/*.txtar: shell-like scripts that use envseal as a user does, as a
// process of its own.
func TestScript(t *testing.T) {
	testdata := filepath.Join(testhome.Module(), "testdata")
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join(testdata, "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("SAMPLES", filepath.Join(testdata, "samples"))
			e.Setenv("GODEBUG", os.Getenv("GODEBUG"))
			e.Setenv("ENVSEAL_KEYSTORE", e.WorkDir+"/keystore")
			// no credentials of the machine's owner, and no way to AWS
			e.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			e.Setenv("AWS_CONFIG_FILE", e.WorkDir+"/no-config")
			e.Setenv("AWS_SHARED_CREDENTIALS_FILE", e.WorkDir+"/no-credentials")
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "fips" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return fips140.Enabled(), nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":  exits,
			"random": random,
			"flip":   flip,
			"unzstd": unzstd,
		},
	})
}

// exits runs a command that must end with the given exit code: exits 9 envseal decrypt ...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// random makes a file of random bytes: random FILE SIZE
func random(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: random FILE SIZE")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), randomBytes(n), 0o644))
}

// unzstd decompresses a file as any zstd does: unzstd FROM TO
func unzstd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: unzstd FROM TO")
	}
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	d, err := zstd.NewReader(nil)
	ts.Check(err)
	defer d.Close()
	b, err = d.DecodeAll(b, nil)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o644))
}

// flip flips the lowest bit of a file's byte, counted from the end where negative: flip FILE OFFSET
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip FILE OFFSET")
	}
	name := ts.MkAbs(args[0])
	b, err := os.ReadFile(name)
	ts.Check(err)
	i, err := strconv.Atoi(args[1])
	ts.Check(err)
	if i < 0 {
		i += len(b)
	}
	b[i] ^= 1
	ts.Check(os.WriteFile(name, b, 0o644))
}
