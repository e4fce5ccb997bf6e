//go:build !linux

package child

import (
	"syscall"

	"golang.org/x/sys/unix"
)

func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func adoptOrphans() {}

// groupGone tells whether no process is left in the group of a command that has been waited for.
func groupGone(group int) bool { return unix.Kill(-group, 0) == unix.ESRCH }
