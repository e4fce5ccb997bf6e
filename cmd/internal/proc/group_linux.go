package proc

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// GroupAttributes give a command its process group, and end it when this process is killed, which
// leaves no time for anything else: otherwise it would take the end of its input for that of the
// data. It still may, as the kernel closes the pipe at about the same time: no pipe can tell its
// reader that the writer was killed.
func GroupAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// adoptOrphans makes this process the parent of what a command leaves behind, so that it can tell
// when that has ended, and no zombies are left where the first process of a container does not care
// for them.
func adoptOrphans() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

func isGroupGone(group int) bool {
	for {
		var status unix.WaitStatus
		switch pid, err := unix.Wait4(-group, &status, unix.WNOHANG, nil); {
		case err == unix.ECHILD: // none of ours: then all that is left, if anything, has a living parent
			return unix.Kill(-group, 0) == unix.ESRCH
		case err == nil && pid == 0:
			return false
		case err != nil && err != unix.EINTR:
			return false
		}
	}
}
