package secret

import "crypto/subtle"

// Wipe zeroes b. It is not inlined, so that the compiler cannot see that nobody reads b again.
//
//go:noinline
func Wipe(b []byte) { clear(b) }

// Equal reports whether a and b are the same bytes, in a time that depends on their lengths only.
func Equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
