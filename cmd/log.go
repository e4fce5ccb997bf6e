package cmd

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/envseal/envseal/format"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
)

// logFlags are those of the log; when says when a file gets its line.
func logFlags(when string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "log-json", Category: catOutput, Usage: "append a JSON line for each file to `FILE`, or write it to descriptor fd:N, " + when},
		&cli.BoolFlag{Name: "log-sha256", Category: catOutput, Usage: "with --log-json: the SHA-256 of each sealed file, as sha256sum prints it"},
	}
}

// record is what becomes known about a file while it is worked on. It goes with the context, as keys are asked for far below.
type record struct {
	calls  int    // to key services
	keyID  string // the key that opened the file
	header *format.Header
	many   bool // one of many files: what is the same for all is said once
}

type recordKey struct{}

func withRecord(ctx context.Context, r *record) context.Context {
	return context.WithValue(ctx, recordKey{}, r)
}

// recordOf is nil where nobody keeps one.
func recordOf(ctx context.Context) *record {
	r, _ := ctx.Value(recordKey{}).(*record)
	return r
}

// noteHeader keeps a file's header for the log.
func noteHeader(ctx context.Context, h *format.Header) {
	if r := recordOf(ctx); r != nil {
		r.header = h
	}
}

// noteKey keeps the key that opened a file. It tells whether that is said for all files together.
func noteKey(ctx context.Context, keyID string) bool {
	r := recordOf(ctx)
	if r != nil {
		r.keyID = keyID
	}
	return r != nil && r.many
}

// isOneOfMany tells whether the file is one of many.
func isOneOfMany(ctx context.Context) bool {
	r := recordOf(ctx)
	return r != nil && r.many
}

// keyIDs are the keys of a file: the one that opened it, or all that it was sealed for.
func (r *record) keyIDs() []string {
	if r.keyID != "" {
		return []string{r.keyID}
	}
	var all []string
	if r.header != nil {
		for _, s := range r.header.Slots {
			if k, err := s.KMS(); err == nil {
				all = append(all, k.KeyID)
			} else if p, err := s.Pair(); err == nil {
				all = append(all, p.KeyID)
			}
		}
	}
	return all
}

// logLine is a line of --log-json. Sizes are in bytes, Duration in seconds, without the wait for the disk.
type logLine struct {
	Time       string   `json:"Time"` // RFC 3339, of the commit
	Operation  string   `json:"Operation"`
	Input      string   `json:"Input"`
	InputBytes []byte   `json:"InputBytes,omitempty"` // the name in base64, where it is no UTF-8 and Input is not exact
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

// newFileLog opens the log that the user asked for; nil if there is none.
func newFileLog(c *cli.Context, operation string) (*fileLog, error) {
	name := c.String("log-json")
	if name == "" {
		if c.Bool("log-sha256") {
			return nil, fail(exitUsage, "name the log with --log-json FILE", "--log-sha256 goes with --log-json")
		}
		return nil, nil
	}
	l := &fileLog{operation: operation, sums: c.Bool("log-sha256")}
	number, isFD := strings.CutPrefix(name, "fd:")
	var err error
	if isFD {
		l.w, err = inheritedFile(number)
	} else {
		l.w, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	}
	switch {
	case codeOf(err) != 0:
		return nil, err
	case err != nil:
		return nil, fail(exitOutput, "", "--log-json %s: %w", shown(name), reason(err))
	}
	return l, nil
}

// inheritedFile is a descriptor that the process was started with.
func inheritedFile(number string) (*os.File, error) {
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return nil, fail(exitUsage, "write --log-json fd:3, and 3>FILE behind the command", "--log-json fd:%s: not the number of a descriptor", shown(number))
	}
	fd, err := unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "fd:"+number), nil
}

// wantsSum tells whether SHA-256 sums are asked for.
func (l *fileLog) wantsSum() bool { return l != nil && l.sums }

// done adds a line for a file that is in its place. It is written with the next flush.
func (l *fileLog) done(line logLine, r *record) {
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
	code, _ := explain(err)
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

// flush writes whole lines in one piece, so that several processes can share a log. The lock is held.
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
		return fail(exitOutput, "", "the files are done, but --log-json could not be written: %w", reason(err))
	}
	return nil
}
