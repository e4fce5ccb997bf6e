package memscan

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Scan looks for the patterns in all memory of the process and returns the hits in the order of
// their addresses. It needs the right to trace the process. A page that cannot be read is an
// error: what was not searched must not count as clean.
func Scan(pid int, patterns []Pattern) ([]Hit, error) {
	s, err := newSearch(patterns)
	if err != nil {
		return nil, err
	}
	maps, err := mappings(pid)
	if err != nil {
		return nil, fmt.Errorf("memory scan: %w", err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, fmt.Errorf("memory scan: %w", err)
	}
	defer mem.Close()
	pagemap, err := os.Open(fmt.Sprintf("/proc/%d/pagemap", pid))
	if err != nil {
		return nil, fmt.Errorf("memory scan: %w", err)
	}
	defer pagemap.Close()
	return s.all(maps, mem, pagemap)
}

func (s *search) all(maps []mapping, mem, pagemap *os.File) ([]Hit, error) {
	var hits []Hit
	buf := make([]byte, blockSize+maxPattern)
	for _, m := range maps {
		if m.kernelOwned() {
			continue
		}
		found, err := s.mapping(m, mem, pagemap, buf)
		if err != nil {
			return nil, fmt.Errorf("memory scan: %w", err)
		}
		for _, f := range s.outermost(found) {
			hits = append(hits, Hit{
				Pattern: s.patterns[f.pattern].Name, Address: f.address, Offset: f.address - m.low,
				Mapping: m.String(), Locked: m.locked(),
			})
		}
	}
	return hits, nil
}

const blockSize = 1 << 20

// mapping searches one mapping, span by span; each is read with so much of what follows that a
// pattern across its end is seen, and seen once.
func (s *search) mapping(m mapping, mem, pagemap *os.File, buf []byte) ([]match, error) {
	spans, err := m.held(pagemap, blockSize)
	if err != nil {
		return nil, err
	}
	var found []match
	for _, sp := range spans {
		size := int(sp.high - sp.low)
		want := min(uint64(size+s.longest-1), m.high-sp.low)
		n, err := mem.ReadAt(buf[:want], int64(sp.low))
		if n < size {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("reading %x in %s: %w", sp.low, m, err)
		}
		found = append(found, s.in(buf[:n], size, sp.low)...)
	}
	return found, nil
}
