package awskms

import (
	"encoding/binary"
	"io"
	"net"

	"github.com/envseal/envseal/envelope/keymem"
)

// traces are the buffers of others through which an answer went: the bytes.Buffer in which
// crypto/tls decrypts in place, and bufio's. Whoever reads hands over such a buffer to be filled,
// and so it becomes known. One goroutine uses it.
type traces struct{ buffers [][]byte }

// add remembers p up to its capacity, which is all that its owner may have filled.
func (t *traces) add(p []byte) {
	p = p[:cap(p)]
	if len(p) == 0 {
		return
	}
	if n := len(t.buffers); n > 0 {
		if last := t.buffers[n-1]; &last[0] == &p[0] && len(last) == len(p) {
			return
		}
	}
	t.buffers = append(t.buffers, p)
}

// wipe zeroes them.
func (t *traces) wipe() {
	for _, b := range t.buffers {
		keymem.Wipe(b)
	}
	t.buffers = nil
}

// reader is r whose readers' buffers are remembered.
func (t *traces) reader(r io.Reader) io.Reader { return &tracedReader{r, t} }

type tracedReader struct {
	r    io.Reader
	seen *traces
}

func (r *tracedReader) Read(p []byte) (int, error) {
	r.seen.add(p)
	return r.r.Read(p)
}

// recordConn lies under TLS. It hands out the five bytes of a record's head and then the record
// (RFC 8446, section 5.1), never bytes of the next one: when crypto/tls then moves to a larger
// buffer, all it carries over and leaves behind is a head.
type recordConn struct {
	net.Conn
	seen *traces
	head [5]byte
	got  int // of head
	need int // of the record
}

func (c *recordConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return c.Conn.Read(p)
	}
	c.seen.add(p)
	if c.need > 0 {
		n, err := c.Conn.Read(p[:min(len(p), c.need)])
		c.need -= n
		return n, err
	}
	n, err := c.Conn.Read(p[:min(len(p), len(c.head)-c.got)])
	copy(c.head[c.got:], p[:n])
	c.got += n
	if c.got == len(c.head) {
		c.got, c.need = 0, int(binary.BigEndian.Uint16(c.head[3:]))
	}
	return n, err
}
