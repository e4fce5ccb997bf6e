//go:build freebsd || dragonfly

package secret

import "golang.org/x/sys/unix"

// hide keeps memory out of core dumps.
func hide(b []byte) { _ = unix.Madvise(b, unix.MADV_NOCORE) }
