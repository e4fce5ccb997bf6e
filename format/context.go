package format

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"
)

// Context is an encryption context: the pairs that KMS binds to a ciphertext. Everybody who has a
// sealed file can read them. A nil Context is an empty one. The format allows empty keys and
// values; a key service may not.
type Context map[string]string

// AppendBinary appends the canonical form to b: pair count, then key and value of each pair, sorted
// by the bytes of the keys (README, "Encryption context"). It fails for a key or value that is not
// UTF-8, and if the whole exceeds [MaxContext].
func (c Context) AppendBinary(b []byte) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(c)))
	for _, key := range slices.Sorted(maps.Keys(c)) {
		b = appendShort(b, []byte(key))
		b = appendShort(b, []byte(c[key]))
	}
	return b, nil
}

// check refuses what has no canonical form within MaxContext. A pair takes four bytes beside its
// text, so within that limit every count and length fits into 16 bits.
func (c Context) check() error {
	size := 2
	for key, value := range c {
		if !utf8.ValidString(key) {
			return fmt.Errorf("encryption context: key %q is not UTF-8", shorten(key))
		}
		if !utf8.ValidString(value) {
			return fmt.Errorf("encryption context: value of %q is not UTF-8", shorten(key))
		}
		if size += 4 + len(key) + len(value); size > MaxContext {
			return fmt.Errorf("encryption context: longer than %d bytes", MaxContext)
		}
	}
	return nil
}

// shorten keeps an error message to one line.
func shorten(s string) string {
	const limit = 64
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "..."
}

// ParseContext reads what AppendBinary writes. It refuses every other spelling of the same pairs:
// keys out of order or twice, text that is not UTF-8, bytes after the last pair. All its errors
// wrap [ErrDamaged]. The result does not alias b and is not nil.
func ParseContext(b []byte) (Context, error) {
	pairs := Context{}
	err := eachPair(b, func(key, value []byte) { pairs[string(key)] = string(value) })
	if err != nil {
		return nil, err
	}
	return pairs, nil
}

// checkContext tells whether ParseContext would read b. It takes no memory for it: the map of a
// hostile context has many times the size of its bytes.
func checkContext(b []byte) error { return eachPair(b, func(_, _ []byte) {}) }

// eachPair reads a context in its canonical form. What visit gets aliases b.
func eachPair(b []byte, visit func(key, value []byte)) error {
	if len(b) > MaxContext {
		return fmt.Errorf("encryption context of %d bytes, the limit is %d: %w",
			len(b), MaxContext, ErrDamaged)
	}
	c := cursor{b: b}
	var last []byte
	for i := range c.u16("pair count") {
		key, value := c.short("key"), c.short("value")
		if c.err == nil && i > 0 && bytes.Compare(key, last) <= 0 {
			c.fail("pair %d: keys are not in order", i)
		}
		if c.err == nil && !(utf8.Valid(key) && utf8.Valid(value)) {
			c.fail("pair %d: not UTF-8", i)
		}
		if c.err != nil {
			break // a claim of 65 535 pairs costs no more than the pairs that are there
		}
		visit(key, value)
		last = key
	}
	c.end()
	if c.err != nil {
		return fmt.Errorf("encryption context: %w", c.err)
	}
	return nil
}
