//go:build !linux

package memscan

import "errors"

// Scan works on Linux only.
func Scan(int, []Pattern) ([]Hit, error) {
	return nil, errors.ErrUnsupported
}
