//go:build secrets

package memscan_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tracee is a process whose threads this thread has stopped by ptrace. All calls must come from one
// locked thread.
type tracee struct {
	pid     int
	threads map[int]unix.Signal // and the signal that each is to get when it goes on
	calling int                 // the thread that until has found
}

const traceOptions = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL

// freeze stops all threads wherever they are. Nothing is written to the memory of the process for
// that, as a signal's delivery would.
func freeze(pid int) (*tracee, error) {
	p := &tracee{pid: pid, threads: map[int]unix.Signal{}}
	stopped := map[int]bool{}
	for {
		tids, err := threadsOf(pid)
		if err != nil {
			return nil, err
		}
		for _, tid := range tids {
			if _, ok := p.threads[tid]; ok || stopped[tid] {
				continue // it is new, and has been seized with the thread that started it; or it has ended
			}
			p.threads[tid] = 0
			if err := ptrace(unix.PTRACE_SEIZE, tid, 0, traceOptions); err == unix.ESRCH {
				delete(p.threads, tid)
			} else if err != nil {
				return nil, fmt.Errorf("seizing thread %d: %w", tid, err)
			}
		}
		if more, err := p.stopAll(stopped); err != nil || !more {
			return p, err
		}
	}
}

// stopAll stops the threads that have not stopped yet, and tells whether there were any.
func (p *tracee) stopAll(stopped map[int]bool) (more bool, err error) {
	for tid := range p.threads {
		if stopped[tid] {
			continue
		}
		stopped[tid], more = true, true
		if err := p.interrupt(tid); err != nil {
			return false, err
		}
	}
	return more, nil
}

func threadsOf(pid int) (tids []int, err error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, e := range entries {
		tid, err := strconv.Atoi(e.Name())
		if err != nil {
			return nil, err
		}
		tids = append(tids, tid)
	}
	return tids, err
}

func ptrace(request, tid int, addr, data uintptr) error {
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), addr, data, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// interrupt stops one running thread.
func (p *tracee) interrupt(tid int) error {
	if err := unix.PtraceInterrupt(tid); err != nil && err != unix.ESRCH {
		return fmt.Errorf("stopping thread %d: %w", tid, err)
	}
	var status unix.WaitStatus
	if _, err := wait(tid, &status, 0); err != nil {
		return fmt.Errorf("waiting for thread %d: %w", tid, err)
	}
	p.stopped(tid, status)
	return nil
}

func wait(tid int, status *unix.WaitStatus, options int) (int, error) {
	for {
		got, err := unix.Wait4(tid, status, unix.WALL|options, nil)
		if err != unix.EINTR {
			return got, err
		}
	}
}

// stopped notes why a thread has stopped, or that it has ended.
func (p *tracee) stopped(tid int, status unix.WaitStatus) {
	switch {
	case !status.Stopped():
		delete(p.threads, tid)
	case status.StopSignal() == unix.SIGTRAP|0x80 || status>>16 != 0:
		p.threads[tid] = 0 // a system call, or an event
		if status>>16 == unix.PTRACE_EVENT_CLONE {
			if child, err := unix.PtraceGetEventMsg(tid); err == nil {
				p.threads[int(child)] = 0 // it stops by itself
			}
		}
	default:
		p.threads[tid] = status.StopSignal() // which it has not got yet
	}
}

// thaw lets the process go on by itself. The thread that waits in a system call goes last: should
// that be exit_group, it ends the others, and one that had to be let go after that would never be
// gone.
func (p *tracee) thaw() {
	for tid, sig := range p.threads {
		if tid != p.calling {
			_ = ptrace(unix.PTRACE_DETACH, tid, 0, uintptr(sig)) // fails where it has ended
		}
	}
	if sig, ok := p.threads[p.calling]; ok {
		_ = ptrace(unix.PTRACE_DETACH, p.calling, 0, uintptr(sig))
	}
	p.threads = nil
}

// until lets the process go on until one of its threads is about to make one of the system calls,
// and freezes it there. The number is that of the call, or -1 if the process has ended without one.
func (p *tracee) until(calls ...int) (int, error) {
	for tid := range p.threads {
		p.goOn(tid)
	}
	for len(p.threads) > 0 {
		var status unix.WaitStatus
		tid, err := wait(-1, &status, unix.WNOTHREAD) // of the threads that this one traces
		if err != nil {
			return 0, fmt.Errorf("waiting for process %d: %w", p.pid, err)
		}
		call := p.event(tid, status)
		if !slices.Contains(calls, call) {
			p.goOn(tid)
			continue
		}
		p.calling = tid
		stopped := map[int]bool{tid: true}
		for more := true; more && err == nil; {
			more, err = p.stopAll(stopped)
		}
		return call, err
	}
	return -1, nil
}

func (p *tracee) goOn(tid int) {
	if sig, ok := p.threads[tid]; ok {
		p.threads[tid] = 0
		_ = unix.PtraceSyscall(tid, int(sig)) // fails where it has ended
	}
}

// event handles the stop of a thread. It returns the number of the system call that the thread is
// about to make, or -1.
func (p *tracee) event(tid int, status unix.WaitStatus) int {
	p.stopped(tid, status)
	if !status.Stopped() || status.StopSignal() != unix.SIGTRAP|0x80 {
		return -1
	}
	var info struct {
		op, _, _, _ uint8
		_           uint32
		_, _        uint64
		call        uint64
		_           [8]uint64
	}
	const entry = 1
	err := ptrace(unix.PTRACE_GET_SYSCALL_INFO, tid, unsafe.Sizeof(info),
		uintptr(unsafe.Pointer(&info)))
	if err != nil || info.op != entry {
		return -1
	}
	return int(info.call)
}

// registers are all registers of all threads, the vector ones included.
func (p *tracee) registers() (all []byte, err error) {
	// NT_PRSTATUS, NT_PRFPREG, NT_X86_XSTATE
	general, floating, vectors := uintptr(1), uintptr(2), uintptr(0x202)
	sets := []uintptr{general, floating}
	if runtime.GOARCH == "amd64" {
		sets = []uintptr{general, vectors}
	}
	for tid := range p.threads {
		for _, set := range sets {
			buf := make([]byte, 16<<10)
			vec := unix.Iovec{Base: &buf[0], Len: uint64(len(buf))}
			if err := ptrace(unix.PTRACE_GETREGSET, tid, set, uintptr(unsafe.Pointer(&vec))); err != nil {
				return nil, fmt.Errorf("registers of thread %d: %w", tid, err)
			}
			all = append(all, buf[:vec.Len]...)
		}
	}
	return all, nil
}

// fault lets the process go on, but for its first thread, which finds no code where it is and
// blocks the signal of that, so that Go's runtime cannot handle it.
func (p *tracee) fault() error {
	all := ^uint64(0)
	err := ptrace(unix.PTRACE_SETSIGMASK, p.pid, unsafe.Sizeof(all), uintptr(unsafe.Pointer(&all)))
	if err != nil {
		return fmt.Errorf("blocking signals: %w", err)
	}
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(p.pid, &regs); err != nil {
		return fmt.Errorf("registers: %w", err)
	}
	regs.SetPC(1)
	if err := unix.PtraceSetRegs(p.pid, &regs); err != nil {
		return fmt.Errorf("registers: %w", err)
	}
	p.calling = p.pid
	p.thaw()
	return nil
}
