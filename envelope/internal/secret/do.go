package secret

import "runtime"

const (
	// stackRoom is what f of Do may use of the stack, and what is wiped after it. The deepest user,
	// SHA-512 without assembly under the race detector, stays well below.
	stackRoom = 48 << 10
	// stackFloor is the size of an unused frame above f's. The garbage collector halves the stack of
	// a goroutine that uses less than a quarter of it, by copying the used part and leaving the old
	// one as it is; with the floor more than a quarter of the 128 KiB is in use.
	stackFloor = 40 << 10
)

// Do runs f so that nothing of what f works with stays behind in the process but what f stores:
//
//   - on a stack that has been grown beforehand, so that it is not copied on the way, is not shrunk
//     during it, and is wiped after it: f may use 48 KiB of stack;
//   - on Linux with the signals of its thread blocked, since the kernel writes all registers to the
//     memory of the process when it delivers one (faults of f itself are still delivered);
//   - on amd64 with the vector registers cleared at the end.
//
// f must be short and only compute: no waiting, no I/O. It runs on a goroutine of its own and Do
// returns when it has ended. A panic of f is passed on with its value. If f calls runtime.Goexit,
// as a test's FailNow does, so does Do; what f had on the stack is then not wiped.
//
// Variables that f shares with its caller are moved to the heap by the compiler: f must hand keys
// over in Buffers, never in captured arrays.
func Do(f func()) {
	ended := make(chan outcome, 1)
	go func() {
		o := outcome{exited: true}
		defer func() { ended <- o }()
		growStack(false)
		o = isolate(f, false)
	}()
	switch o := <-ended; {
	case o.exited:
		runtime.Goexit()
	case o.panicked:
		panic(o.value)
	}
}

// Quiet runs f on the calling goroutine with the signals of its thread blocked (on Linux; faults
// are still delivered) and the vector registers cleared at the end (on amd64). It is for work that
// uses an expanded key and is too long for Do: a signal that interrupts AES-GCM, as the scheduler
// sends one every 10 ms, leaves a round key in the signal frame, which stays until the next signal.
//
// It costs two system calls, about half a microsecond, so f should be a batch of several hundred
// KiB. Other goroutines and the garbage collector are held up by one call of Seal or Open at most,
// not by the batch. f must only compute. Panics of f are passed on. The stack is not wiped: Seal
// and Open put no part of the key there where the processor has AES instructions.
func Quiet(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	mask := blockSignals()
	defer mask.restore()
	defer clearVectors() // before a signal can save them
	f()
}

// outcome says how f ended: as it should if neither is set.
type outcome struct {
	exited   bool
	panicked bool
	value    any // of the panic
}

// isolate calls f below the floor. Frames that follow each other from here begin at the same
// address, so wipeStack covers all that run and f have used.
//
//go:noinline
func isolate(f func(), never bool) outcome {
	if never {
		var floor [stackFloor]byte // counts for the frame, costs no time
		touch(floor[:])
	}
	var o outcome
	Quiet(func() {
		o = run(f)
		wipeStack()
	})
	return o
}

//go:noinline
func run(f func()) (o outcome) {
	o = outcome{panicked: true}
	defer func() {
		if o.panicked {
			o.value = recover() // nil only for Goexit, after which nothing returns
		}
	}()
	f()
	return outcome{}
}

// growStack makes the stack large enough for floor and room in one step.
//
//go:noinline
func growStack(never bool) {
	if never {
		var all [stackFloor + stackRoom + 2<<10]byte
		touch(all[:])
	}
}

// wipeStack zeroes the stack below the caller's frame.
//
//go:noinline
func wipeStack() {
	var room [stackRoom]byte
	touch(room[:])
}

// touch makes the compiler believe that b is used.
//
//go:noinline
func touch(b []byte) { runtime.KeepAlive(b) }
