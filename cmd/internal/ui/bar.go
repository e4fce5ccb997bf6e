package ui

import (
	"io"
	"path/filepath"
	"strings"

	"github.com/schollz/progressbar/v3"
)

const (
	narrow       = 64 // columns under which the bar shrinks and the name goes
	nameColumns  = 24
	leastName    = 8 // columns from which the beginning of a name tells something
	defaultWidth = 80
)

// barLine draws one line of text; where it goes is the caller's business, so that it can be cut to
// the width the terminal has by then.
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
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "=", SaucerHead: ">", SaucerPadding: " ",
			BarStart: "[", BarEnd: "]"}),
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

// render is the line for s, at most columns-1 wide: some terminals wrap when the last column is
// filled.
func (b *barLine) render(s snapshot, columns int) string {
	done := s.done
	if b.total > 0 {
		if s.total != b.total && s.total > 0 {
			b.total = s.total
			b.bar.ChangeMax64(s.total)
		}
		// at its maximum the bar would go, while the end of the work may take a while yet
		done = min(done, b.total-1)
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

// cut shortens s to so many columns of a terminal. Runes from Hangul up count as two, which is
// right for East Asian text and errs on the safe side otherwise.
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
