//go:build torture && linux && amd64

package torture

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// plumbing connects a traced program, which takes files only. Its pipes have names in the stage, so
// that the tracer knows them for the user's.
type plumbing struct {
	theirs, own    []*os.File
	feeding        sync.WaitGroup
	reading        sync.WaitGroup
	stdout, stderr []byte
}

func (p *plumbing) connect(c *exec.Cmd, s *stage) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	c.Stderr = w
	p.theirs, p.own = append(p.theirs, w), append(p.own, r)
	p.reading.Go(func() { p.stderr, _ = io.ReadAll(r) })
	if s.stdin != nil {
		r, w, err := namedPipe(filepath.Join(s.dir, "stdin"))
		if err != nil {
			return err
		}
		c.Stdin = r
		p.theirs, p.own = append(p.theirs, r), append(p.own, w)
		p.feeding.Go(func() {
			_, _ = w.Write(s.stdin)
			w.Close()
		})
	}
	if s.scene.stdout != nil {
		r, w, err := namedPipe(filepath.Join(s.dir, "stdout"))
		if err != nil {
			return err
		}
		c.Stdout = w
		p.theirs, p.own = append(p.theirs, w), append(p.own, r)
		p.reading.Go(func() { p.stdout, _ = io.ReadAll(r) })
	}
	return nil
}

// namedPipe makes a pipe and opens both ends. An old one of that name would still hold what nobody
// has read as long as any process that was just being started has it open.
func namedPipe(path string) (r, w *os.File, err error) {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, nil, err
	}
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return nil, nil, err
	}
	both, err := os.OpenFile(path, os.O_RDWR, 0) // so that neither open waits for the other
	if err != nil {
		return nil, nil, err
	}
	defer both.Close()
	if r, err = os.OpenFile(path, os.O_RDONLY, 0); err != nil {
		return nil, nil, err
	}
	w, err = os.OpenFile(path, os.O_WRONLY, 0)
	return r, w, err
}

// drain gives what the program, which has ended, has written.
func (p *plumbing) drain() (stdout []byte, stderr string) {
	for _, f := range p.theirs {
		f.Close()
	}
	p.theirs = nil
	p.feeding.Wait()
	p.reading.Wait()
	return p.stdout, string(p.stderr)
}

func (p *plumbing) close() {
	p.drain()
	for _, f := range p.own {
		f.Close()
	}
}
