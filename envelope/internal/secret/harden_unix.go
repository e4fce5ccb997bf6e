//go:build unix

package secret

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Harden turns core dumps off for this process and its children, for good. On Linux it also makes
// the process undumpable: no other process of the same user may read its memory or attach to it.
func Harden() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("turning core dumps off: %w", err)
	}
	if err := makeUndumpable(); err != nil {
		return fmt.Errorf("making the process undumpable: %w", err)
	}
	return nil
}
