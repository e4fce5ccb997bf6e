//go:build unix

package secret

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// region is a mapping of whole pages with an inaccessible page on either side.
type region struct {
	all   []byte
	inner []byte
}

// mapRegion maps at least n zero bytes, n > 0. Memory that cannot be locked is noted, and no
// failure.
func mapRegion(n int) (region, error) {
	page := unix.Getpagesize()
	size := (n + page - 1) &^ (page - 1)
	all, err := unix.Mmap(-1, 0, size+2*page, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return region{}, fmt.Errorf("mapping %d bytes for a secret: %w", size, err)
	}
	inner := all[page : page+size : page+size]
	if err := unix.Mprotect(inner, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		_ = unix.Munmap(all)
		return region{}, fmt.Errorf("mapping %d bytes for a secret: %w", size, err)
	}
	hide(inner)
	if err := unix.Mlock(inner); err != nil {
		noteLockError(fmt.Errorf("locking %d bytes of memory: %w", size, err))
	}
	return region{all: all, inner: inner}, nil
}

// release unmaps memory that has been wiped.
func (r region) release(inner []byte) {
	beforeUnmap(inner)
	_ = unix.Munmap(r.all) // fails only for an address that was never mapped
}
