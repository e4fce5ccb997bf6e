package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/testkit"
	"golang.org/x/sys/unix"
)

func init() { testkit.Children["bind"] = childBind }

// childBind gives its input a second name by a bind mount in a mount namespace of its own.
func childBind(args []string) error {
	in, err := Open(args[0])
	if err != nil {
		return err
	}
	if err := unix.Mount(filepath.Dir(args[0]), args[1], "", unix.MS_BIND, ""); err != nil {
		return err
	}
	_, err = Create(filepath.Join(args[1], "in"), Options{Force: true, Inputs: []Guarded{in.Guard()}})
	return err
}

func TestOutputIsInputByBindMount(t *testing.T) {
	dir := t.TempDir()
	child, stderr := testkit.StartChild(t, "bind",
		testkit.WriteFile(t, filepath.Join(dir, "in"), "precious"), t.TempDir())
	child.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 { // who may be root in a user namespace of his own
		child.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		child.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		child.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	err := child.Run()
	if os.Geteuid() != 0 && (errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOSPC) ||
		strings.Contains(stderr.String(), syscall.EPERM.Error())) {
		t.Skip("this system lets only root mount; TestOutputIsInput has links of both kinds, which are found out in the same way")
	}
	status := testkit.ExitStatus(t, err)
	if status != exit.Output || !strings.Contains(stderr.String(), "is the input as well") {
		t.Errorf("status %d, %s", status, stderr)
	}
	testkit.WantFiles(t, dir, map[string]string{"in": "precious"})
}
