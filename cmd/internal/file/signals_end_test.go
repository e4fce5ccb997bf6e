package file

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/internal/testkit"
)

// TestInterruptEndsLoop: a shell takes Ctrl-C for itself, too, if its child has died of it.
// Otherwise it goes on with its script, such as the next file of a loop.
func TestInterruptEndsLoop(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "out")
	child, stderr := testkit.StartChild(t, "write", "read", target)
	child.Args = append([]string{"bash", "-c", `"$0" "$@"; echo "went on" >&2; exit 3`}, child.Args...)
	child.Path = bash
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as a terminal does for the job in front
	testkit.StartAt(t, child, "read")
	if err := syscall.Kill(-child.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if status := testkit.ExitStatus(t, child.Wait()); status != 130 {
		t.Errorf("status %d", status)
	}
	said := stderr.String()
	if strings.Contains(said, "went on") ||
		!strings.Contains(said, "interrupted, "+target+" was not written") {
		t.Errorf("said %q", said)
	}
	testkit.WantFiles(t, filepath.Dir(target), map[string]string{})
}

// Clean-up that hangs does not hold back a second signal, and is given up after a while without
// one.
func TestSignalsStuck(t *testing.T) {
	for _, twice := range []bool{true, false} {
		child, _ := testkit.StartChild(t, "write", "stuck", filepath.Join(t.TempDir(), "out"))
		testkit.StartAt(t, child, "stuck")
		began := time.Now()
		child.Process.Signal(syscall.SIGINT)
		if twice {
			time.Sleep(100 * time.Millisecond)
			child.Process.Signal(syscall.SIGINT)
		}
		if status := testkit.ExitStatus(t, child.Wait()); status != 130 {
			t.Errorf("status %d", status)
		}
		if took := time.Since(began); twice && took > time.Second || took > 4*time.Second {
			t.Errorf("twice %v: took %v", twice, took)
		}
	}
}
