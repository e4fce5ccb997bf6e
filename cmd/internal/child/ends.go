package child

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
)

// producer is a command whose standard output is sealed. Its end is the end of the input only if it
// succeeded: a failure comes out of file.Input.Read in the place of io.EOF, so that no last chunk
// is ever written for what it left unfinished.
type producer struct {
	line    *Line
	r       *os.File // reads what it writes
	w       *os.File // its standard output, until it is started
	once    sync.Once
	started error
	child   *child // nil until it is started
	givenUp chan struct{}
	giveUp  sync.Once
}

// Open makes the command an input. It starts with the first Read, so not before there is a data
// key: nobody dumps a database to find out that a key may not be used.
func Open(line *Line) (*file.Input, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, file.InputError(line.String(), err)
	}
	p := &producer{line: line, r: r, w: w, givenUp: make(chan struct{})}
	in, err := file.OpenSource(line.String(), r, p)
	if err != nil {
		p.Close()
		return nil, err
	}
	return in, nil
}

func (p *producer) Start() error {
	p.once.Do(func() {
		p.child, p.started = startCommand(p.line, p.line.command(os.Stdin, p.w))
		p.w.Close()
		if p.started != nil {
			p.started = startError(p.line, exit.Producer, p.started)
		}
	})
	return p.started
}

// Result is asked for at the end of the output. The command may go on without one for as long as it
// likes.
func (p *producer) Result() error {
	select {
	case <-p.child.done:
	case <-p.givenUp:
		return file.ErrInterrupted
	}
	if err := p.child.wait(); err != nil {
		return exit.Errorf(exit.Producer, "what was sealed is not whole, and cannot be opened; run the command by itself to see why it fails", "%w", err)
	}
	return nil
}

func (p *producer) Interrupt() { p.giveUp.Do(func() { close(p.givenUp) }) }

// Close ends the command if it is still running: nobody reads it any more.
func (p *producer) Close() {
	p.once.Do(func() { p.w.Close() })
	defer p.r.Close()
	if p.child == nil {
		return
	}
	select {
	case <-p.child.done:
		p.child.forget()
	default:
		p.child.stop()
	}
}

// Consumer is a command whose standard input gets the opened data; it is a sink. It sees the end of
// its input only where all of it was authentic: after a failure it is ended first, so that it
// cannot take a part for the whole.
type Consumer struct {
	line  *Line
	r, w  *os.File
	child *child // nil until the first Write, so not before something authentic is there for it
	ended bool
}

// NewConsumer makes a consumer of the command, which does not run yet.
func NewConsumer(line *Line) (*Consumer, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, exit.Errorf(exit.Consumer, "", "%s: %w", line, exit.Reason(err))
	}
	file.Widen(int(w.Fd()))
	return &Consumer{line: line, r: r, w: w}, nil
}

func (c *Consumer) start() error {
	if c.child != nil {
		return nil
	}
	child, err := startCommand(c.line, c.line.command(c.r, os.Stdout))
	if err != nil {
		return startError(c.line, exit.Consumer, err)
	}
	c.child = child
	return c.r.Close()
}

// Write implements io.Writer. A command that closes its input early has failed, whatever its exit
// code says: it did not take all of the data.
func (c *Consumer) Write(p []byte) (int, error) {
	if err := c.start(); err != nil {
		return 0, err
	}
	n, err := c.w.Write(p)
	switch {
	case err == nil:
		return n, nil
	case !errors.Is(err, syscall.EPIPE):
		return n, exit.Errorf(exit.Consumer, "", "%s: %w", c.line, exit.Reason(err))
	}
	select { // one that has ended by a failure has more to tell
	case <-c.child.done:
		if err := c.child.wait(); err != nil {
			return n, exit.Errorf(exit.Consumer, "", "%w", err)
		}
	case <-time.After(endGrace):
	}
	return n, exit.Errorf(exit.Consumer, "", "%s: the command stopped reading before the end", c.line)
}

// Commit tells the command that its input has ended and waits for it.
func (c *Consumer) Commit() error {
	if err := c.start(); err != nil { // nothing to write is data too
		return err
	}
	c.ended = true
	c.w.Close()
	if err := c.child.wait(); err != nil {
		return exit.Errorf(exit.Consumer, "all of the data was authentic and has been handed over",
			"%w", err)
	}
	return nil
}

// Abort ends the command before it sees the end of its input. After Commit it does nothing.
func (c *Consumer) Abort() {
	if c.ended {
		return
	}
	c.ended = true
	if c.child == nil {
		c.r.Close()
	} else {
		c.child.stop()
	}
	c.w.Close()
}

// Durable: nobody knows what the command does with the data.
func (c *Consumer) Durable() bool { return false }

// Released tells whether anything was handed over.
func (c *Consumer) Released() bool { return c.child != nil }
