//go:build !linux

package testkit

// OtherMachine does nothing: no file system here has files without names, or can be synced as a
// whole.
func OtherMachine(string) error { return nil }
