//go:build unix && !linux

package secret

func makeUndumpable() error { return nil }
