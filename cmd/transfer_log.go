package cmd

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/ui"
)

// logLine is a line of --log-json. Sizes are in bytes, Duration in seconds, without the wait for the
// disk.
type logLine struct {
	Time       string   `json:"Time"` // RFC 3339, of the commit
	Operation  string   `json:"Operation"`
	Input      string   `json:"Input"`
	InputBytes []byte   `json:"InputBytes,omitempty"` // the name in base64, where it is no UTF-8
	Output     string   `json:"Output,omitempty"`
	InputSize  *int64   `json:"InputSize,omitempty"`
	OutputSize *int64   `json:"OutputSize,omitempty"`
	KeyID      string   `json:"KeyId,omitempty"`
	KeyIDs     []string `json:"KeyIds,omitempty"` // where the file was sealed for several
	FileID     string   `json:"FileId,omitempty"`
	SHA256     string   `json:"Sha256,omitempty"` // of the sealed file
	Duration   float64  `json:"Duration,omitempty"`
	KMSCalls   *int     `json:"KmsCalls,omitempty"`
	Error      string   `json:"Error,omitempty"`
	ExitCode   int      `json:"ExitCode,omitempty"`
}

// fileLog writes --log-json. Its methods do nothing on nil, and are safe for concurrent use.
type fileLog struct {
	operation string
	sums      bool

	mu  sync.Mutex
	w   *os.File
	buf bytes.Buffer
	err error
}

// newFileLog opens the log that the user asked for; nil if there is none. It must be none of own,
// the files that the command needs.
func newFileLog(o flags.Many, operation string, own []file.Guarded) (*fileLog, error) {
	if o.Log == "" {
		if o.LogSums {
			return nil, exit.Errorf(exit.Usage, "name the log with --log-json FILE",
				"--log-sha256 goes with --log-json")
		}
		return nil, nil
	}
	l := &fileLog{operation: operation, sums: o.LogSums}
	number, isFD := strings.CutPrefix(o.Log, "fd:")
	var err error
	if isFD {
		n, parseErr := strconv.ParseUint(number, 10, 16)
		if parseErr != nil {
			return nil, exit.Errorf(exit.Usage, "write --log-json fd:3, and 3>FILE behind the command",
				"--log-json fd:%s: not the number of a descriptor", ui.Shown(number))
		}
		l.w, err = file.Inherited(int(n), o.Log)
	} else {
		l.w, err = file.Append(o.Log, own...)
	}
	if err != nil {
		return nil, exit.Errorf(exit.Output, "", "--log-json %s: %w", ui.Shown(o.Log), exit.Reason(err))
	}
	return l, nil
}

// guard is what no output may replace.
func (l *fileLog) guard() (all []file.Guarded) {
	if l != nil {
		if st, err := file.StatFD(int(l.w.Fd())); err == nil {
			all = append(all, file.Guarded{ID: st.ID, Role: "the file of --log-json"})
		}
	}
	return all
}

// wantsSum tells whether SHA-256 sums are asked for.
func (l *fileLog) wantsSum() bool { return l != nil && l.sums }

// done adds a line for a file that is in its place. It is written with the next flush.
func (l *fileLog) done(line logLine, r result) {
	if l == nil {
		return
	}
	ids := r.keyIDs()
	if len(ids) > 0 {
		line.KeyID = ids[0]
	}
	if len(ids) > 1 {
		line.KeyIDs = ids
	}
	if r.header != nil {
		line.FileID = hex.EncodeToString(r.header.FileID[:])
	}
	line.KMSCalls = &r.calls
	l.add(line)
}

// failed adds a line for a file that came to nothing.
func (l *fileLog) failed(input string, err error) {
	if l == nil {
		return
	}
	code, _ := exit.Explain(err)
	l.add(logLine{Input: input, Error: err.Error(), ExitCode: code})
}

func (l *fileLog) add(line logLine) {
	line.Operation = l.operation
	if !utf8.ValidString(line.Input) {
		line.InputBytes = []byte(line.Input)
	}
	line.Time = time.Now().UTC().Format(time.RFC3339Nano)
	text, err := json.Marshal(line)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.err = err
		return
	}
	l.buf.Write(append(text, '\n'))
	if l.buf.Len() > 1<<16 {
		l.flush()
	}
}

// flushed writes what was added.
func (l *fileLog) flushed() {
	if l != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.flush()
	}
}

// flush writes whole lines in one piece, so that several processes can share a log. The lock is
// held.
func (l *fileLog) flush() {
	if l.buf.Len() == 0 {
		return
	}
	if _, err := l.w.Write(l.buf.Bytes()); err != nil && l.err == nil {
		l.err = err
	}
	l.buf.Reset()
}

// close ends the log and tells whether all of it was written.
func (l *fileLog) close() error {
	if l == nil {
		return nil
	}
	l.flushed()
	err := l.err
	if e := l.w.Close(); err == nil {
		err = e
	}
	if err != nil {
		return exit.Errorf(exit.Output, "", "the files are done, but --log-json could not be written: %w",
			exit.Reason(err))
	}
	return nil
}

// logEntry becomes the line of a single file.
type logEntry struct {
	log   *fileLog
	line  logLine
	start time.Time
	in    *file.Input
	out   *file.Output // nil where the output is no file
	sum   hash.Hash    // of a sealed file that cannot be read again; nil if it can, or nobody wants it
}

// begin starts the entry of the transfer from in to out, which is nil where the output is no file.
func (l *fileLog) begin(out *file.Output, in *file.Input, inName, outName string) *logEntry {
	e := &logEntry{log: l, start: time.Now(), in: in, out: out}
	e.line = logLine{Input: inName, Output: outName}
	if l.wantsSum() && l.operation == flags.Encrypt && out != nil && out.Direct {
		e.sum = sha256.New()
		out.Sum = e.sum
	}
	return e
}

// reader is in, hashed on the way where it is the sealed file and cannot be read again. plain tells
// that it is in and nothing else.
func (e *logEntry) reader(in *file.Input) (src io.Reader, plain bool) {
	if !e.log.wantsSum() || e.log.operation == flags.Encrypt || in.Regular {
		return in, true
	}
	e.sum = sha256.New()
	return io.TeeReader(in, e.sum), false
}

// measure finds sizes and the sum, while both files are open.
func (e *logEntry) measure() error {
	if e.log == nil {
		return nil
	}
	e.line.Duration = time.Since(e.start).Seconds()
	if e.in.Regular {
		e.line.InputSize = &e.in.Left
	}
	if e.out != nil && !e.out.Direct {
		size, err := e.out.Size()
		if err != nil {
			return err
		}
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
func (e *logEntry) readAgain() (err error) {
	switch {
	case e.log.operation != flags.Encrypt:
		_, err = io.Copy(e.sum, io.NewSectionReader(e.in, e.in.Offset(), e.in.Left))
	case e.out != nil:
		_, err = io.Copy(e.sum, io.NewSectionReader(e.out, 0, *e.line.OutputSize))
	}
	return err
}

// done adds the line, as the output is in its place.
func (e *logEntry) done(r result) {
	if e.log != nil {
		e.log.done(e.line, r)
		e.log.flushed()
	}
}
