package secret

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// vmFlags returns the VmFlags of /proc/self/smaps for the mapping that holds the address of b.
func vmFlags(b []byte) ([]string, error) {
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return nil, err
	}
	at := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
	inside := false
	for line := range strings.Lines(string(smaps)) {
		var low, high uint64
		if n, _ := fmt.Sscanf(line, "%x-%x ", &low, &high); n == 2 {
			inside = low <= at && at < high
		}
		if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok && inside {
			return strings.Fields(flags), nil
		}
	}
	return nil, fmt.Errorf("no mapping holds %x", at)
}

// In a process of its own, so that the buffers of other tests do not use up what may be locked.
func TestMemoryFlags(t *testing.T) {
	if out, err := childCommand(t, "flags").CombinedOutput(); err != nil {
		t.Errorf("child: %v: %s", err, out)
	}
}

func childFlags() error {
	for _, n := range []int{32, 256, 1024, 16 << 10} {
		b, err := New(n)
		if err != nil {
			return err
		}
		if err := LockError(); err != nil {
			return fmt.Errorf("this test needs 64 KiB that may be locked: %w", err)
		}
		flags, err := vmFlags(b.Bytes())
		if err != nil {
			return err
		}
		for _, want := range []string{"lo", "dd", "wf"} {
			if !slices.Contains(flags, want) {
				return fmt.Errorf("%d bytes: flag %s is missing in %v", n, want, flags)
			}
		}
	}
	return nil
}

func TestGuardPages(t *testing.T) {
	for _, name := range []string{"guard below", "guard above", "guard slot"} {
		out, err := childCommand(t, name).CombinedOutput()
		if err == nil || !bytes.Contains(out, []byte("SIGSEGV")) {
			t.Errorf("%s: the child did not die of SIGSEGV: %v: %s", name, err, out)
		}
	}
}

// touchGuard reads at an offset from a one-page buffer, which is to kill the process.
func touchGuard(offset int) error {
	b, err := New(os.Getpagesize())
	if err != nil {
		return err
	}
	read(unsafe.Pointer(unsafe.SliceData(b.Bytes())), offset)
	return errors.New("still alive")
}

// touchSlotGuard reads upwards from a slot; within its page there are only other slots.
func touchSlotGuard() error {
	b, err := New(32)
	if err != nil {
		return err
	}
	for at := range os.Getpagesize() + 1 {
		read(unsafe.Pointer(unsafe.SliceData(b.Bytes())), at)
	}
	return errors.New("still alive")
}

//go:noinline
func read(p unsafe.Pointer, offset int) byte { return *(*byte)(unsafe.Add(p, offset)) }

// With nothing lockable everything works, and the refusal is reported.
func TestWithoutLocks(t *testing.T) {
	c := childCommand(t, "no locks")
	unprivileged(t, c)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("child: %v: %s", err, out)
	}
	if !strings.Contains(string(out), "locking") || !strings.Contains(string(out), "bytes of memory") {
		t.Errorf("LockError was %q", out)
	}
}

func childWithoutLocks() error {
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{}); err != nil {
		return err
	}
	if err := LockError(); err != nil {
		return fmt.Errorf("before the first buffer: %w", err)
	}
	for _, n := range []int{32, 16 << 10} {
		b, err := New(n)
		if err != nil {
			return err
		}
		copy(b.Bytes(), "bytes that are kept")
		if !bytes.HasPrefix(b.Bytes(), []byte("bytes that are kept")) {
			return errors.New("bytes were lost")
		}
		b.Destroy()
	}
	a, err := NewAESGCM(make([]byte, 32))
	if err != nil {
		return err
	}
	a.Destroy()
	if err := LockError(); !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOMEM) {
		return fmt.Errorf("LockError: %w", err)
	}
	fmt.Println(LockError())
	return nil
}

func TestHarden(t *testing.T) {
	if out, err := childCommand(t, "harden").CombinedOutput(); err != nil {
		t.Errorf("child: %v: %s", err, out)
	}
}

func childHarden() error {
	if err := Harden(); err != nil {
		return err
	}
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil {
		return err
	}
	if core.Cur != 0 || core.Max != 0 {
		return fmt.Errorf("RLIMIT_CORE is %d, at most %d", core.Cur, core.Max)
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		return err
	}
	if dumpable != 0 {
		return fmt.Errorf("PR_GET_DUMPABLE is %d", dumpable)
	}
	return nil
}

// /proc/thread-self/status shows the signals that a thread has blocked.
func TestDoBlocksSignals(t *testing.T) {
	blocked := func() (mask uint64) {
		status, err := os.ReadFile("/proc/thread-self/status")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(status)) {
			if n, _ := fmt.Sscanf(line, "SigBlk: %x", &mask); n == 1 {
				return mask
			}
		}
		t.Fatal("no SigBlk in /proc/thread-self/status")
		return 0
	}
	has := func(mask uint64, s unix.Signal) bool { return mask>>(s-1)&1 == 1 }
	var during, after uint64
	Do(func() { during = blocked() })
	after = blocked()
	for _, s := range []unix.Signal{unix.SIGURG, unix.SIGPROF, unix.SIGINT,
		unix.SIGTERM, unix.SIGHUP, 64} {
		if !has(during, s) || has(after, s) {
			t.Errorf("signal %d: blocked during f %v, after it %v", s, has(during, s), has(after, s))
		}
	}
	for _, s := range faults {
		if has(during, s) {
			t.Errorf("fault signal %d is blocked", s)
		}
	}
}
