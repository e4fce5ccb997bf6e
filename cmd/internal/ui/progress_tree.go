package ui

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/schollz/progressbar/v3"
)

// fileCount is what a run over many files counts besides bytes. Its methods may be called by several goroutines.
type fileCount struct {
	done, failed atomic.Int64
	total        atomic.Int64 // files, -1 while nobody knows
	skipped      atomic.Int64 // files that are no work, but were counted in total
	skippedBytes atomic.Int64
}

// fileCounts is a fileCount at one moment.
type fileCounts struct{ done, failed, total int64 }

// perFile is what a small file costs, in bytes of a large one: for the time that is left, and for the bar.
const perFile = 64 << 10

// NewTreeProgress starts to show the progress of a run over many files. The totals come later, with SetTotals.
func NewTreeProgress(mode Mode, quiet bool) *Progress {
	return newTreeProgressOn(os.Stderr, mode, quiet)
}

func newTreeProgressOn(stderr *os.File, mode Mode, quiet bool) *Progress {
	p := &Progress{err: stderr, json: mode == Lines, files: &fileCount{}}
	p.files.total.Store(-1)
	p.fresh = func() line { return newTreeLine() }
	p.run(mode, "files", -1, quiet)
	return p
}

// SetTotals makes known how much there is to do.
func (p *Progress) SetTotals(files, bytes int64) {
	p.files.total.Store(files)
	p.total.Store(bytes)
}

// FileDone counts a file that is in its place, fail one that is not.
func (p *Progress) FileDone() { p.files.done.Add(1) }

// Fail counts a file that came to nothing.
func (p *Progress) Fail() { p.files.failed.Add(1) }

// SkipFile takes a file of so many bytes out of the totals.
func (p *Progress) SkipFile(size int64) {
	p.files.skipped.Add(1)
	p.files.skippedBytes.Add(size)
}

// add puts the counts into s. It leaves s alone on nil.
func (c *fileCount) add(s snapshot) snapshot {
	if c == nil {
		return s
	}
	s.files = &fileCounts{done: c.done.Load(), failed: c.failed.Load(), total: c.total.Load()}
	if s.files.total >= 0 && s.total >= 0 {
		s.files.total = max(s.files.total-c.skipped.Load(), s.files.done+s.files.failed)
		s.total = max(s.total-c.skippedBytes.Load(), s.done)
	}
	return s
}

// String is "12 of 100 files, ", nothing for nil.
func (c *fileCounts) String() string {
	switch {
	case c == nil:
		return ""
	case c.total < 0:
		return fmt.Sprintf("%s, ", Plural(int(c.done), "file"))
	}
	return fmt.Sprintf("%d of %s, ", c.done, Plural(int(c.total), "file"))
}

func (c *fileCounts) failures() string {
	if c == nil || c.failed == 0 {
		return ""
	}
	return fmt.Sprintf(", %d failed", c.failed)
}

// filesJSON are the fields of --progress json for many files.
type filesJSON struct {
	Files  int64  `json:"files"`
	Total  *int64 `json:"files_total"`
	Failed int64  `json:"files_failed"`
}

func (c *fileCounts) json() *filesJSON {
	if c == nil {
		return nil
	}
	j := &filesJSON{Files: c.done, Failed: c.failed}
	if c.total >= 0 {
		j.Total = &c.total
	}
	return j
}

// effort is how much is done of how much, in a measure that grows evenly with time; total is negative if unknown.
func (s snapshot) effort() (done, total float64) {
	if s.files == nil || s.total < 0 || s.files.total < 0 {
		return float64(s.done), float64(s.total)
	}
	finished := s.files.done + s.files.failed
	return float64(s.done) + perFile*float64(finished), float64(s.total) + perFile*float64(s.files.total)
}

// treeLine draws the progress of many files: a bar, files, bytes, rate, time left, name, as far as the terminal is wide.
type treeLine struct {
	bar   *progressbar.ProgressBar
	width int
}

func newTreeLine() *treeLine { return &treeLine{} }

// render is the line for s, at most columns-1 wide.
func (l *treeLine) render(s snapshot, columns int) string {
	var b strings.Builder
	wide := columns >= narrow
	known := s.files.total >= 0 && s.total >= 0
	if known {
		done, total := s.effort()
		b.WriteString(l.drawBar(done/max(total, 1), columns) + " ")
		fmt.Fprintf(&b, "%d/%d", s.files.done, s.files.total)
	} else {
		fmt.Fprint(&b, s.files.done)
	}
	if wide || !known {
		b.WriteString(" files, " + formatBytes(float64(s.done)))
		if known {
			b.WriteString("/" + formatBytes(float64(s.total)))
		}
		fmt.Fprintf(&b, ", %s/s", formatBytes(s.rate()))
	}
	if left, ok := s.left(); ok && known {
		b.WriteString(" " + formatDuration(left))
	}
	if s.files.failed > 0 {
		fmt.Fprintf(&b, " %d failed", s.files.failed)
	}
	if room := columns - 1 - len("  ") - b.Len(); wide && room >= leastName {
		b.WriteString("  " + cut(Shown(filepath.Base(s.name)), min(room, nameColumns)))
	}
	return cut(b.String(), columns-1)
}

// leastName is the room from which the beginning of a name tells something.
const leastName = 8

// barSteps is the bar's own measure.
const barSteps = 1_000_000

// drawBar is "45% [==>  ]".
func (l *treeLine) drawBar(fraction float64, columns int) string {
	width := min(max(columns-34, 4), 16)
	if columns >= narrow {
		width = min(max(columns-80, 6), 30)
	}
	if l.bar == nil || l.width != width {
		l.width = width
		l.bar = progressbar.NewOptions64(barSteps,
			progressbar.OptionSetWriter(io.Discard),
			progressbar.OptionSetWidth(width),
			progressbar.OptionSetTheme(progressbar.Theme{Saucer: "=", SaucerHead: ">", SaucerPadding: " ", BarStart: "[", BarEnd: "]"}),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionSetElapsedTime(false),
			progressbar.OptionSetSpinnerChangeInterval(0), // no goroutine of its own
		)
		l.bar.StartWithoutRender()
	}
	_ = l.bar.Set64(min(max(int64(fraction*barSteps), 0), barSteps-1)) // never its maximum, at which the bar would go
	if line := strings.TrimSpace(strings.TrimPrefix(l.bar.String(), "\r")); line != "" {
		return line
	}
	return "0% [" + strings.Repeat(" ", width) + "]" // the library draws nothing before the first percent
}
