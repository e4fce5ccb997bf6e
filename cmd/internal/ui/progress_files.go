package ui

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// fileCount is what a run over many files counts besides bytes. Its methods may be called by
// several goroutines.
type fileCount struct {
	done, failed atomic.Int64
	total        atomic.Int64 // files, -1 while nobody knows
	skipped      atomic.Int64 // files that are no work, but were counted in total
	skippedBytes atomic.Int64
}

// fileCounts is a fileCount at one moment.
type fileCounts struct{ done, failed, total int64 }

// perFile is what a small file costs, in bytes of a large one: for the time that is left, and for
// the bar.
const perFile = 64 << 10

// NewTreeProgress starts to show the progress of a run over many files, of which nobody knows yet
// how many: SetTotals says so later.
func NewTreeProgress(mode Mode, quiet bool) *Progress {
	return start(os.Stderr, mode, "files", -1, quiet, newFileCount())
}

func newFileCount() *fileCount {
	c := &fileCount{}
	c.total.Store(-1)
	return c
}

// SetTotals makes known how much there is to do.
func (p *Progress) SetTotals(files, bytes int64) {
	p.files.total.Store(files)
	p.total.Store(bytes)
}

// FileDone counts a file that is in its place.
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

// effort is how much is done of how much, in a measure that grows evenly with time; total is
// negative if unknown.
func (s snapshot) effort() (done, total float64) {
	if s.files == nil || s.total < 0 || s.files.total < 0 {
		return float64(s.done), float64(s.total)
	}
	finished := s.files.done + s.files.failed
	return float64(s.done) + perFile*float64(finished),
		float64(s.total) + perFile*float64(s.files.total)
}

// treeLine draws the progress of many files: a bar, files, bytes, rate, time left, name, as far as
// the terminal is wide.
func treeLine(s snapshot, columns int) string {
	var b strings.Builder
	wide := columns >= narrow
	known := s.files.total >= 0 && s.total >= 0
	if known {
		done, total := s.effort()
		b.WriteString(percentBar(done/max(total, 1), columns) + " ")
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

// percentBar is "45% [==>  ]". It never says 100, since what has no bar any more has ended.
func percentBar(fraction float64, columns int) string {
	width := min(max(columns-34, 4), 16)
	if columns >= narrow {
		width = min(max(columns-80, 6), 30)
	}
	percent := min(max(int(fraction*100), 0), 99)
	bar := ""
	if done := percent * width / 100; done > 0 {
		bar = strings.Repeat("=", done-1) + ">"
	}
	return fmt.Sprintf("%d%% [%-*s]", percent, width, bar)
}
