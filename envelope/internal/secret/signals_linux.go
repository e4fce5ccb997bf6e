package secret

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// faults are the signals that an instruction of the thread itself raises. Were they blocked, the
// kernel would end the process where Go makes a panic of them.
var faults = [...]unix.Signal{unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGSEGV,
	unix.SIGSYS, unix.SIGTRAP}

var allButFaults = func() (s unix.Sigset_t) {
	for i := range s.Val {
		s.Val[i] = ^s.Val[i]
	}
	const bits = 8 * unsafe.Sizeof(s.Val[0])
	for _, f := range faults {
		n := uintptr(f) - 1
		s.Val[n/bits] &^= 1 << (n % bits)
	}
	return s
}()

// signalMask is the mask that a thread had before its signals were blocked.
type signalMask struct {
	old unix.Sigset_t
	set bool
}

// blockSignals blocks the signals of this thread, to which the goroutine must be locked.
func blockSignals() (m signalMask) {
	m.set = unix.PthreadSigmask(unix.SIG_BLOCK, &allButFaults, &m.old) == nil
	return m
}

func (m *signalMask) restore() {
	if m.set {
		_ = unix.PthreadSigmask(unix.SIG_SETMASK, &m.old, nil) // fails only for a bad address
	}
}
