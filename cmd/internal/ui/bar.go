// Package ui is all that is said to the user: messages, quoting, passphrases and progress.
package ui

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// snapshot is how far some work has come at one moment.
type snapshot struct {
	name        string
	done, total int64 // bytes; total is -1 if unknown
	elapsed     time.Duration
	before      int64       // bytes that were done before the time that has elapsed
	files       *fileCounts // of many files; nil for one
}

// rate is in bytes a second, on the average of the time that has elapsed.
func (s snapshot) rate() float64 {
	if s.elapsed <= 0 {
		return 0
	}
	return float64(max(s.done-s.before, 0)) / s.elapsed.Seconds()
}

// left is the time to the end, if it can be told.
func (s snapshot) left() (time.Duration, bool) {
	done, total := s.effort()
	worked := done - float64(s.before)
	if total < 0 || worked <= 0 || s.elapsed <= 0 {
		return 0, false
	}
	seconds := max(total-done, 0) / (worked / s.elapsed.Seconds())
	return time.Duration(min(seconds, math.MaxInt64/float64(2*time.Second)) * float64(time.Second)), true
}

// String is for people: "1.2 GiB of 4.0 GiB (30 %), 511 MiB/s, 6s left".
func (s snapshot) String() string {
	text := s.files.String() + formatBytes(float64(s.done))
	if s.total > 0 {
		percent := min(float64(s.done)/float64(s.total), 1) * 100
		text += fmt.Sprintf(" of %s (%.0f %%)", formatBytes(float64(s.total)), math.Floor(percent))
	}
	text += fmt.Sprintf(", %s/s", formatBytes(s.rate()))
	if left, ok := s.left(); ok {
		text += ", " + formatDuration(left) + " left"
	}
	return text + s.files.failures()
}

func formatBytes(n float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	i := 0
	for ; n >= 1023.5 && i < len(units)-1; i++ {
		n /= 1024
	}
	if i > 0 && n < 9.95 {
		return fmt.Sprintf("%.1f %s", n, units[i])
	}
	return fmt.Sprintf("%.0f %s", n, units[i])
}

// formatDuration takes seven columns at the most: 59s, 3m07s, 2h03m, 12d04h.
func formatDuration(d time.Duration) string {
	s := int64(math.Ceil(d.Seconds()))
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	case s < 1000*86400:
		return fmt.Sprintf("%dd%02dh", s/86400, s/3600%24)
	}
	return "years"
}

const (
	narrow       = 64 // columns under which the bar shrinks and the name goes
	nameColumns  = 24
	defaultWidth = 80
)

// barLine draws one line of text; where it goes is the caller's business, so that it can be cut to the width the terminal has by then.
type barLine struct {
	bar   *progressbar.ProgressBar
	total int64
	named bool
}

func newBarLine(total int64, columns int) *barLine {
	width := 4
	if columns >= narrow {
		width = min(columns-60, 40)
		if columns < narrow+nameColumns {
			width = max(columns-50, 4)
		}
	}
	b := &barLine{total: total, named: columns >= narrow+nameColumns}
	b.bar = progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(io.Discard),
		progressbar.OptionSetWidth(max(width, 4)),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "=", SaucerHead: ">", SaucerPadding: " ", BarStart: "[", BarEnd: "]"}),
		progressbar.OptionShowBytes(true),
		progressbar.OptionUseIECUnits(true),
		progressbar.OptionShowCount(),
		progressbar.OptionShowTotalBytes(columns >= narrow),
		progressbar.OptionSetPredictTime(false), // it prints nonsense for a rate of 0
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSpinnerType(9),
		progressbar.OptionSetSpinnerChangeInterval(0), // no goroutine of its own
	)
	b.bar.StartWithoutRender()
	return b
}

// render is the line for s, at most columns-1 wide: some terminals wrap when the last column is filled.
func (b *barLine) render(s snapshot, columns int) string {
	done := s.done
	if b.total > 0 {
		if s.total != b.total && s.total > 0 {
			b.total = s.total
			b.bar.ChangeMax64(s.total)
		}
		done = min(done, b.total-1) // at its maximum the bar would go, while the end of the work may take a while yet
	}
	_ = b.bar.Set64(done)
	line := strings.TrimSpace(strings.TrimPrefix(b.bar.String(), "\r"))
	if left, ok := s.left(); ok {
		line += " " + formatDuration(left)
	}
	if b.named {
		line += "  " + cut(Shown(filepath.Base(s.name)), nameColumns)
	}
	return cut(line, columns-1)
}

// cut shortens s to so many columns of a terminal. Runes from Hangul up count as two, which is right for East Asian text
// and errs on the safe side otherwise.
func cut(s string, columns int) string {
	for i, r := range s {
		if columns--; r >= 0x1100 {
			columns--
		}
		if columns < 0 {
			return s[:i]
		}
	}
	return s
}

// Columns is the width of the terminal f, or a usual one.
func Columns(f *os.File) int {
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		return width
	}
	return defaultWidth
}

// InBackground says that the terminal f belongs to another job just now.
func InBackground(f *os.File) bool {
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil && group != unix.Getpgrp()
}
