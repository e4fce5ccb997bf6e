package cmd

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

// progressMode says when progress is shown on stderr.
type progressMode string

const (
	progressAuto   progressMode = "auto"   // a bar if stderr is a terminal
	progressAlways progressMode = "always" // a bar, whatever stderr is
	progressNever  progressMode = "never"
	progressJSON   progressMode = "json" // lines for programs
)

const (
	progressDelay = 300 * time.Millisecond // shorter work shows no bar
	barInterval   = 100 * time.Millisecond
	jsonInterval  = 500 * time.Millisecond
)

// parseProgressMode reads the value of --progress; nothing is auto.
func parseProgressMode(s string) (progressMode, error) {
	switch mode := progressMode(s); mode {
	case "":
		return progressAuto, nil
	case progressAuto, progressAlways, progressNever, progressJSON:
		return mode, nil
	}
	return "", exit.Errorf(exit.Usage, "auto, always, never or json", "--progress %s: no such mode", shown(s))
}

// progress counts the bytes of one piece of work, which may consist of many files, and shows them. Its methods may be called on
// nil, and, but for finish, by several goroutines.
//
// Even one that shows nothing by itself answers SIGUSR1.
type progress struct {
	done  atomic.Int64 // bytes
	total atomic.Int64 // bytes, -1 if unknown
	name  atomic.Pointer[string]
	files *fileCount // of a run over many files; nil for one
	since atomic.Pointer[beginning]
	err   *os.File

	stop    chan struct{} // nil if nothing runs
	stopped sync.WaitGroup
	json    bool

	mu    sync.Mutex // guards the terminal's line
	bar   line
	fresh func() line // makes bar, whose clock begins then
	drawn bool
}

// line draws how far some work has come.
type line interface {
	// render is at most columns-1 wide.
	render(s snapshot, columns int) string
}

// beginning is what the rate is counted from.
type beginning struct {
	at   time.Time
	done int64 // bytes
}

// newProgress starts to show the progress of work on name, of total bytes or -1. quiet silences the bar that nobody asked
// for, not the modes always and json. The caller ends it with finish.
func newProgress(mode progressMode, name string, total int64, quiet bool) *progress {
	return startProgress(os.Stderr, mode, name, total, quiet)
}

func startProgress(stderr *os.File, mode progressMode, name string, total int64, quiet bool) *progress {
	p := &progress{err: stderr, json: mode == progressJSON}
	p.fresh = func() line { return newBarLine(p.total.Load(), columns(stderr)) }
	p.run(mode, name, total, quiet)
	return p
}

// run shows p in the way of mode, until finish.
func (p *progress) run(mode progressMode, name string, total int64, quiet bool) {
	p.name.Store(&name)
	p.total.Store(total)
	p.restart()
	screen.add(p)
	if p.json {
		p.every(jsonInterval, func() { p.printJSON("progress", nil) })
	} else if mode == progressAlways || mode == progressAuto && !quiet && isTerminal(p.err) {
		p.every(barInterval, p.draw)
	}
}

// shows tells whether p is seen without being asked for.
func (p *progress) shows() bool { return p != nil && p.stop != nil }

// restart has the rate, the time left and the delay before the bar counted from now on.
func (p *progress) restart() {
	p.since.Store(&beginning{time.Now(), p.done.Load()})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bar = p.fresh()
}

// every runs show at the interval, after the delay, until finish.
func (p *progress) every(interval time.Duration, show func()) {
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

// add counts n more bytes. It takes no lock.
func (p *progress) add(n int64) {
	if p != nil {
		p.done.Add(n)
	}
}

// reader counts what is read from r.
func (p *progress) reader(r io.Reader) io.Reader {
	if p == nil {
		return r
	}
	return &countingReader{r, p}
}

type countingReader struct {
	io.Reader
	progress *progress
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.progress.add(int64(n))
	return n, err
}

// expect sets the total, and what is done back to nothing.
func (p *progress) expect(total int64) {
	if p != nil {
		p.done.Store(0)
		p.total.Store(total)
	}
}

// rename shows another name from now on, as a tree goes from file to file.
func (p *progress) rename(name string) {
	if p != nil {
		p.name.Store(&name)
	}
}

// grow adds n bytes to a total that is known.
func (p *progress) grow(n int64) {
	if p != nil {
		p.total.Add(n)
	}
}

// finish ends the display: a bar is wiped off, and in JSON a last line says "done", or "failed" and the reason. It may be called
// more than once; the first call counts.
func (p *progress) finish(err error) {
	if p == nil || !screen.drop(p) {
		return
	}
	if p.stop == nil {
		return
	}
	close(p.stop)
	p.stopped.Wait()
	p.hide()
	if p.json && err != nil {
		p.printJSON("failed", err)
	} else if p.json {
		p.printJSON("done", nil)
	}
}

// hide wipes the bar off its line, until it is next drawn; what is printed in between stands above it.
func (p *progress) hide() {
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
	bars []*progress
}

func (d *terminalLine) add(p *progress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bars = append(d.bars, p)
}

// drop is false if p had been dropped before.
func (d *terminalLine) drop(p *progress) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := len(d.bars)
	d.bars = slices.DeleteFunc(d.bars, func(other *progress) bool { return other == p })
	return len(d.bars) < before
}

func (d *terminalLine) all() []*progress {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.bars)
}

// hideProgress wipes the bars, until they are next drawn.
func hideProgress() {
	for _, p := range screen.all() {
		p.hide()
	}
}

// reportProgress prints a line for each bar.
func reportProgress() {
	for _, p := range screen.all() {
		p.report()
	}
}

// holdProgress wipes the bar and keeps it away until release.
func holdProgress() (release func()) {
	screen.held.Add(1)
	hideProgress()
	return func() { screen.held.Add(-1) }
}

// holdForQuestion is holdProgress for a question: the time until it is answered does not count.
func holdForQuestion() (release func()) {
	forget := holdProgress()
	return func() {
		for _, p := range screen.all() {
			p.restart()
		}
		forget()
	}
}

// draw puts the bar on its line, in one write. In the background it leaves the terminal to whoever has it.
func (p *progress) draw() {
	if inBackground(p.err) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if screen.held.Load() > 0 || time.Since(p.since.Load().at) < progressDelay {
		return
	}
	line := p.bar.render(p.snapshot(), columns(p.err))
	fmt.Fprintf(p.err, "\r%s\x1b[K", line)
	p.drawn = true
}

// report prints a line that stays, for SIGUSR1.
func (p *progress) report() {
	s := p.snapshot()
	defer holdProgress()()
	fmt.Fprintf(p.err, "envseal: %s: %s\n", shown(s.name), s)
}

// printJSON prints one line: the bytes of the input so far, the total or null, bytes a second, and seconds left or null.
func (p *progress) printJSON(event string, err error) {
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

func (p *progress) snapshot() snapshot {
	since := p.since.Load()
	s := snapshot{name: *p.name.Load(), done: p.done.Load(), total: p.total.Load(), elapsed: time.Since(since.at), before: since.done}
	return p.files.add(s)
}
