//go:build !unix && !windows

package keystore

import (
	"errors"
	"os"
)

// tryLock fails: without a lock two processes could lose each other's keys. Reading works.
func tryLock(f *os.File) (held bool, err error) {
	return false, &os.PathError{Op: "lock", Path: f.Name(), Err: errors.ErrUnsupported}
}
