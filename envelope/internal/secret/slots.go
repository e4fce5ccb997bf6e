package secret

import (
	"os"
	"sync"
)

// slots hands out pieces of one size from locked pages. A page of its own for every 32-byte key
// would cost five system calls, three mappings and 4 KiB of the few that RLIMIT_MEMLOCK allows;
// a slot costs a list operation. Pages are added one at a time and kept until the process ends,
// so what is held is bounded by the largest number of small buffers that lived at once.
type slots struct {
	size int // bytes; divides the page size

	mu   sync.Mutex
	free [][]byte // each of len and cap size
}

// The sizes fit what is kept: keys and HKDF's hash state, HKDF's other state, an expanded AES key
// with its GCM table (760 bytes on amd64 and arm64).
var classes = [...]*slots{{size: 64}, {size: 256}, {size: 1024}}

// slotsFor returns the class for n bytes, or nil if n needs a mapping of its own.
func slotsFor(n int) *slots {
	for _, s := range &classes {
		if n <= s.size {
			return s
		}
	}
	return nil
}

func (s *slots) get() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) == 0 {
		if err := s.grow(); err != nil {
			return nil, err
		}
	}
	last := len(s.free) - 1
	slot := s.free[last]
	s.free[last] = nil
	s.free = s.free[:last]
	clear(slot) // zero already, unless someone wrote through a slice of a destroyed Buffer
	return slot, nil
}

// release takes back a slot that has been wiped.
func (s *slots) release(slot []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, slot)
}

// grow maps one more page between guard pages and cuts it up. The lock is held.
func (s *slots) grow() error {
	r, err := mapRegion(os.Getpagesize())
	if err != nil {
		return err
	}
	for page := r.inner; len(page) >= s.size; page = page[s.size:] {
		s.free = append(s.free, page[:s.size:s.size])
	}
	return nil
}
