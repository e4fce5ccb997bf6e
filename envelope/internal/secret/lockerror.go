package secret

import "sync/atomic"

var lockRefusal atomic.Pointer[error]

// LockError returns the first refusal of the system to lock memory in this process, or nil if
// there was none. Secrets are then still left out of core dumps and wiped, but may be swapped to
// disk. The usual reason is a small `ulimit -l`. It is meant to be asked once, after the first
// key has been held, to warn.
func LockError() error {
	if err := lockRefusal.Load(); err != nil {
		return *err
	}
	return nil
}

func noteLockError(err error) {
	if err != nil {
		lockRefusal.CompareAndSwap(nil, &err)
	}
}
