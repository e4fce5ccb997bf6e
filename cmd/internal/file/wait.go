package file

import (
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrInterrupted is what a Read says that was given up. Nobody should see it: there was another
// failure before.
var ErrInterrupted = errors.New("reading was given up")

// wait stands before each read of a pipe, socket or device, which may block for as long as somebody
// else likes. When the other end of the work has failed, nobody wants to wait for that: interrupt
// ends it.
//
// It works by poll(2), and not by the deadlines of os.File: those need O_NONBLOCK, which on
// standard input would be changed for other processes too.
type wait struct {
	cancelled *os.File // read end of a pipe whose write end is open until interrupt
	once      sync.Once
	cancel    *os.File
}

func newWait() (*wait, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &wait{cancelled: r, cancel: w}, nil
}

// forInput returns when fd can be read without waiting, or has ended or failed, which the read
// tells.
func (w *wait) forInput(fd int) error {
	fds := []unix.PollFd{
		{Fd: int32(fd), Events: unix.POLLIN},
		{Fd: int32(w.cancelled.Fd()), Events: unix.POLLIN},
	}
	err := Retry(func() error { _, err := unix.Poll(fds, -1); return err })
	if err == nil && fds[1].Revents != 0 {
		return ErrInterrupted
	}
	return err
}

func (w *wait) interrupt() { w.once.Do(func() { w.cancel.Close() }) }

// close ends the use; no forInput may be running.
func (w *wait) close() {
	w.interrupt()
	w.cancelled.Close()
}

// GivesUp is src, which reads in behind any number of other readers, with the method Interrupt that
// package envelope looks for, where reading can block.
func (in *Input) GivesUp(src io.Reader) io.Reader {
	if in.wait == nil {
		return src
	}
	return struct {
		io.Reader
		interrupter
	}{src, in}
}

type interrupter interface{ Interrupt() }
