package memscan

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

const (
	minPattern = 4
	maxPattern = 4096
)

// search finds many patterns in one pass: each place is looked up by its first two bytes.
type search struct {
	patterns []Pattern
	begins   [1 << 16]bool
	byPrefix map[uint16][]int
	longest  int
}

func newSearch(patterns []Pattern) (*search, error) {
	if len(patterns) == 0 {
		return nil, fmt.Errorf("memory scan: no patterns")
	}
	s := &search{patterns: patterns, byPrefix: map[uint16][]int{}}
	for i, p := range patterns {
		if len(p.Bytes) < minPattern || len(p.Bytes) > maxPattern {
			return nil, fmt.Errorf("memory scan: pattern %s of %d bytes: must be %d to %d",
				p.Name, len(p.Bytes), minPattern, maxPattern)
		}
		prefix := binary.LittleEndian.Uint16(p.Bytes)
		s.begins[prefix] = true
		s.byPrefix[prefix] = append(s.byPrefix[prefix], i)
		s.longest = max(s.longest, len(p.Bytes))
	}
	return s, nil
}

// match is a pattern at an address.
type match struct {
	pattern int
	address uint64
}

// in returns the matches that begin in the first n bytes of b, which lies at address base. It
// looks at every byte of a process; the race detector would make that twenty times as slow, and b
// belongs to one goroutine.
//
//go:norace
func (s *search) in(b []byte, n int, base uint64) []match {
	var out []match
	for i := 0; i < n && i+minPattern <= len(b); i++ {
		prefix := uint16(b[i]) | uint16(b[i+1])<<8
		if !s.begins[prefix] {
			continue
		}
		for _, p := range s.byPrefix[prefix] {
			if bytes.HasPrefix(b[i:], s.patterns[p].Bytes) {
				out = append(out, match{p, base + uint64(i)})
			}
		}
	}
	return out
}

// outermost drops matches that lie within others, so that a key counts once and not also as its
// halves.
func (s *search) outermost(ms []match) []match {
	end := func(m match) uint64 { return m.address + uint64(len(s.patterns[m.pattern].Bytes)) }
	slices.SortFunc(ms, func(a, b match) int {
		return cmp.Or(cmp.Compare(a.address, b.address), cmp.Compare(end(b), end(a)))
	})
	var out []match
	var covered uint64
	for _, m := range ms {
		if end(m) > covered {
			out = append(out, m)
			covered = end(m)
		}
	}
	return out
}
