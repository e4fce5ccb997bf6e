//go:build !linux

package cmd

import "errors"

// canSyncWhole is false: there is no call that waits for a whole file system.
func canSyncWhole(int) bool { return false }

func syncWhole(int) error { return errors.ErrUnsupported }
