package format

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
)

// Armor is a sealed file as text (README, "Armor"), for places that take only text: base64 between
// two lines that say what it is.

const (
	armorBegin  = "-----BEGIN ENVSEAL FILE-----"
	armorEnd    = "-----END ENVSEAL FILE-----"
	armorLine   = 64                // characters of base64 in a full line
	armorBytes  = armorLine / 4 * 3 // bytes in a full line
	armorBuffer = 1024              // full lines that are written or decoded at a time
)

// ArmoredSize is the size in bytes of the armor of a sealed file of n bytes, n >= 0.
func ArmoredSize(n int64) int64 {
	full, rest := n/armorBytes, n%armorBytes
	size := int64(len(armorBegin)+len(armorEnd)+2) + full*(armorLine+1)
	if rest > 0 {
		size += (rest+2)/3*4 + 1
	}
	return size
}

// ArmorWriter writes armor, in whole lines. Close writes the last of them.
type ArmorWriter struct {
	w     io.Writer
	text  []byte
	carry [armorBytes]byte // the beginning of a line
	have  int              // bytes of carry
	err   error            // the first failure of w; it comes again with each call
	begun bool
}

// NewArmorWriter gives a writer of armor to w. Nothing is written before the first Write or Close.
func NewArmorWriter(w io.Writer) *ArmorWriter {
	return &ArmorWriter{w: w, text: make([]byte, 0, armorBuffer*(armorLine+1))}
}

// Write implements io.Writer. After a failure the armor is of no use.
func (a *ArmorWriter) Write(p []byte) (n int, err error) {
	a.begin()
	for len(p) > 0 && a.err == nil {
		var taken int
		if a.have > 0 || len(p) < armorBytes {
			taken = copy(a.carry[a.have:], p)
			if a.have += taken; a.have == armorBytes {
				a.line(a.carry[:])
				a.have = 0
			}
		} else {
			taken = armorBytes
			a.line(p[:taken])
		}
		p, n = p[taken:], n+taken
	}
	a.flush()
	return n, a.err
}

// Close writes what is left and the END line. It does not close w. No Write may follow.
func (a *ArmorWriter) Close() error {
	a.begin()
	if a.have > 0 {
		a.line(a.carry[:a.have])
		a.have = 0
	}
	a.text = append(append(a.text, armorEnd...), '\n')
	a.flush()
	return a.err
}

func (a *ArmorWriter) begin() {
	if !a.begun {
		a.begun = true
		a.text = append(append(a.text, armorBegin...), '\n')
	}
}

// line encodes up to armorBytes bytes. It writes text out when another line would not fit.
func (a *ArmorWriter) line(p []byte) {
	a.text = append(base64.StdEncoding.AppendEncode(a.text, p), '\n')
	if len(a.text)+armorLine+1 > cap(a.text) {
		a.flush()
	}
}

func (a *ArmorWriter) flush() {
	if a.err == nil && len(a.text) > 0 {
		_, a.err = a.w.Write(a.text)
	}
	a.text = a.text[:0]
}

// MayBeArmor tells whether an input that begins with first may be an armored file. A sealed file as
// it is never begins so.
func MayBeArmor(first byte) bool { return first == armorBegin[0] }

// Unarmored gives the sealed file that r holds, and tells whether r holds it in armor. At first it
// reads one byte of r. An armored file is read as it is asked for, in constant memory.
//
// The reader of an armored file gives io.EOF only after the END line, and only where r ends with
// that line. Its errors wrap [ErrTruncated] where the line is missing, and [ErrDamaged] where the
// text is not armor in any other way. Failures of r come as they are. What begins with a hyphen and
// is not armor is [ErrNotEnvseal].
func Unarmored(r io.Reader) (src io.Reader, armored bool, err error) {
	var first [1]byte
	for idle := 0; ; idle++ {
		n, err := r.Read(first[:])
		switch {
		case n > 0 && MayBeArmor(first[0]):
			return newArmorReader(r, first[0]), true, nil
		case n > 0:
			return &pushedBack{r: r, first: first[:]}, false, nil
		case err == io.EOF:
			return r, false, nil // it says so again
		case err != nil:
			return nil, false, err
		case idle == 100:
			return nil, false, io.ErrNoProgress
		}
	}
}

// pushedBack is a reader whose first byte has been looked at.
type pushedBack struct {
	r     io.Reader
	first []byte
}

func (p *pushedBack) Read(b []byte) (int, error) {
	if len(p.first) == 0 {
		return p.r.Read(b)
	}
	n := copy(b, p.first)
	p.first = p.first[n:]
	return n, nil
}

// armorReader decodes armor.
type armorReader struct {
	r     io.Reader
	text  []byte // read and not yet decoded
	room  []byte // what plain lies in
	plain []byte // decoded and not yet given out
	line  int64  // number of the next line, from 1
	place armorPlace
	ended bool // r has said io.EOF
	err   error
}

type armorPlace uint8

const (
	beforeBegin armorPlace = iota
	inLines                // full lines, so far
	behindShort            // behind a line that is not full: only the END line may follow
	behindEnd
)

func newArmorReader(r io.Reader, first byte) *armorReader {
	a := &armorReader{r: r, text: make([]byte, 1, armorBuffer*(armorLine+1)),
		room: make([]byte, armorBuffer*armorBytes), line: 1}
	a.text[0] = first
	return a
}

// Read implements io.Reader. An error comes after the bytes of all whole lines before it.
func (a *armorReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for idle := 0; len(a.plain) == 0 && a.err == nil; idle++ {
		n, err := a.r.Read(a.text[len(a.text):cap(a.text)])
		a.text = a.text[:len(a.text)+n]
		a.ended = err == io.EOF
		if n > 0 {
			idle = 0
		} else if idle == 100 {
			a.err = io.ErrNoProgress
		}
		if bad := a.decode(); bad != nil {
			a.err = bad
		} else if err != nil {
			a.err = err
		}
	}
	if len(a.plain) == 0 {
		return 0, a.err
	}
	n := copy(p, a.plain)
	a.plain = a.plain[n:]
	return n, nil
}

// decode takes all whole lines from text, and at the end of the input what is left.
func (a *armorReader) decode() error {
	a.plain = a.room[:0]
	rest := a.text
	for {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			break
		}
		if err := a.take(bytes.TrimSuffix(rest[:end], []byte{'\r'})); err != nil {
			return err
		}
		a.line++
		rest = rest[end+1:]
	}
	a.text = a.text[:copy(a.text, rest)]
	switch {
	case a.ended:
		return a.finish(a.text)
	case len(a.text) > armorLine+1:
		return a.take(a.text) // too long, wherever it ends
	}
	return nil
}

// take decodes one line, without its end.
func (a *armorReader) take(line []byte) error {
	switch {
	case a.place == beforeBegin && string(line) != armorBegin:
		return fmt.Errorf("%w: it begins with a hyphen, but not with %q", ErrNotEnvseal, armorBegin)
	case a.place == beforeBegin:
		a.place = inLines
		return nil
	case a.place == behindEnd:
		return a.damaged("is behind the END line")
	case string(line) == armorEnd:
		a.place = behindEnd
		return nil
	case a.place == behindShort:
		return a.damaged("follows one that is not full, and is not the END line")
	case len(line) == 0 || len(line) > armorLine || len(line)%4 != 0:
		return a.damaged("is not base64 of up to 64 characters")
	}
	return a.decodeLine(line)
}

func (a *armorReader) decodeLine(line []byte) error {
	want := len(line) / 4 * 3
	want -= len(line) - len(bytes.TrimRight(line, "="))
	have := len(a.plain)
	n, err := strictBase64.Decode(a.room[have:], line)
	if err != nil || n != want { // the decoder leaves out carriage returns
		return a.damaged("is not base64")
	}
	a.plain = a.room[:have+n]
	if n < armorBytes {
		a.place = behindShort
	}
	return nil
}

var strictBase64 = base64.StdEncoding.Strict()

// finish judges the end of the input. piece is what is left, without a line end. It returns io.EOF
// if all is there.
func (a *armorReader) finish(piece []byte) error {
	switch {
	case a.place == behindEnd && len(piece) == 0:
		return io.EOF
	case a.place == behindEnd:
		return a.damaged("is behind the END line")
	case a.place == beforeBegin && !strings.HasPrefix(armorBegin+"\r", string(piece)):
		return a.take(piece)
	case a.place != beforeBegin && string(piece) == armorEnd:
		return io.EOF
	}
	return fmt.Errorf("armor is %w: its END line is missing or not whole", ErrTruncated)
}

func (a *armorReader) damaged(words string) error {
	return fmt.Errorf("armor is %w: line %d %s", ErrDamaged, a.line, words)
}
