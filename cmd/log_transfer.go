package cmd

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"time"
)

// logEntry becomes the line of --log-json of a single file.
type logEntry struct {
	log    *fileLog
	record record
	line   logLine
	start  time.Time
	in     *input
	out    *output
	sum    hash.Hash // of a sealed file that cannot be read again; nil if it can, or nobody wants it
}

// begin starts the entry of the transfer from in to out.
func (l *fileLog) begin(out sink, in *input, inName, outName string) *logEntry {
	e := &logEntry{log: l, start: time.Now(), in: in, line: logLine{Input: inName, Output: outName}}
	if l == nil {
		return e
	}
	switch o := out.(type) {
	case *output:
		e.out = o
	case *detached:
		e.out, _ = o.sink.(*output)
	}
	if l.sums && l.operation == verbEncrypt && e.out != nil && e.out.direct {
		e.sum = sha256.New()
		e.out.sum = e.sum
	}
	return e
}

// reader is in, hashed on the way where it is the sealed file and cannot be read again.
func (e *logEntry) reader(in *input) io.Reader {
	if !e.log.wantsSum() || e.log.operation == verbEncrypt || in.regular {
		return in
	}
	e.sum = sha256.New()
	return io.TeeReader(in, e.sum)
}

// measure finds sizes and the sum, while both files are open.
func (e *logEntry) measure() error {
	if e.log == nil {
		return nil
	}
	e.line.Duration = time.Since(e.start).Seconds()
	if e.in.regular {
		e.line.InputSize = &e.in.size
	}
	if e.out != nil && !e.out.direct {
		info, err := e.out.file.Stat()
		if err != nil {
			return e.out.failure(err)
		}
		size := info.Size()
		e.line.OutputSize = &size
	}
	if !e.log.sums {
		return nil
	}
	if e.sum == nil {
		e.sum = sha256.New()
		if err := e.readAgain(); err != nil {
			return err
		}
	}
	e.line.SHA256 = hex.EncodeToString(e.sum.Sum(nil))
	return nil
}

// readAgain hashes the sealed file, which lies in the kernel's memory by now.
func (e *logEntry) readAgain() error {
	if e.log.operation != verbEncrypt {
		_, err := io.Copy(e.sum, io.NewSectionReader(e.in, e.in.info.Size()-e.in.size, e.in.size))
		return err
	}
	if e.out == nil {
		return nil
	}
	if _, err := io.Copy(e.sum, io.NewSectionReader(e.out.file, 0, *e.line.OutputSize)); err != nil {
		return e.out.failure(err)
	}
	return nil
}

// done adds the line, as the output is in its place.
func (e *logEntry) done() {
	if e.log != nil {
		e.log.done(e.line, &e.record)
		e.log.flushed()
	}
}
