// Package secret holds keys: memory that is locked, left out of core dumps and wiped, the two
// algorithms that work on keys (HKDF-SHA-512 and AES-GCM) with all their state in such memory,
// and a way to run the few steps between them so that neither a stack, a register nor a signal
// frame keeps a piece of a key.
//
// The rules for whoever uses it:
//   - A key lives in a [Buffer] from the moment it is read until Destroy. It is never copied into
//     an ordinary slice, an array on the stack of a long-lived function, or a string.
//   - [NewHKDF], [HKDF.Expand] and [NewAESGCM] are called inside [Do].
//   - Whoever makes something destroys it. There is no finaliser: it could wipe memory under a
//     slice that outlives its Buffer.
package secret

import (
	"fmt"
	"io"
	"sync"
)

// maxSize bounds one Buffer. A KMS answer has 16 KiB; the bound only keeps sizes far from overflow.
const maxSize = 1 << 30

// Buffer is memory for a secret. Where the system can, it is locked (never swapped), left out of
// core dumps, zeroed in a forked child, and stands between guard pages; buffers of up to 1 KiB
// share their guard pages with others of their size. Printing a Buffer shows its length only.
//
// The methods may be called by several goroutines at once; what they do with the bytes is theirs
// to order.
type Buffer struct {
	mu    sync.Mutex
	view  []byte // what Bytes gives, nil once destroyed
	inner []byte // the whole slot or mapping, of which view is the head
	home  interface{ release(inner []byte) }
}

// New returns a Buffer of n zero bytes, 1 <= n <= 1 GiB. It fails if the size is out of range or
// the system has no memory. A refusal to lock is no failure: see [LockError].
func New(n int) (*Buffer, error) {
	if n < 1 || n > maxSize {
		return nil, fmt.Errorf("secret buffer of %d bytes: size out of range", n)
	}
	if s := slotsFor(n); s != nil {
		inner, err := s.get()
		if err != nil {
			return nil, err
		}
		return &Buffer{view: inner[:n:n], inner: inner, home: s}, nil
	}
	r, err := mapRegion(n)
	if err != nil {
		return nil, err
	}
	return &Buffer{view: r.inner[:n:n], inner: r.inner, home: r}, nil
}

// Bytes returns the secret itself, not a copy, or nil after Destroy. The slice must not be used
// after Destroy: small memory is handed to the next Buffer, and touching large memory then kills
// the process.
func (b *Buffer) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.view
}

// Truncate shortens the secret to its first n bytes and wipes the others. It does nothing if the
// secret is not longer than n; a negative n counts as zero.
func (b *Buffer) Truncate(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n = max(n, 0)
	if n < len(b.view) {
		Wipe(b.view[n:])
		b.view = b.view[:n:n]
	}
}

// Destroy wipes the memory and gives it back. Further calls do nothing.
func (b *Buffer) Destroy() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.inner == nil {
		return
	}
	Wipe(b.inner)
	b.home.release(b.inner)
	b.view, b.inner, b.home = nil, nil, nil
}

// beforeUnmap lets a test see memory of its own mapping in its last moment.
var beforeUnmap = func([]byte) {}

// Format writes the length of the secret, whatever the verb, so that no log line can hold a key.
func (b *Buffer) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, fmt.Sprintf("secret(%d bytes)", len(b.Bytes())))
}
