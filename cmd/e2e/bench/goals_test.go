//go:build bench

package bench

import "fmt"

// goal is what a contender of a row is to reach.
type goal struct {
	who     string // in whose line of the table it stands
	words   string // “wall ≤ 1.05 × cp”
	limit   float64
	atLeast bool // otherwise at most
	figure  func(r *row) (float64, bool)
}

// title is the goal with whom it is about.
func (g goal) title() string {
	if g.who == "" {
		return g.words
	}
	return g.who + ": " + g.words
}

// verdict is the goal with what was measured, for a table.
func (g goal) verdict(r *row) string {
	figure, ok := g.figure(r)
	if !ok {
		return g.words + ": not measured"
	}
	word := "**missed**"
	if g.reached(figure) {
		word = "reached"
	}
	return fmt.Sprintf("%s: %s, %s", g.words, digits(figure), word)
}

func (g goal) reached(figure float64) bool {
	if g.atLeast {
		return figure >= g.limit
	}
	return figure <= g.limit
}

// ratio of the medians of two contenders of a row.
func ratio(who, against string, figure func(sample) float64) func(r *row) (float64, bool) {
	return func(r *row) (float64, bool) {
		a, ok1 := r.median(who, figure)
		b, ok2 := r.median(against, figure)
		return a / b, ok1 && ok2 && b > 0
	}
}

func wallAtMost(limit float64, who, against string) goal {
	return goal{who: who, words: fmt.Sprintf("wall ≤ %s × %s", digits(limit), against),
		limit: limit, figure: ratio(who, against, wall)}
}

func cpuAtMost(limit float64, who, against string) goal {
	return goal{who: who, words: fmt.Sprintf("CPU ≤ %s × %s", digits(limit), against), limit: limit,
		figure: ratio(who, against, cpu)}
}

func timesFaster(limit float64, who, against string) goal {
	return goal{who: who, words: fmt.Sprintf("≥ %s times as fast as %s", digits(limit), against),
		limit: limit, atLeast: true, figure: ratio(against, who, wall)}
}

func digits(f float64) string {
	switch {
	case f >= 100:
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.2f", f)
}
