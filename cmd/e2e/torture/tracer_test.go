//go:build torture && linux && amd64

package torture

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The tracer runs a program and decides about each of its system calls. It is what
// `strace -e inject` is, but for three things that "fail the Nth call, for every N" needs: it
// counts the calls of all threads together, where strace counts for each thread by itself; it looks
// at the file that a descriptor stands for, also where that has no name; and a short read or write
// is one that the kernel has really made.

// verdict says what becomes of a call. The zero value lets it happen.
type verdict struct {
	errno syscall.Errno  // it fails with this, and nothing happens
	short bool           // half of the bytes at the most
	kill  bool           // the process is killed before it
	send  syscall.Signal // the process gets this before it
}

// traceLimit is how long a traced program may take: none of ours waits for anybody.
const traceLimit = 60 * time.Second

// tracers are threads that trace. Only the thread that started a traced process may talk to it, and
// it must have no other children: so these come before everything else, and do nothing else.
var tracers = make(chan func())

func startTracers(n int) {
	for range n {
		go func() {
			runtime.LockOSThread()
			for work := range tracers {
				work()
			}
		}()
	}
}

// trace runs c to its end, which must have only files, or nothing, for standard input, output and
// error. judge is asked at the entry of each call, by one goroutine, while the thread that makes it
// stands still.
func trace(c *exec.Cmd, judge func(*call) verdict) (status unix.WaitStatus, err error) {
	done := make(chan struct{})
	tracers <- func() {
		defer close(done)
		status, err = traceHere(c, judge)
	}
	<-done
	return status, err
}

func traceHere(c *exec.Cmd, judge func(*call) verdict) (unix.WaitStatus, error) {
	c.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := c.Start(); err != nil {
		return 0, err
	}
	t := &tracer{pid: c.Process.Pid, judge: judge, pending: map[int]pending{},
		known: map[int]bool{}, dir: c.Dir}
	defer c.Process.Release()
	limit := time.AfterFunc(traceLimit, func() { _ = syscall.Kill(t.pid, syscall.SIGKILL) })
	defer limit.Stop()
	status, err := t.run()
	if err != nil {
		_ = syscall.Kill(t.pid, syscall.SIGKILL)
		return 0, fmt.Errorf("trace %v: %w", c.Args, err)
	}
	return status, nil
}

// tracer is one run.
type tracer struct {
	pid     int
	dir     string // working directory of the program
	judge   func(*call) verdict
	pending map[int]pending // what to do at the exit of the call that a thread is in
	known   map[int]bool    // its threads
}

// pending is a call that was changed: its registers as they were, and the result it is to have.
type pending struct {
	regs  unix.PtraceRegs
	errno syscall.Errno // 0 for the kernel's own result
}

const (
	sysStop  = unix.SIGTRAP | 0x80 // with PTRACE_O_TRACESYSGOOD
	waitMine = unix.WALL | unix.WNOTHREAD
)

func (t *tracer) run() (unix.WaitStatus, error) {
	var status unix.WaitStatus
	if _, err := waitFor(t.pid, &status); err != nil {
		return 0, err
	}
	if !status.Stopped() {
		return 0, fmt.Errorf("did not start: %v", status)
	}
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(t.pid, options); err != nil {
		return 0, err
	}
	t.known[t.pid] = true
	if err := unix.PtraceSyscall(t.pid, 0); err != nil {
		return 0, err
	}
	for {
		tid, err := waitFor(-1, &status)
		if err != nil {
			return 0, err
		}
		if status.Exited() || status.Signaled() {
			if tid == t.pid {
				return status, nil
			}
			continue
		}
		pass, err := t.atStop(tid, status)
		if err == nil {
			err = unix.PtraceSyscall(tid, pass)
		}
		if err != nil && !errors.Is(err, unix.ESRCH) { // which says that it was killed meanwhile
			return 0, err
		}
	}
}

// atStop is for a thread that stands still. It gives the signal that the thread is to get, 0 for
// none.
func (t *tracer) atStop(tid int, status unix.WaitStatus) (pass int, err error) {
	isNew := !t.known[tid]
	t.known[tid] = true
	switch sig := status.StopSignal(); {
	case sig == sysStop:
		return 0, t.atCall(tid)
	case status.TrapCause() > 0: // there is a new thread, which shows up by itself
	case sig == unix.SIGSTOP && isNew: // there it is
	default:
		return int(sig), nil
	}
	return 0, nil
}

func waitFor(pid int, status *unix.WaitStatus) (int, error) {
	for {
		got, err := unix.Wait4(pid, status, waitMine, nil)
		if !errors.Is(err, unix.EINTR) {
			return got, err
		}
	}
}

// atCall is at the entry or the exit of a call.
func (t *tracer) atCall(tid int) error {
	if p, ok := t.pending[tid]; ok {
		delete(t.pending, tid)
		return restore(tid, p)
	}
	c, entry, err := readCall(tid)
	if err != nil || !entry {
		return err
	}
	c.pid, c.cwd = t.pid, t.dir
	v := t.judge(c)
	switch {
	case v.kill:
		return syscall.Kill(t.pid, syscall.SIGKILL)
	case v.send != 0:
		return syscall.Kill(t.pid, v.send)
	case v.errno != 0 || v.short:
		return t.change(tid, c, v)
	}
	return nil
}

// change has the kernel do less than it was asked to, or nothing.
func (t *tracer) change(tid int, c *call, v verdict) error {
	p := pending{errno: v.errno}
	if err := unix.PtraceGetRegs(tid, &p.regs); err != nil {
		return err
	}
	now := p.regs
	if v.errno != 0 {
		skipCall(&now)
	} else if !shorten(&now, c) {
		return nil
	}
	t.pending[tid] = p
	return unix.PtraceSetRegs(tid, &now)
}

// restore gives the program the result, and its own arguments again.
func restore(tid int, p pending) error {
	var now unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &now); err != nil {
		return err
	}
	result := resultOf(&now)
	if p.errno != 0 {
		result = -int64(p.errno)
	}
	setResult(&p.regs, result)
	keepPlace(&p.regs, &now)
	return unix.PtraceSetRegs(tid, &p.regs)
}

// openFD gives the path of a process's descriptor. A file without a name has that of its directory
// and a number.
func openFD(pid int, fd uint64) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, int32(fd)))
	if err != nil {
		return ""
	}
	return path
}
