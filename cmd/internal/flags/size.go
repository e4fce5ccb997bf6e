package flags

import (
	"strconv"
	"strings"
)

// ParseSize reads a number of bytes with an optional unit: K, M, G, T and KiB, MiB, ... are powers
// of 1024.
func ParseSize(s string) (int64, error) {
	digits := strings.TrimRight(s, "KMGTiBkb")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, err
	}
	shift, ok := map[string]uint{"": 0, "B": 0, "K": 10, "k": 10, "KiB": 10, "M": 20, "MiB": 20,
		"G": 30, "GiB": 30, "T": 40, "TiB": 40}[s[len(digits):]]
	if !ok || n > 1<<62>>shift || n < -(1<<62>>shift) {
		return 0, strconv.ErrSyntax
	}
	return n << shift, nil
}
