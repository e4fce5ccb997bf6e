package e2e

import "math/rand/v2"

// randomBytes are the same ones for the same n.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1, byte(n), byte(n >> 8), byte(n >> 16)})
	r.Read(b)
	return b
}
