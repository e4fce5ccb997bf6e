package transfer

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

// LogLine is a line of --log-json. Sizes are in bytes, Duration in seconds, without the wait for
// the disk.
type LogLine struct {
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

// Log writes --log-json. Its methods do nothing on nil, and are safe for concurrent use.
type Log struct {
	operation string
	sums      bool

	mu  sync.Mutex
	w   *os.File
	buf bytes.Buffer
	err error
}

// NewLog opens the log that the user asked for; nil if there is none. It must be none of own,
// the files that the command needs.
func NewLog(o flags.Work, operation string, own []file.Guarded) (*Log, error) {
	if o.Log == "" {
		if o.LogSums {
			return nil, exit.Errorf(exit.Usage, "name the log with --log-json FILE",
				"--log-sha256 goes with --log-json")
		}
		return nil, nil
	}
	l := &Log{operation: operation, sums: o.LogSums}
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
		if exit.Code(err) != 0 {
			return nil, err
		}
		return nil, exit.Errorf(exit.Output, "", "--log-json %s: %w", ui.Shown(o.Log), exit.Reason(err))
	}
	return l, nil
}

// Guard is what no output may replace.
func (l *Log) Guard() (all []file.Guarded) {
	if l != nil {
		if st, err := file.StatFile(l.w); err == nil {
			all = append(all, file.Guarded{ID: st.ID, Role: "the file of --log-json"})
		}
	}
	return all
}

// WantsSum tells whether SHA-256 sums are asked for.
func (l *Log) WantsSum() bool { return l != nil && l.sums }

// Done adds a line for a file that is in its place. It is written with the next flush.
func (l *Log) Done(line LogLine, r Result) {
	if l == nil {
		return
	}
	ids := r.KeyIDs()
	if len(ids) > 0 {
		line.KeyID = ids[0]
	}
	if len(ids) > 1 {
		line.KeyIDs = ids
	}
	if r.Header != nil {
		line.FileID = hex.EncodeToString(r.Header.FileID[:])
	}
	line.KMSCalls = &r.Calls
	l.add(line)
}

// Failed adds a line for a file that came to nothing.
func (l *Log) Failed(input string, err error) {
	if l == nil {
		return
	}
	code, _ := exit.Explain(err)
	l.add(LogLine{Input: input, Error: err.Error(), ExitCode: code})
}

func (l *Log) add(line LogLine) {
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

// Flushed writes what was added.
func (l *Log) Flushed() {
	if l != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.flush()
	}
}

// flush writes whole lines in one piece, so that several processes can share a log. The lock is
// held.
func (l *Log) flush() {
	if l.buf.Len() == 0 {
		return
	}
	if _, err := l.w.Write(l.buf.Bytes()); err != nil && l.err == nil {
		l.err = err
	}
	l.buf.Reset()
}

// Close ends the log and tells whether all of it was written.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.Flushed()
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

// Entry becomes the line of a single file.
type Entry struct {
	log   *Log
	Line  LogLine
	start time.Time
	in    *file.Input
	out   *file.Output // nil where the output is no file
	sum   hash.Hash    // of a sealed file that cannot be read again; nil if it can, or nobody wants it
}

// Begin starts the entry of the transfer from in to out, which is nil where the output is no file.
func (l *Log) Begin(out *file.Output, in *file.Input, inName, outName string) *Entry {
	e := &Entry{log: l, start: time.Now(), in: in, out: out}
	e.Line = LogLine{Input: inName, Output: outName}
	if l.WantsSum() && l.operation == flags.Encrypt && out != nil && out.Direct {
		e.sum = sha256.New()
		out.Sum = e.sum
	}
	return e
}

// Reader is in, hashed on the way where it is the sealed file and cannot be read again. plain tells
// that it is in and nothing else.
func (e *Entry) Reader(in *file.Input) (src io.Reader, plain bool) {
	if !e.log.WantsSum() || e.log.operation == flags.Encrypt || in.Regular {
		return in, true
	}
	e.sum = sha256.New()
	return io.TeeReader(in, e.sum), false
}

// Measure finds sizes and the sum, while both files are open.
func (e *Entry) Measure() error {
	if e.log == nil {
		return nil
	}
	e.Line.Duration = time.Since(e.start).Seconds()
	if e.in.Regular {
		e.Line.InputSize = &e.in.Left
	}
	if e.out != nil && !e.out.Direct {
		size, err := e.out.Size()
		if err != nil {
			return err
		}
		e.Line.OutputSize = &size
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
	e.Line.SHA256 = hex.EncodeToString(e.sum.Sum(nil))
	return nil
}

// readAgain hashes the sealed file, which lies in the kernel's memory by now.
func (e *Entry) readAgain() (err error) {
	switch {
	case e.log.operation != flags.Encrypt:
		_, err = io.Copy(e.sum, io.NewSectionReader(e.in, e.in.Offset(), e.in.Left))
	case e.out != nil:
		_, err = io.Copy(e.sum, io.NewSectionReader(e.out, 0, *e.Line.OutputSize))
	}
	return err
}

// done adds the line, as the output is in its place.
func (e *Entry) done(r Result) {
	if e.log != nil {
		e.log.Done(e.Line, r)
		e.log.Flushed()
	}
}
