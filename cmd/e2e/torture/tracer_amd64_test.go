//go:build torture && linux && amd64

package torture

import "golang.org/x/sys/unix"

// skipCall makes the kernel do nothing: no call has this number.
func skipCall(r *unix.PtraceRegs) { r.Orig_rax = ^uint64(0) }

func resultOf(r *unix.PtraceRegs) int64 { return int64(r.Rax) }

func setResult(r *unix.PtraceRegs, result int64) { r.Rax = uint64(result) }

// keepPlace leaves what the kernel itself changes in a call as it is now.
func keepPlace(r, now *unix.PtraceRegs) {
	r.Rip, r.Rcx, r.R11, r.Orig_rax = now.Rip, now.Rcx, now.R11, now.Orig_rax
}

// shorten halves the number of bytes that a call is about. It is false where there is nothing to
// halve.
func shorten(r *unix.PtraceRegs, c *call) bool {
	counts := []*uint64{&r.Rdi, &r.Rsi, &r.Rdx, &r.R10, &r.R8, &r.R9}
	if c.kind.count < 0 {
		return false
	}
	n := counts[c.kind.count]
	if *n < 2 {
		return false
	}
	*n /= 2
	return true
}
