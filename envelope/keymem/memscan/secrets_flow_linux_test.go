//go:build secrets

package memscan_test

import (
	"bytes"
	"io"
	"sync"
)

// tap is a source of plaintext that can be turned on and off. It is an [io.Reader] for one
// goroutine.
type tap struct {
	marker []byte // what it brings, over and over; 64 KiB

	mu     sync.Mutex
	turned sync.Cond
	flows  bool
	ends   bool
	left   int64 // once it ends
	passed int64
}

func newTap(marker []byte) *tap {
	t := &tap{marker: bytes.Repeat(marker, 64<<10/len(marker))}
	t.turned.L = &t.mu
	return t
}

// open turns it on or off.
func (t *tap) open(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flows = on
	t.turned.Broadcast()
}

// end lets n more bytes through, and then there is an end of file.
func (t *tap) end(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ends, t.left, t.flows = true, n, true
	t.turned.Broadcast()
}

func (t *tap) total() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.passed
}

func (t *tap) Read(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for !t.flows {
		t.turned.Wait()
	}
	if t.ends {
		if t.left == 0 {
			return 0, io.EOF
		}
		p = p[:min(int64(len(p)), t.left)]
	}
	n := copy(p, t.marker[t.passed%int64(len(t.marker)):])
	t.passed += int64(n)
	t.left -= int64(n)
	return n, nil
}

// drain takes what comes out of a pipe, unless it is held.
type drain struct {
	mu     sync.Mutex
	turned sync.Cond
	held   bool
	taken  int64
	ended  chan struct{}
}

func newDrain(r io.Reader) *drain {
	d := &drain{ended: make(chan struct{})}
	d.turned.L = &d.mu
	go d.run(r)
	return d
}

func (d *drain) run(r io.Reader) {
	defer close(d.ended)
	buf := make([]byte, 256<<10)
	for {
		n, err := r.Read(buf)
		d.mu.Lock()
		d.taken += int64(n)
		for d.held {
			d.turned.Wait()
		}
		d.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// hold stops it after the read that it is in, or lets it go on.
func (d *drain) hold(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = on
	d.turned.Broadcast()
}

// total is what came out, all of it.
func (d *drain) total() int64 {
	<-d.ended
	return d.taken
}
