package ui

import (
	"fmt"
	"math"
	"time"
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
	return time.Duration(min(seconds, math.MaxInt64/float64(2*time.Second)) * float64(time.Second)),
		true
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
