package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func init() { children["bind"] = childBind }

// childBind gives its input a second name by a bind mount in a mount namespace of its own.
func childBind(args []string) error {
	in, err := openInput(args[0])
	if err != nil {
		return err
	}
	if err := unix.Mount(filepath.Dir(args[0]), args[1], "", unix.MS_BIND, ""); err != nil {
		return err
	}
	_, err = createOutput(filepath.Join(args[1], "in"), outputOptions{force: true, inputs: []*input{in}})
	return err
}

func TestOutputIsInputByBindMount(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
	dir := t.TempDir()
	child, stderr := startChild(t, "bind", writeFile(t, filepath.Join(dir, "in"), "precious"), t.TempDir())
	child.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if status := exitStatus(t, child.Run()); status != exitOutput || !strings.Contains(stderr.String(), "is the input as well") {
		t.Errorf("status %d, %s", status, stderr)
	}
	wantFiles(t, dir, map[string]string{"in": "precious"})
}
