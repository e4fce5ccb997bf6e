package format

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// Limits are what a caller may set about the headers it accepts. The zero value is the limits of
// the specification.
type Limits struct {
	MaxSlots int // 0 or less: DefaultMaxSlots
}

// ReadHeader reads one header from r, and not one byte more: what r has next is the payload. If the
// input does not begin with the magic, it reads at most 8 bytes.
//
// Its memory grows with the bytes that arrive, whatever the header claims. It checks all fields:
// lengths before they are followed, everything else after the checksum, so that a rotten byte is
// called damage and not a newer version. The errors are [ErrNotEnvseal] (or [ErrArmored]),
// [ErrVersion], [ErrDamaged], [ErrTruncated] and [ErrTooManySlots]. A failure of r comes as it is,
// even io.ErrUnexpectedEOF: only io.EOF is the end of the input.
func ReadHeader(r io.Reader, lim Limits) (*Header, error) { return (&source{r: r}).header(lim) }

// ParseHeader is [ReadHeader] for the header that b begins with. The result aliases b.
func ParseHeader(b []byte, lim Limits) (*Header, error) { return (&source{buf: b}).header(lim) }

// CheckHeader reads one header from r as [ReadHeader] does, but takes no memory for its slots. It
// returns what precedes them, with an error too, and the header length, and it checks the checksum.
// No error means that the header is whole, not yet that it is well-formed.
func CheckHeader(r io.Reader) (before []byte, length int64, err error) {
	s := source{r: r}
	n, err := s.beforeSlots()
	if err != nil {
		return s.buf, 0, err
	}
	sum := crc32.New(castagnoli)
	sum.Write(s.buf)
	more, err := io.CopyN(sum, r, int64(n-len(s.buf)-checksumSize))
	want := make([]byte, checksumSize)
	if err == nil {
		var got int
		got, err = io.ReadFull(r, want)
		more += int64(got)
	}
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		err = endsEarly(int64(len(s.buf)) + more)
	case err != nil:
		err = fmt.Errorf("header: %w", err)
	case !bytes.Equal(sum.Sum(nil), want):
		err = errChecksum
	}
	return s.buf, int64(n), err
}

// UnmarshalBinary reads one header, which is all of b, within the default [Limits]. On an error h
// is unchanged. The result does not alias b.
func (h *Header) UnmarshalBinary(b []byte) error {
	parsed, err := ReadHeader(bytes.NewReader(b), Limits{})
	if err != nil {
		return err
	}
	if parsed.Length != int64(len(b)) {
		return damaged("%d bytes behind it", int64(len(b))-parsed.Length)
	}
	*h = *parsed
	return nil
}

var errChecksum = damaged("its checksum does not match")

// parseHeader reads the header b. Its length and magic were checked; its descriptor has the given
// size.
func parseHeader(b []byte, descriptor int, lim Limits) (*Header, error) {
	body, sum := b[:len(b)-checksumSize], binary.BigEndian.Uint32(b[len(b)-checksumSize:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, errChecksum
	}
	h := &Header{Length: int64(len(b))}
	var err error
	if h.Descriptor, err = parseDescriptor(b[:descriptor]); err != nil {
		return nil, err
	}
	rest := body[descriptor:]
	copy(h.Commitment[:], rest)
	count := int(binary.BigEndian.Uint16(rest[CommitmentSize+4:]))
	switch {
	case count == 0:
		return nil, damaged("0 key slots, there must be one")
	case count > lim.MaxSlots:
		return nil, fmt.Errorf("header: %w: it has %d key slots, the limit is %d",
			ErrTooManySlots, count, lim.MaxSlots)
	}
	var padding []byte
	if h.Slots, padding, err = parseSlots(rest[CommitmentSize+slotsFixed:], count); err != nil {
		return nil, err
	}
	for i, b := range padding {
		if b != 0 {
			return nil, damaged("padding byte %d of %d is not zero", i, len(padding))
		}
	}
	return h, nil
}

// source collects the bytes of a header.
type source struct {
	r     io.Reader // nil: buf is all there is
	buf   []byte
	ended bool // r said io.EOF before there was enough
}

// header reads all of a header.
func (s *source) header(lim Limits) (*Header, error) {
	if lim.MaxSlots <= 0 {
		lim.MaxSlots = DefaultMaxSlots
	}
	length, err := s.beforeSlots()
	if err != nil {
		return nil, err
	}
	if err := s.fill(length); err != nil {
		return nil, err
	}
	context := binary.BigEndian.Uint32(s.buf[descriptorFixed-4:])
	return parseHeader(s.buf[:length], descriptorFixed+int(context), lim)
}

// beforeSlots reads what precedes the slots, checks all lengths in it, and gives that of the
// header.
func (s *source) beforeSlots() (length int, err error) {
	if err := s.checkMagic(); err != nil {
		return 0, err
	}
	if err := s.fill(descriptorFixed); err != nil {
		return 0, err
	}
	context := binary.BigEndian.Uint32(s.buf[descriptorFixed-4:])
	if context > MaxContext {
		return 0, damaged("encryption context of %d bytes, the limit is %d", context, MaxContext)
	}
	before := descriptorFixed + int(context) + CommitmentSize + slotsFixed
	if err := s.fill(before); err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint32(s.buf[before-slotsFixed:])
	if n > MaxHeader || n%headerUnit != 0 || int(n) < before+slotFixed+checksumSize {
		return 0, damaged("header length %d", n)
	}
	return int(n), nil
}

// firstRead is enough for most headers. From there the buffer grows fourfold, up to what is needed.
// Those outgrown are together at most a third longer than the last.
const firstRead = 4096

// fill reads until there are n bytes. It tells the end of the input from a broken one, which
// io.ReadFull does not.
func (s *source) fill(n int) error {
	for idle := 0; len(s.buf) < n; {
		if s.r == nil {
			s.ended = true
			return endsEarly(int64(len(s.buf)))
		}
		if len(s.buf) == cap(s.buf) {
			bigger := make([]byte, len(s.buf), max(firstRead, min(n, 4*cap(s.buf))))
			copy(bigger, s.buf)
			s.buf = bigger
		}
		got, err := s.r.Read(s.buf[len(s.buf):min(n, cap(s.buf))])
		s.buf = s.buf[:len(s.buf)+got]
		if got > 0 {
			idle = 0
		} else if idle++; err == nil && idle >= 100 {
			err = io.ErrNoProgress
		}
		if len(s.buf) == n {
			return nil // an error that came with the last byte comes again with the next read
		}
		if err == io.EOF {
			s.ended = true
			return endsEarly(int64(len(s.buf)))
		}
		if err != nil {
			return fmt.Errorf("header: %w", err)
		}
	}
	return nil
}

func endsEarly(after int64) error {
	return fmt.Errorf("header is %w: it ends after %d bytes", ErrTruncated, after)
}

// checkMagic reads the first 8 bytes. An input that ends within the magic is a cut file; an empty
// one is no sealed file.
func (s *source) checkMagic() error {
	err := s.fill(len(magic) + 1)
	got := s.buf[:min(len(s.buf), len(magic))]
	switch {
	case err != nil && !s.ended:
		return err
	case len(got) == 0:
		return fmt.Errorf("%w: it is empty", ErrNotEnvseal)
	case got[0] == armorBegin[0]:
		return ErrArmored
	case string(got) != magic[:len(got)]:
		return ErrNotEnvseal
	case err != nil:
		return err
	case s.buf[len(magic)] != Version:
		return fmt.Errorf("%w: version %d of the format, this one reads %d",
			ErrVersion, s.buf[len(magic)], Version)
	}
	return nil
}
