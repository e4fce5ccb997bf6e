package secret

import "golang.org/x/sys/cpu"

// zeroAVX clears the vector registers 0 to 15 at their full width.
func zeroAVX()

// zeroSSE clears XMM0 to XMM15.
func zeroSSE()

// clearVectors removes round keys and hash state from the vector registers. Registers 16 to 31 of
// AVX-512 are left alone: the standard library's cryptography does not use them.
func clearVectors() {
	if cpu.X86.HasAVX {
		zeroAVX()
	} else {
		zeroSSE()
	}
}
