package secret

import (
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"io"
	"unsafe"
)

// maxExpand is the most that one Expand can make: 255 blocks (RFC 5869, section 2.3).
const maxExpand = 255 * sha512.Size

var errDestroyed = errors.New("hkdf: used after it was destroyed")

// HKDF is HKDF-SHA-512 (RFC 5869) after its Extract step. The pseudorandom key, the HMAC pads and
// the hash state lie in locked memory; crypto/hkdf leaves all of them on the heap. What the hash
// function puts on the stack is wiped by [Do], inside which NewHKDF and Expand are to be called.
//
// Not for use by several goroutines at once.
type HKDF struct {
	hash    hash.Hash // in hashMem, or on the heap if its type is not flat
	hashMem *Buffer
	state   *hkdfState // in stateMem; nil once destroyed
	mem     *Buffer
}

// hkdfState is laid over locked memory.
type hkdfState struct {
	prk     [sha512.Size]byte
	block   [sha512.Size]byte // T(i)
	sum     [sha512.Size]byte // the inner hash, then the MAC
	pad     [sha512.BlockSize]byte
	counter [1]byte
}

// NewHKDF extracts a pseudorandom key from the input keying material ikm with salt, which may be
// nil. It keeps neither. It fails only if there is no memory.
func NewHKDF(salt, ikm []byte) (*HKDF, error) {
	h, err := newHKDF()
	if err != nil {
		return nil, err
	}
	h.startMAC(salt)
	h.hash.Write(ikm)
	h.finishMAC(&h.state.prk)
	return h, nil
}

func newHKDF() (*HKDF, error) {
	mem, err := New(int(unsafe.Sizeof(hkdfState{})))
	if err != nil {
		return nil, err
	}
	digest, digestMem, err := relocate(sha512.New())
	if err != nil {
		mem.Destroy()
		return nil, err
	}
	state := (*hkdfState)(unsafe.Pointer(unsafe.SliceData(mem.Bytes())))
	return &HKDF{hash: digest, hashMem: digestMem, state: state, mem: mem}, nil
}

// Expand fills dst, of at most 16 320 bytes, with output for the concatenation of the info parts.
// It may be called any number of times; dst should be locked memory and must not overlap info.
func (h *HKDF) Expand(dst []byte, info ...[]byte) error {
	if h.state == nil {
		return errDestroyed
	}
	if len(dst) > maxExpand {
		return fmt.Errorf("hkdf: output of %d bytes: the most is %d", len(dst), maxExpand)
	}
	s := h.state
	defer Wipe(s.block[:])
	for i := 1; len(dst) > 0; i++ {
		h.startMAC(s.prk[:])
		if i > 1 {
			h.hash.Write(s.block[:])
		}
		for _, part := range info {
			h.hash.Write(part)
		}
		s.counter[0] = byte(i)
		h.hash.Write(s.counter[:])
		h.finishMAC(&s.block)
		dst = dst[copy(dst, s.block[:]):]
	}
	return nil
}

// startMAC begins HMAC-SHA-512 (RFC 2104) under key. The outer pad is made from the inner one when
// the MAC ends, so one block of memory serves both. A key of more than a block is hashed first.
func (h *HKDF) startMAC(key []byte) {
	pad := &h.state.pad
	clear(pad[:])
	if len(key) > len(pad) {
		h.hash.Reset()
		h.hash.Write(key)
		h.hash.Sum(pad[:0])
	} else {
		copy(pad[:], key)
	}
	h.writePad(0x36)
}

// finishMAC ends the MAC that startMAC began.
func (h *HKDF) finishMAC(out *[sha512.Size]byte) {
	s := h.state
	h.hash.Sum(s.sum[:0])
	h.writePad(0x36 ^ 0x5c)
	h.hash.Write(s.sum[:])
	h.hash.Sum(s.sum[:0])
	*out = s.sum
}

// writePad starts the hash anew with the pad, each byte of it changed by x.
func (h *HKDF) writePad(x byte) {
	pad := &h.state.pad
	for i := range pad {
		pad[i] ^= x
	}
	h.hash.Reset()
	h.hash.Write(pad[:])
}

// Destroy wipes all state. Further calls do nothing; Expand then fails.
func (h *HKDF) Destroy() {
	if h.state == nil {
		return
	}
	h.state = nil
	h.mem.Destroy()
	if h.hashMem != nil {
		h.hashMem.Destroy()
		return
	}
	// A hash that could not be moved: push the last block out of its buffer, if its methods can.
	var zero [sha512.BlockSize]byte
	h.hash.Write(zero[:])
	h.hash.Reset()
}

// Format writes the name of the type, whatever the verb.
func (h *HKDF) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "secret(HKDF-SHA-512)") }
