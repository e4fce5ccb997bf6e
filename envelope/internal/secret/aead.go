package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"io"
)

// AEAD is AES-GCM (NIST SP 800-38D) with a 12-byte nonce and a 16-byte tag, whose expanded key and
// GHASH table lie in locked memory. It is a [cipher.AEAD] at the speed of the standard library's,
// allocates nothing of its own, and may be used by several goroutines at once.
type AEAD struct {
	gcm cipher.AEAD // in mem, or on the heap if its type is not flat; nil once destroyed
	mem *Buffer
}

// NewAESGCM returns AES-GCM under a key of 16 or 32 bytes, which it does not keep. It is to be
// called inside [Do]: the standard library expands the key on the heap, where it is wiped at once,
// and leaves pieces of it on the stack and in registers.
//
// With GOEXPERIMENT=boringcrypto, and in no other known build, the object cannot be moved; it is
// then used where it is and left to the garbage collector.
func NewAESGCM(key []byte) (*AEAD, error) {
	if len(key) != 16 && len(key) != 32 {
		return nil, fmt.Errorf("AES-GCM: key of %d bytes: must be 16 or 32", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("AES-GCM: %w", err)
	}
	defer wipeObject(block)
	onHeap, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("AES-GCM: %w", err)
	}
	gcm, mem, err := relocate(onHeap)
	if err != nil {
		return nil, fmt.Errorf("AES-GCM: %w", err)
	}
	return &AEAD{gcm: gcm, mem: mem}, nil
}

// NonceSize returns 12.
func (a *AEAD) NonceSize() int { return a.gcm.NonceSize() }

// Overhead returns 16.
func (a *AEAD) Overhead() int { return a.gcm.Overhead() }

// Seal is as [cipher.AEAD] has it. It panics if the AEAD has been destroyed.
func (a *AEAD) Seal(dst, nonce, plaintext, additionalData []byte) []byte {
	return a.gcm.Seal(dst, nonce, plaintext, additionalData)
}

// Open is as [cipher.AEAD] has it; where authentication fails, dst holds zeros up to the length of
// the plaintext. It panics if the AEAD has been destroyed.
func (a *AEAD) Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error) {
	return a.gcm.Open(dst, nonce, ciphertext, additionalData)
}

// Destroy wipes the expanded key. It must not be called while another goroutine is in Seal or
// Open. Further calls, one after the other, do nothing.
func (a *AEAD) Destroy() {
	a.gcm = nil // a later use must not find a slot that has gone to another key
	if a.mem != nil {
		a.mem.Destroy()
	}
}

// Format writes the name of the type, whatever the verb.
func (a *AEAD) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "secret(AES-GCM)") }
