//go:build unix

package stream

import "golang.org/x/sys/unix"

func newMemory(n int) ([]byte, error) {
	return unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
}

func freeMemory(b []byte) { _ = unix.Munmap(b) }
