package stream

import "io"

// Source cuts a reader into batches of whole units (chunks). It holds back a unit no longer than it
// must: a batch is what one Read brought, as soon as that is a whole unit. So a slow pipe is passed
// on at its own pace, and a fast one in large pieces.
//
// It is used by one goroutine at a time. Only io.EOF is the end of the input. Any other error, even
// io.ErrUnexpectedEOF, is a broken source and stays one: a seal that took it for the end would
// finish a truncated input as if it were whole.
type Source struct {
	r         io.Reader
	unit      int
	lookahead bool // a unit leaves only once a byte behind it was seen: sealing must know the last
	carry     []byte
	done      bool
}

// maxEmptyReads is how many reads without data and without error are tolerated, as in bufio.
const maxEmptyReads = 100

// NewSource reads r in units of unit bytes. With lookahead, the last unit of a batch that is not
// final is known not to be the last of the input.
func NewSource(r io.Reader, unit int, lookahead bool) *Source {
	return &Source{r: r, unit: unit, lookahead: lookahead, carry: make([]byte, 0, unit)}
}

// Fill reads the next batch into buf, which must have room for at least one unit and one byte, and
// the same room every time.
//
// It returns the number of bytes to process, final (the input ends behind them), certain (a byte
// behind them has been seen, so the batch's last unit is not the input's last one) and the error of
// the source. Unless final or with an error, n is a positive multiple of the unit. On an error n is
// what had arrived.
func (s *Source) Fill(buf []byte) (n int, final, certain bool, err error) {
	have := copy(buf, s.carry)
	s.carry = s.carry[:0]
	for empty := 0; ; {
		if s.done {
			return have, true, false, nil
		}
		m, err := s.r.Read(buf[have:])
		have += m
		switch {
		case err == io.EOF:
			s.done = true
		case err != nil:
			return have, false, false, err
		case m == 0:
			if empty++; empty == maxEmptyReads {
				return have, false, false, io.ErrNoProgress
			}
		default:
			empty = 0
		}
		if n := s.ready(have); n > 0 && m > 0 && !s.done {
			s.carry = append(s.carry, buf[n:have]...)
			return n, false, have > n, nil
		}
	}
}

// Carried is how many bytes the last Fill left in its buf for the next batch, behind those to
// process.
func (s *Source) Carried() int { return len(s.carry) }

// ready is how many of have bytes can leave as whole units.
func (s *Source) ready(have int) int {
	if s.lookahead {
		have--
	}
	return have / s.unit * s.unit
}

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
