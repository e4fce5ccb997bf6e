// Package jsonobject walks over the members of a JSON object without copying them: what key
// services send each other has keys in it, and encoding/json leaves copies on the heap.
package jsonobject

import (
	"bytes"
	"iter"
)

// Members gives the names, as they are written and with their quotes, and the values of the members
// of b. Both are parts of b, and their capacity reaches to its end. b must be a JSON object that
// encoding/json's Valid takes: Members relies on it.
func Members(b []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for b = bytes.TrimSpace(b)[1:]; ; b = b[1:] { // past { or a comma
			b = bytes.TrimSpace(b)
			if b[0] == '}' {
				return
			}
			n := valueLen(b)
			name := b[:n]
			b = bytes.TrimSpace(bytes.TrimSpace(b[n:])[1:]) // past the colon
			n = valueLen(b)
			if !yield(name, b[:n]) {
				return
			}
			if b = bytes.TrimSpace(b[n:]); b[0] == '}' {
				return
			}
		}
	}
}

// valueLen is the length of the value that starts b, which goes on behind it.
func valueLen(b []byte) int {
	depth, quoted := 0, false
	for i := 0; ; i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case (c == '}' || c == ']') && depth > 0:
			depth--
		case depth == 0 && bytes.IndexByte([]byte(",}] \t\r\n"), c) >= 0:
			return i // the end of a bare value
		default:
			continue
		}
		if !quoted && depth == 0 {
			return i + 1
		}
	}
}
