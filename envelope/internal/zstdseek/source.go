package zstdseek

import "io"

// maxEmptyReads is how many reads without data and without error are tolerated, as in bufio.
const maxEmptyReads = 100

// source reads exact lengths through a buffer. io.ReadFull on a bufio.Reader would do, but it says
// io.ErrUnexpectedEOF both for a stream that ends early and for a reader that failed with this
// error.
type source struct {
	r    io.Reader
	buf  []byte
	have []byte // what of buf has been read and not been used
	used int    // the most of buf that ever held data
	err  error  // that came with the last data, or before
}

// full fills p.
func (s *source) full(p []byte) error {
	for {
		n := copy(p, s.have)
		p, s.have = p[n:], s.have[n:]
		if len(p) == 0 {
			return nil
		}
		direct := len(p) >= len(s.buf)
		into := s.buf
		if direct {
			into = p
		}
		n, err := s.read(into)
		switch {
		case err == io.EOF:
			return malformed("it ends before its seek table does")
		case err != nil:
			return err
		case direct:
			p = p[n:]
		default:
			s.have, s.used = s.buf[:n], max(s.used, n)
		}
	}
}

// end returns io.EOF if nothing follows.
func (s *source) end() error {
	if len(s.have) == 0 {
		if _, err := s.read(s.buf); err != nil {
			return err
		}
	}
	return malformed("something follows the seek table")
}

// read reads at least one byte, or returns an error.
func (s *source) read(p []byte) (n int, err error) {
	for range maxEmptyReads {
		if s.err != nil {
			return 0, s.err
		}
		if n, s.err = s.r.Read(p); n > 0 {
			return n, nil
		}
	}
	return 0, io.ErrNoProgress
}
