package testkit

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// OtherMachine makes this process find out that its file systems cannot do what the words of
// machine say: "named", they have no files without names; "unlinkable", such files get none;
// "single", no file system can be synced as a whole. The kernel refuses the calls, by a filter that
// lasts as long as the process.
func OtherMachine(machine string) error {
	var filter []unix.SockFilter
	words := strings.Fields(machine)
	if slices.Contains(words, "named") {
		// openat(_, _, flags): O_TMPFILE without O_DIRECTORY, as that is part of its value
		filter = append(filter,
			refuse(unix.SYS_OPENAT, 2, unix.O_TMPFILE&^unix.O_DIRECTORY, unix.EOPNOTSUPP)...)
	}
	if slices.Contains(words, "unlinkable") {
		filter = append(filter, refuse(unix.SYS_LINKAT, 4, unix.AT_SYMLINK_FOLLOW, unix.EPERM)...)
	}
	if slices.Contains(words, "single") {
		filter = append(filter, refuse(unix.SYS_SYNCFS, -1, 0, unix.ENOSYS)...)
	}
	if filter == nil {
		return nil
	}
	filter = append(filter,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	return checkMachine(words)
}

// refuse is a piece of a filter: the call fails if the argument has one of the bits, or always if
// argument is negative.
func refuse(call uint32, argument int, bits uint32, errno syscall.Errno) []unix.SockFilter {
	const (
		load    = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		isEqual = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		hasBits = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	)
	refused := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K,
		K: unix.SECCOMP_RET_ERRNO | uint32(errno)}
	if argument < 0 {
		return []unix.SockFilter{{Code: load, K: 0}, {Code: isEqual, Jf: 1, K: call}, refused}
	}
	return []unix.SockFilter{
		{Code: load, K: 0}, {Code: isEqual, Jf: 3, K: call},
		{Code: load, K: uint32(16 + 8*argument)}, {Code: hasBits, Jf: 1, K: bits}, refused,
	}
}

// checkMachine sees that the filter does what it is for.
func checkMachine(words []string) error {
	dir, err := os.Open("/tmp")
	if err != nil {
		return err
	}
	defer dir.Close()
	fd, err := unix.Openat(int(dir.Fd()), ".", unix.O_TMPFILE|unix.O_RDWR, 0o600)
	if err == nil {
		unix.Close(fd)
	}
	if slices.Contains(words, "named") && err == nil {
		return errors.New("a file without a name was made")
	}
	if slices.Contains(words, "single") && unix.Syncfs(int(dir.Fd())) == nil {
		return errors.New("a file system was synced as a whole")
	}
	return nil
}
