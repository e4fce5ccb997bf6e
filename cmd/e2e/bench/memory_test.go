//go:build bench

package bench

import (
	"fmt"
	"strings"
)

// memory gathers envseal's peak memory from all rows: no run is made for it.
func (b *bench) memory() {
	s := b.section(10, "Memory", "The largest peak memory (resident set) of envseal in any run, for every kind of work above. The goal is 64 MiB at the most, and no growth with the size.")
	s.text = []string{"| work | peak memory of envseal |", "|---|---:|"}
	most := 0.0
	for _, other := range b.sections {
		for _, r := range other.rows {
			if peak := r.peak(); peak > 0 {
				s.text = append(s.text, fmt.Sprintf("| %s | %s |", r.name, memoryName(peak)))
				most = max(most, peak/float64(mib))
			}
		}
	}
	r := &row{name: "memory", goals: []goal{{words: "peak of any run ≤ 64 MiB", limit: 64,
		figure: func(*row) (float64, bool) { return most, most > 0 }}}}
	for _, way := range []string{"encrypt ", "decrypt "} {
		largest, middle := max(b.plan.largest, b.plan.big), 64*mib
		large, small := b.row(way+sizeName(largest)).peak(), b.row(way+sizeName(middle)).peak()
		r.goals = append(r.goals, goal{words: fmt.Sprintf("%speak at %s ≤ 1.2 × that at %s",
			way, sizeName(largest), sizeName(middle)), limit: 1.2, figure: func(*row) (float64, bool) {
			return large / small, large > 0 && small > 0
		}})
	}
	s.rows = append(s.rows, r)
}

// peak is the most memory of any run of envseal in the row; 0 if there was none.
func (r *row) peak() float64 {
	peak := 0.0
	for name, samples := range r.samples {
		for _, x := range samples {
			if strings.HasPrefix(name, "envseal") {
				peak = max(peak, rss(x))
			}
		}
	}
	return peak
}

// row finds what was measured; an empty row if it was not.
func (b *bench) row(name string) *row {
	for _, s := range b.sections {
		for _, r := range s.rows {
			if r.name == name {
				return r
			}
		}
	}
	return &row{}
}
