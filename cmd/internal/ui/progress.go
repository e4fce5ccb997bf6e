package ui

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/envseal/envseal/cmd/internal/exit"
)

// Mode says when progress is shown on stderr.
type Mode string

const (
	Auto   Mode = "auto"   // a bar if stderr is a terminal
	Always Mode = "always" // a bar, whatever stderr is
	Never  Mode = "never"
	Lines  Mode = "json" // lines for programs
)

const (
	progressDelay = 300 * time.Millisecond // shorter work shows no bar
	barInterval   = 100 * time.Millisecond
	jsonInterval  = 500 * time.Millisecond
)

// ParseMode reads the value of --progress; nothing is auto.
func ParseMode(s string) (Mode, error) {
	switch mode := Mode(s); mode {
	case "":
		return Auto, nil
	case Auto, Always, Never, Lines:
		return mode, nil
	}
	return "", exit.Errorf(exit.Usage, "auto, always, never or json",
		"--progress %s: no such mode", Shown(s))
}

// Progress counts the bytes of one piece of work, which may consist of many files, and shows them.
// Its methods may be called by several goroutines, but for Finish, and, but for those that count
// files, on nil.
//
// Even one that shows nothing by itself answers SIGUSR1.
type Progress struct {
	done  atomic.Int64 // bytes
	total atomic.Int64 // bytes, -1 if unknown
	name  atomic.Pointer[string]
	files *fileCount // of a run over many files; nil for one
	since atomic.Pointer[beginning]
	err   *os.File

	stop    chan struct{} // nil if nothing runs
	stopped sync.WaitGroup
	json    bool

	mu    sync.Mutex                           // guards the terminal's line
	bar   func(s snapshot, columns int) string // at most columns-1 wide
	drawn bool
}

// beginning is what the rate is counted from.
type beginning struct {
	at   time.Time
	done int64 // bytes
}

// NewProgress starts to show the progress of work on name, of total bytes or -1. quiet silences the
// bar that nobody asked for, not the modes always and json. The caller ends it with Finish.
func NewProgress(mode Mode, name string, total int64, quiet bool) *Progress {
	return start(os.Stderr, mode, name, total, quiet, nil)
}

// start shows progress in the way of mode, until Finish. files is nil for one file.
func start(stderr *os.File, mode Mode, name string, total int64, quiet bool,
	files *fileCount) *Progress {
	p := &Progress{err: stderr, json: mode == Lines, files: files}
	p.name.Store(&name)
	p.total.Store(total)
	p.restart()
	screen.add(p)
	if p.json {
		p.every(jsonInterval, func() { p.printJSON("progress", nil) })
	} else if mode == Always || mode == Auto && !quiet && IsTerminal(p.err) {
		p.every(barInterval, p.draw)
	}
	return p
}

// Shows tells whether p is seen without being asked for.
func (p *Progress) Shows() bool { return p != nil && p.stop != nil }

// restart has the rate, the time left and the delay before the bar counted from now on.
func (p *Progress) restart() {
	p.since.Store(&beginning{time.Now(), p.done.Load()})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar = treeLine; p.files == nil {
		p.bar = newBarLine(p.total.Load(), Columns(p.err)).render // whose clock begins now
	}
}

// every runs show at the interval, after the delay, until Finish.
func (p *Progress) every(interval time.Duration, show func()) {
	p.stop = make(chan struct{})
	p.stopped.Go(func() {
		for wait := progressDelay; ; wait = interval {
			select {
			case <-p.stop:
				return
			case <-time.After(wait):
				show()
			}
		}
	})
}

// Add counts n more bytes. It takes no lock.
func (p *Progress) Add(n int64) {
	if p != nil {
		p.done.Add(n)
	}
}

// Reader counts what is read from r.
func (p *Progress) Reader(r io.Reader) io.Reader {
	if p == nil {
		return r
	}
	return &countingReader{r, p}
}

type countingReader struct {
	io.Reader
	progress *Progress
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.progress.Add(int64(n))
	return n, err
}

// Expect sets the total, and what is done back to nothing.
func (p *Progress) Expect(total int64) {
	if p != nil {
		p.done.Store(0)
		p.total.Store(total)
	}
}

// Rename shows another name from now on, as a tree goes from file to file.
func (p *Progress) Rename(name string) {
	if p != nil {
		p.name.Store(&name)
	}
}

// Grow adds n bytes to a total that is known.
func (p *Progress) Grow(n int64) {
	if p != nil {
		p.total.Add(n)
	}
}

// Finish ends the display: a bar is wiped off, and in JSON a last line says "done", or "failed" and
// the reason. It may be called more than once; the first call counts.
func (p *Progress) Finish(err error) {
	if p == nil || !screen.drop(p) || p.stop == nil {
		return
	}
	close(p.stop)
	p.stopped.Wait()
	p.hide()
	if event := "done"; p.json {
		if err != nil {
			event = "failed"
		}
		p.printJSON(event, err)
	}
}

// hide wipes the bar off its line, until it is next drawn; what is printed in between stands above
// it.
func (p *Progress) hide() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn {
		fmt.Fprint(p.err, "\r\x1b[K")
		p.drawn = false
	}
}

// screen is what this process shows on its terminal.
var screen terminalLine

// terminalLine has the bars, and knows who wants the terminal for himself just now.
type terminalLine struct {
	held atomic.Int32 // messages and questions
	mu   sync.Mutex
	bars []*Progress
}

func (l *terminalLine) add(p *Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bars = append(l.bars, p)
}

// drop is false if p had been dropped before.
func (l *terminalLine) drop(p *Progress) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := len(l.bars)
	l.bars = slices.DeleteFunc(l.bars, func(other *Progress) bool { return other == p })
	return len(l.bars) < before
}

func (l *terminalLine) all() []*Progress {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.bars)
}

// HideProgress wipes the bars, until they are next drawn.
func HideProgress() {
	for _, p := range screen.all() {
		p.hide()
	}
}

// ReportProgress prints a line for each bar.
func ReportProgress() {
	for _, p := range screen.all() {
		p.report()
	}
}

// HoldProgress wipes the bar and keeps it away until release.
func HoldProgress() (release func()) {
	screen.held.Add(1)
	HideProgress()
	return func() { screen.held.Add(-1) }
}

// holdForQuestion is HoldProgress for a question: the time until it is answered does not count.
func holdForQuestion() (release func()) {
	forget := HoldProgress()
	return func() {
		for _, p := range screen.all() {
			p.restart()
		}
		forget()
	}
}

// draw puts the bar on its line, in one write. In the background it leaves the terminal to whoever
// has it.
func (p *Progress) draw() {
	if InBackground(p.err) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if screen.held.Load() > 0 || time.Since(p.since.Load().at) < progressDelay {
		return
	}
	line := p.bar(p.snapshot(), Columns(p.err))
	fmt.Fprintf(p.err, "\r%s\x1b[K", line)
	p.drawn = true
}

// report prints a line that stays, for SIGUSR1.
func (p *Progress) report() {
	s := p.snapshot()
	defer HoldProgress()()
	fmt.Fprintf(p.err, "envseal: %s: %s\n", Shown(s.name), s)
}

// printJSON prints one line: the bytes of the input so far, the total or null, bytes a second, and
// seconds left or null.
func (p *Progress) printJSON(event string, err error) {
	s := p.snapshot()
	line := struct {
		Event string   `json:"event"`
		Name  string   `json:"name"`
		Bytes int64    `json:"bytes"`
		Total *int64   `json:"total"`
		Rate  int64    `json:"rate"`
		ETA   *float64 `json:"eta_seconds"`
		*filesJSON
		Error string `json:"error,omitempty"`
	}{Event: event, Name: s.name, Bytes: s.done, Rate: int64(s.rate()), filesJSON: s.files.json()}
	if s.total >= 0 {
		line.Total = &s.total
	}
	if left, ok := s.left(); ok {
		seconds := left.Round(100 * time.Millisecond).Seconds()
		line.ETA = &seconds
	}
	if err != nil {
		line.Error = err.Error()
	}
	if text, err := json.Marshal(line); err == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		_, _ = p.err.Write(append(text, '\n'))
	}
}

func (p *Progress) snapshot() snapshot {
	since := p.since.Load()
	return p.files.add(snapshot{
		name: *p.name.Load(), done: p.done.Load(), total: p.total.Load(),
		elapsed: time.Since(since.at), before: since.done,
	})
}
