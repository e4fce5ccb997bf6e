//go:build !unix

package stream

func newMemory(n int) ([]byte, error) { return make([]byte, n), nil }

func freeMemory([]byte) {}
