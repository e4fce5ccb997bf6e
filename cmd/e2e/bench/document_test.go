//go:build bench

package bench

import (
	"fmt"
	"strings"
)

// section is a part of the document: rows that are explained together.
type section struct {
	place  int // in the document
	title  string
	intro  string
	rows   []*row
	output bool     // a column for the size of the output
	text   []string // a table that is not made from the rows
}

// section is the one with this place, made if it is not there.
func (b *bench) section(place int, title, intro string) *section {
	for _, s := range b.sections {
		if s.place == place {
			return s
		}
	}
	s := &section{place: place, title: title, intro: intro}
	b.sections = append(b.sections, s)
	return s
}

// header is the head of the section's table.
func (s *section) header() []string {
	if s.output {
		return []string{"| work | program | wall | × first | CPU | peak memory | output | goal |",
			"|---|---|---:|---:|---:|---:|---:|---|"}
	}
	return []string{"| work | program | wall | × first | CPU | peak memory | goal |",
		"|---|---|---:|---:|---:|---:|---|"}
}

// lines are those of a row in the section's table.
func (s *section) lines(r *row) []string {
	var all []string
	label := r.label
	for _, c := range r.contenders {
		if len(r.samples[c.name]) == 0 {
			continue
		}
		all = append(all, s.line(r, c, label))
		label = ""
	}
	return all
}

func (s *section) line(r *row, c contender, label string) string {
	middle, _ := r.median(c.name, wall)
	times, _ := ratio(c.name, r.contenders[0].name, wall)(r)
	used, _ := r.median(c.name, cpu)
	peak, _ := r.median(c.name, rss)
	least, most := middle, middle
	for _, x := range r.samples[c.name] {
		least, most = min(least, wall(x)), max(most, wall(x))
	}
	name := c.name
	if c.rounds != 0 && c.rounds < r.rounds {
		name = fmt.Sprintf("%s (runs: %d)", c.name, c.rounds)
	}
	cells := []string{label, name, fmt.Sprintf("%s (%s)", seconds(middle), spread(least, most)),
		digits(times), seconds(used), memoryName(peak)}
	if s.output {
		made, _ := r.median(c.name, size)
		cells = append(cells, sizeName(int64(made)))
	}
	var verdicts []string
	for _, g := range r.goals {
		if g.who == c.name {
			verdicts = append(verdicts, g.verdict(r))
		}
	}
	return "| " + strings.Join(append(cells, strings.Join(verdicts, "<br>")), " | ") + " |"
}

// seconds is 1.23 s or 45.6 ms.
func seconds(s float64) string {
	if s < 1 {
		return digits(1000*s) + " ms"
	}
	return digits(s) + " s"
}

// spread is the least and the most in the unit that the least has.
func spread(least, most float64) string {
	if least < 1 {
		return digits(1000*least) + "–" + digits(1000*most)
	}
	return digits(least) + "–" + digits(most)
}

func memoryName(n float64) string {
	return fmt.Sprintf("%.1f MiB", n/float64(mib))
}

// document is docs/benchmarks.md.
func (b *bench) document() string {
	var w strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&w, format+"\n", args...) }
	line("# Benchmarks\n")
	line("`make bench` wrote this page (BENCH=%s). Only the ratios mean something: run it on your own machine for its times.\n", b.plan.name)
	b.writeGoals(line)
	b.writeMethod(line)
	for _, s := range b.sections {
		if len(s.rows) == 0 {
			continue
		}
		line("## %s\n\n%s\n", s.title, s.intro)
		if s.text != nil {
			line("%s\n", strings.Join(s.text, "\n"))
			continue
		}
		line("%s", strings.Join(s.header(), "\n"))
		for _, r := range s.rows {
			line("%s", strings.Join(s.lines(r), "\n"))
		}
		line("")
	}
	return strings.TrimRight(w.String(), "\n") + "\n"
}

// writeGoals is the table of all goals, which are about 2 cores.
func (b *bench) writeGoals(line func(format string, args ...any)) {
	line("## Goals\n\nThey were set for a machine with 2 cores and a warm page cache.\n")
	line("| work | goal | measured | |\n|---|---|---:|---|")
	for _, s := range b.sections {
		for _, r := range s.rows {
			for _, g := range r.goals {
				figure, ok := g.figure(r)
				switch {
				case !ok:
					line("| %s | %s | | not measured |", r.name, g.title())
				case g.reached(figure):
					line("| %s | %s | %s | reached |", r.name, g.title(), digits(figure))
				default:
					line("| %s | %s | %s | **missed** |", r.name, g.title(), digits(figure))
				}
			}
		}
	}
	line("")
}

func (b *bench) writeMethod(line func(format string, args ...any)) {
	line("## The machine\n")
	for _, words := range b.machine() {
		line("* %s", words)
	}
	line("* Everything else on the machine, its writing to the disk included, used %s while a program was measured", &b.others)
	line("\n## The programs\n\n| program | what it is |\n|---|---|")
	for _, p := range b.programs {
		line("| %s | %s |", p.name, p.what)
	}
	for _, tool := range []string{"cp", "zstd"} {
		if path := b.tools[tool]; path != "" {
			line("| %s | %s |", tool, strings.Trim(b.version(path, "--version"), "* "))
		}
	}
	for i, remark := range b.remarks {
		if i == 0 {
			line("")
		}
		line("* %s", remark)
	}
	line("\n## How it was measured\n")
	line("The programs of a row take turns, %d times (files up to 1 MiB %d times, starts %d times, “runs: N” where it was less), in an order that changes from turn to turn. "+
		"“wall” is the median, with the least and the most; “× first” is the ratio of its median to that of the first program of the row. “CPU” is user and system time, “peak memory” the resident set, "+
		"both as wait4 tells them, medians.", b.plan.rounds, 3*b.plan.rounds, b.plan.starts)
	line("\nInputs are random data unless said otherwise, were read just before, and stay in the page cache. Every output is a new file, removed outside the time measured; what is left to be " +
		"written goes to the disk (`sync`) before each run. Free memory is used for a moment before each run as well, because virtual machines give it back to their host and are slow to get it " +
		"again. Before anything is timed, each program's result is opened again and compared with the plaintext, and every run must end with exit code 0.\n")
}
