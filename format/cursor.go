package format

import (
	"encoding/binary"
	"fmt"
)

// cursor walks over b and keeps its first error, so a caller reads all fields and asks once. After
// an error every field is zero.
type cursor struct {
	b   []byte
	err error
}

func (c *cursor) fail(words string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(words+": %w", append(args, ErrDamaged)...)
	}
}

// bytes takes n bytes. They alias b, with no room to append behind them.
func (c *cursor) bytes(n int, what string) []byte {
	if c.err != nil {
		return nil
	}
	if n > len(c.b) {
		c.fail("%s needs %d bytes, %d are left", what, n, len(c.b))
		return nil
	}
	field := c.b[:n:n]
	c.b = c.b[n:]
	return field
}

func (c *cursor) u8(what string) uint8 {
	if b := c.bytes(1, what); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) u16(what string) int {
	if b := c.bytes(2, what); b != nil {
		return int(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (c *cursor) u32(what string) uint32 {
	if b := c.bytes(4, what); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// short takes a field behind a 16-bit length.
func (c *cursor) short(what string) []byte {
	return c.bytes(c.u16(what), what)
}

// end refuses bytes behind the last field.
func (c *cursor) end() {
	if c.err == nil && len(c.b) != 0 {
		c.fail("%d bytes behind the last field", len(c.b))
	}
}

// appendShort appends a field after its 16-bit length. The caller has checked that it fits.
func appendShort(b, field []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(field)))
	return append(b, field...)
}
