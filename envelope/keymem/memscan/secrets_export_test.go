//go:build secrets

package memscan

// Search looks for the patterns in b, as Scan does in memory.
func Search(b []byte, patterns []Pattern) ([]Hit, error) {
	s, err := newSearch(patterns)
	if err != nil {
		return nil, err
	}
	var hits []Hit
	for _, m := range s.outermost(s.in(b, len(b), 0)) {
		hits = append(hits, Hit{Pattern: s.patterns[m.pattern].Name,
			Address: m.address, Offset: m.address})
	}
	return hits, nil
}
