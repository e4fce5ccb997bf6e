//go:build secrets

package memscan_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// heldAtExit runs `envseal LINE` by the shell, calls look with what it has written to stdout and
// stderr when it is about to exit, and gives its exit code. The calling goroutine must be locked to
// its thread.
func heldAtExit(t *testing.T, dir string, env []string, line string,
	look func(pid int, stdout, stderr []byte)) (code int) {
	t.Helper()
	cmd := exec.Command("sh", "-c", "read -r go; exec envseal "+line)
	cmd.Env = append(slices.Clone(env), "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
	cmd.Dir = dir
	stdout, stderr := capture(t), capture(t) // files: the program need not end for them to be read
	cmd.Stdout, cmd.Stderr = stdout, stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	p, err := freeze(cmd.Process.Pid) // from the first on, so that it cannot be missed
	must(t, err)
	_, err = io.WriteString(in, "go\n")
	must(t, err)
	must(t, in.Close())
	call, err := p.until(unix.SYS_EXIT_GROUP)
	must(t, err)
	said := captured(t, stderr)
	if call < 0 {
		t.Fatalf("envseal %s: ended without exit_group: %s", line, said)
	}
	look(cmd.Process.Pid, captured(t, stdout), said)
	p.thaw()
	_ = cmd.Wait() // the code says it
	return cmd.ProcessState.ExitCode()
}

func capture(t *testing.T) *os.File {
	t.Helper()
	f, err := os.CreateTemp(filepath.Dir(program), "said")
	must(t, err)
	t.Cleanup(func() { _ = f.Close() })
	must(t, os.Remove(f.Name()))
	return f
}

func captured(t *testing.T, f *os.File) []byte {
	t.Helper()
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
	must(t, err)
	return text
}
