package secret

import "golang.org/x/sys/unix"

// hide keeps memory out of core dumps and out of forked children. Kernels before 3.4 and 4.14 do
// not know the advice; there is nothing else to be done on them.
func hide(b []byte) {
	_ = unix.Madvise(b, unix.MADV_DONTDUMP)
	_ = unix.Madvise(b, unix.MADV_WIPEONFORK)
}
