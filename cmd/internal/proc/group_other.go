//go:build !linux

package proc

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// GroupAttributes give a command its process group.
func GroupAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func adoptOrphans() {}

func isGroupGone(group int) bool { return unix.Kill(-group, 0) == unix.ESRCH }
