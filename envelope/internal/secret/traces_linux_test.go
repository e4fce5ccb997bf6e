package secret

import (
	"crypto/rand"
	"encoding/binary"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/envseal/envseal/envelope/keymem/memscan"
	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"
)

// Each way in which a step leaves a trace of its key, with the protection and without it. The
// second is the proof that the first can fail.

func plainly(f func()) { f() }

// blockedOnly is Quiet without the clearing of registers.
func blockedOnly(f func()) {
	runtime.LockOSThread() // for good: the signal frame is to stay as it is
	mask := blockSignals()
	defer mask.restore()
	f()
}

// useOnce reads a key, runs use under a protection, destroys the key and waits for the scan.
func useOnce(protect func(func()), use func(key *Buffer)) error {
	key, err := keyFromStdin()
	if err != nil {
		return err
	}
	protect(func() { use(key) })
	key.Destroy()
	return stage("used")
}

// spillKey leaves the key on the stack, 20 KiB down.
func spillKey(key *Buffer) { spill(key.Bytes(), 20) }

//go:noinline
func spill(key []byte, depth int) {
	var kib [1 << 10]byte
	if depth > 0 {
		spill(key, depth-1)
	} else {
		copy(kib[500:], key)
	}
	touch(kib[:])
}

// loadKey leaves the key in vector registers, by moving it, with a signal pending that comes as
// soon as signals are let through.
func loadKey(key *Buffer) {
	to, err := New(32)
	if err != nil {
		return // the unprotected run then finds nothing, and the test fails
	}
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGURG)
	copy(to.Bytes(), key.Bytes())
}

func TestStacksAndRegisters(t *testing.T) {
	for _, name := range []string{"stack", "registers"} {
		if name == "registers" && runtime.GOARCH != "amd64" {
			continue // not promised elsewhere
		}
		if hits := scanOnce(t, name); len(hits) > 0 {
			t.Errorf("%s: the key was left behind:\n%s", name, memscan.Summary(hits))
		}
		if hits := scanOnce(t, name+" unprotected"); len(hits) == 0 {
			t.Errorf("%s: nothing is left behind without protection either: the test shows nothing", name)
		}
	}
}

// scanOnce runs a useOnce child and returns the unprotected hits.
func scanOnce(t *testing.T, child string) []memscan.Hit {
	t.Helper()
	key := make([]byte, 32)
	rand.Read(key)
	h := startHeld(t, child, key)
	h.await("used")
	hits, err := memscan.Scan(h.cmd.Process.Pid, memscan.KeyPatterns("key", key))
	if err != nil {
		t.Fatal(err)
	}
	h.goOn()
	h.wait()
	return memscan.Unprotected(hits)
}

// streamUnderSignals seals without end, while all threads get signals as the scheduler sends them,
// only more often.
func streamUnderSignals(protect func(func())) error {
	key, err := keyFromStdin()
	if err != nil {
		return err
	}
	aead, err := careful{}.derive(key)
	if err != nil {
		return err
	}
	go signalThreads(100 * time.Microsecond)
	go func() {
		nonce, plain, out := make([]byte, 12), make([]byte, 64<<10), make([]byte, 0, 64<<10+16)
		for i := uint32(0); ; {
			protect(func() {
				for range 16 {
					binary.BigEndian.PutUint32(nonce[8:], i)
					out = aead.Seal(out[:0], nonce, plain, nil)
					i++
				}
			})
		}
	}()
	time.Sleep(5 * time.Millisecond)
	return stage("streaming")
}

func signalThreads(pause time.Duration) {
	runtime.LockOSThread()
	for {
		threads, _ := os.ReadDir("/proc/self/task")
		for range 100 {
			for _, thread := range threads {
				tid, _ := strconv.Atoi(thread.Name())
				_ = unix.Tgkill(os.Getpid(), tid, unix.SIGURG)
			}
			time.Sleep(pause)
		}
	}
}

func TestSignalsDuringStream(t *testing.T) {
	if !cpu.X86.HasAES && !cpu.ARM64.HasAES {
		t.Skip("the processor has no AES instructions: Seal then keeps its hash key on the stack")
	}
	if hits := sampleStream(t, "stream", 20); len(hits) > 0 {
		t.Errorf("pieces of the key were left in signal frames:\n%s", memscan.Summary(hits))
	}
	if runtime.GOARCH != "amd64" {
		return
	}
	if hits := sampleStream(t, "stream unprotected", 300); len(hits) == 0 {
		t.Error("nothing is left behind without protection either: the test shows nothing")
	}
}

// sampleStream stops a streaming child up to n times at no particular point and scans it, until
// something is found.
func sampleStream(t *testing.T, child string, n int) []memscan.Hit {
	t.Helper()
	key := make([]byte, 32)
	rand.Read(key)
	patterns := scanPatterns(t, key)
	h := startHeld(t, child, key)
	h.await("streaming")
	process := h.cmd.Process
	defer func() {
		_ = process.Kill()
		_ = h.cmd.Wait()
	}()
	for i := range n {
		time.Sleep(time.Duration(i%7+1) * 300 * time.Microsecond)
		stopAndWait(t, process)
		hits, err := memscan.Scan(process.Pid, patterns)
		if err != nil {
			t.Fatal(err)
		}
		if open := memscan.Unprotected(hits); len(open) > 0 {
			return open
		}
		if err := process.Signal(unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	return nil
}

func stopAndWait(t *testing.T, p *os.Process) {
	t.Helper()
	if err := p.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status unix.WaitStatus
	for !status.Stopped() {
		if _, err := unix.Wait4(p.Pid, &status, unix.WUNTRACED, nil); err != nil {
			t.Fatal(err)
		}
	}
}
