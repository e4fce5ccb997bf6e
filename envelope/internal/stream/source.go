package stream

import "io"

// Source cuts a reader into batches of whole units (chunks). It holds back a unit no longer than it
// must: a batch is what one Read brought, as soon as that is a whole unit. So a slow pipe is passed
// on at its own pace, and a fast one in large pieces.
//
// It is used by one goroutine at a time. Only io.EOF is the end of the input. Any other error, even
// io.ErrUnexpectedEOF, is a broken source and stays one: a seal that took it for the end would
// finish a truncated input as if it were whole, an open would take a piece of a chunk for the last.
type Source struct {
	r     io.Reader
	unit  int
	carry []byte
}

// maxEmptyReads is how many reads without data and without error are tolerated, as in bufio.
const maxEmptyReads = 100

// NewSource reads r in units of unit bytes.
func NewSource(r io.Reader, unit int) *Source {
	return &Source{r: r, unit: unit, carry: make([]byte, 0, unit)}
}

// Fill reads the next batch into buf, which must have room for at least one unit, and the same room
// every time. It returns the number of bytes to process, final (the input ends behind them) and the
// error of the source. Unless final, n is a multiple of the unit; without an error it is not 0.
func (s *Source) Fill(buf []byte) (n int, final bool, err error) {
	have := copy(buf, s.carry)
	s.carry = s.carry[:0]
	for empty := 0; ; {
		m, err := s.r.Read(buf[have:])
		have += m
		if err == io.EOF {
			return have, true, nil
		}
		if empty++; m > 0 {
			empty = 0
		} else if err == nil && empty == maxEmptyReads {
			err = io.ErrNoProgress
		}
		if n := have / s.unit * s.unit; n > 0 || err != nil {
			s.carry = append(s.carry, buf[n:have]...)
			return n, false, err
		}
	}
}

// Carried is how many bytes the last Fill left in its buf for the next batch, behind those to
// process.
func (s *Source) Carried() int { return len(s.carry) }

// Interrupt gives up a Fill that is blocked, and all further ones, if the reader knows how.
func (s *Source) Interrupt() { Interrupt(s.r) }

// Interrupt makes a Read of r that blocks, and all further ones, fail soon, if r can do that.
func Interrupt(r io.Reader) {
	if i, ok := r.(Interrupter); ok {
		i.Interrupt()
	}
}

// Wipe clears what is carried between batches.
func (s *Source) Wipe() { clear(s.carry[:cap(s.carry)]) }

// ReadWhole fills buf. It returns less only with final, where the input has ended, or with the
// error of the source. As for a Source, only io.EOF is the end. If the input ends right after buf,
// the next call says so.
func ReadWhole(r io.Reader, buf []byte) (n int, final bool, err error) {
	for empty := 0; n < len(buf); {
		m, err := r.Read(buf[n:])
		n += m
		switch {
		case err == io.EOF:
			return n, true, nil
		case err != nil:
			return n, false, err
		case m > 0:
			empty = 0
		default:
			if empty++; empty == maxEmptyReads {
				return n, false, io.ErrNoProgress
			}
		}
	}
	return n, false, nil
}
