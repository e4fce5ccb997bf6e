package awskms

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/envseal/envseal/envelope/keymem"
)

// receive reads the answer. The body of a good answer with a key in it goes into x.answer, and the
// response has none.
func receive(conn net.Conn, req *http.Request, x *exchange, seen *traces) (*http.Response, error) {
	source := &lineEnds{r: seen.reader(conn)}
	limited := &io.LimitedReader{R: source, N: maxHead + maxAnswer}
	buffered := bufio.NewReaderSize(limited, 4*readSize)
	resp, err := readHead(buffered, source, req)
	if err != nil {
		return nil, tooLong(err, limited)
	}
	defer resp.Body.Close()
	x.note(resp)
	good := resp.StatusCode/100 == 2
	if good && x.call.secret.name != "" {
		if x.answer, err = keymem.New(maxSecretAnswer); err != nil {
			return nil, &permanentError{"no memory for a key: " + err.Error()}
		}
		n, err := readBody(resp.Body, x.answer.Bytes())
		if err != nil {
			return nil, tooLong(err, limited)
		}
		x.answer.Truncate(n)
		resp.Body = http.NoBody
		return resp, nil
	}
	body := make([]byte, maxAnswer)
	n, err := readBody(resp.Body, body)
	if err != nil && (good || !errors.Is(err, errLong)) { // of a refusal the beginning is enough
		return nil, tooLong(err, limited)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body[:n]))
	return resp, nil
}

// readHead reads the status and the headers, and passes over interim answers (RFC 9110, section
// 15.2).
func readHead(r *bufio.Reader, source *lineEnds, req *http.Request) (*http.Response, error) {
	for range 5 {
		resp, err := http.ReadResponse(r, req)
		switch {
		case err == nil && resp.StatusCode/100 == 1:
			continue
		case err == nil || errors.Is(err, io.ErrUnexpectedEOF) || isNetwork(err):
		case source.failed != nil:
			err = source.failed
		default:
			err = &badAnswer{"it is not HTTP"}
		}
		return resp, err
	}
	return nil, &badAnswer{"it does not come to an end"}
}

// lineEnds is a reader that keeps its failure if that came in the middle of a line: bufio's
// ReadLine, on which net/http stands, gives out the piece as a whole line, so that what the network
// broke off looks like broken HTTP.
type lineEnds struct {
	r      io.Reader
	inLine bool
	failed error
}

func (l *lineEnds) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if n > 0 {
		l.inLine = p[n-1] != '\n'
	}
	if err != nil && l.inLine {
		if l.failed = err; err == io.EOF {
			l.failed = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

func isNetwork(err error) bool { return is[net.Error](err) }

var errLong = &badAnswer{"it is longer than any of KMS's"}

// readBody reads to the end. Where room is too small, errLong.
func readBody(r io.Reader, room []byte) (n int, err error) {
	for n < len(room) {
		m, err := r.Read(room[n:min(n+readSize, len(room))])
		n += m
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	switch m, err := r.Read(make([]byte, 1)); {
	case m > 0 || err == nil:
		return n, errLong
	case err != io.EOF:
		return n, err
	}
	return n, nil
}

// tooLong tells an answer that the limit cut from one that the network cut.
func tooLong(err error, limited *io.LimitedReader) error {
	if limited.N <= 0 {
		return errLong
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the connection was closed in the middle of the answer: %w", err)
	}
	return err
}
