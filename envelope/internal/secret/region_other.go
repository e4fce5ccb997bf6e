//go:build !unix

package secret

// region is ordinary memory on systems without mmap: wiped, but neither locked nor hidden.
type region struct {
	inner []byte
}

func mapRegion(n int) (region, error) { return region{inner: make([]byte, n)}, nil }

func (region) release(inner []byte) { beforeUnmap(inner) }
