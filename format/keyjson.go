package format

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// object is a JSON object whose fields are taken one by one. It is stricter than encoding/json,
// which lets keys come twice, matches them in any case, takes null for anything, and reads half a
// surrogate pair as U+FFFD. It keeps its first error, like cursor.
type object struct {
	fields map[string]json.RawMessage
	err    error
}

// parseKeyFile reads the JSON object of a key file. If the input is none, it says what it is.
func parseKeyFile(b []byte) (*object, error) {
	if len(b) > MaxKeyFile {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrNotKeyFile, MaxKeyFile)
	}
	text := bytes.TrimSpace(b)
	switch {
	case len(text) == 0:
		return nil, fmt.Errorf("empty: %w", ErrTruncated)
	case bytes.HasPrefix(text, []byte(magic)):
		return nil, fmt.Errorf("%w: it is a sealed file", ErrNotKeyFile)
	case text[0] != '{':
		return nil, fmt.Errorf("%w: it does not begin with {", ErrNotKeyFile)
	case !utf8.Valid(b):
		return nil, fmt.Errorf("not UTF-8: %w", ErrDamaged)
	}
	return parseObject(text)
}

// parseObject reads one JSON object and nothing behind it.
func parseObject(text []byte) (*object, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	o := &object{fields: map[string]json.RawMessage{}}
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, jsonError(err, "no JSON object")
	}
	for dec.More() {
		t, err := dec.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, jsonError(err, "no name of a field")
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, jsonError(err, "no value")
		}
		if o.has(name) {
			return nil, fmt.Errorf("%q is there twice: %w", shorten(name), ErrDamaged)
		}
		o.fields[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, jsonError(err, "no end")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("something follows the JSON object: %w", ErrDamaged)
	}
	if HasLoneSurrogate(text) {
		return nil, fmt.Errorf("half of a surrogate pair is no text: %w", ErrDamaged)
	}
	return o, nil
}

// HasLoneSurrogate tells whether JSON has an escape such as \ud800 that stands for half a
// character. That is not text, and whoever takes a [Context] as JSON has to refuse it (README,
// "Encryption context"); encoding/json reads it as U+FFFD. For invalid JSON the answer means
// nothing.
func HasLoneSurrogate(text []byte) bool {
	for i := bytes.IndexByte(text, '\\'); i >= 0; i = bytes.IndexByte(text, '\\') {
		first, second := escaped(text[i:]), rune(-1)
		n := 2
		if first >= 0 {
			n = 6
			second = escaped(text[i+6:])
		}
		if utf16.IsSurrogate(first) {
			if utf16.DecodeRune(first, second) == unicode.ReplacementChar {
				return true
			}
			n = 12
		}
		text = text[min(i+n, len(text)):]
	}
	return false
}

// escaped is the number in the escape \uXXXX that text begins with, -1 if it begins with none.
func escaped(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}

// jsonError tells a file that was cut from one that was altered.
func jsonError(err error, otherwise string) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ErrTruncated
	case err == nil:
		return fmt.Errorf("%s: %w", otherwise, ErrDamaged)
	}
	return fmt.Errorf("%w: %w", err, ErrDamaged)
}

// encodeJSON indents by two spaces and ends with a line feed.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	if b.Len() > MaxKeyFile {
		return nil, fmt.Errorf("key file of %d bytes, the limit is %d", b.Len(), MaxKeyFile)
	}
	return b.Bytes(), nil
}

// checkKind judges Format and Version first: nothing more can be said of a later version.
func (o *object) checkKind(name string) error {
	kind := o.text("Format")
	if o.err == nil && kind != name {
		return fmt.Errorf("%w: its Format is %q, not %q", ErrNotKeyFile, shorten(kind), name)
	}
	version := o.number("Version")
	if o.err == nil && version != keyFileVersion {
		return fmt.Errorf("version %d: %w", version, ErrVersion)
	}
	return o.err
}

func (o *object) fail(words string, args ...any) {
	o.adopt(fmt.Errorf(words+": %w", append(args, ErrDamaged)...))
}

// adopt keeps err if it is the first.
func (o *object) adopt(err error) {
	if o.err == nil {
		o.err = err
	}
}

func (o *object) has(name string) bool { _, ok := o.fields[name]; return ok }

// set adds a field that came in another spelling.
func (o *object) set(name string, value any) {
	raw, err := json.Marshal(value)
	if err != nil {
		o.fail("%s cannot be read", name)
	}
	o.fields[name] = raw
}

// take removes a field and decodes it into v. A value of v's JSON type begins with one of the
// characters of first.
func (o *object) take(name, first string, v any) {
	raw, ok := o.fields[name]
	delete(o.fields, name)
	switch {
	case !ok:
		o.fail("%s is missing", name)
	case !strings.Contains(first, string(raw[:1])) || json.Unmarshal(raw, v) != nil:
		o.fail("%s is not what it should be", name)
	}
}

func (o *object) text(name string) (s string) {
	o.take(name, `"`, &s)
	return s
}

func (o *object) number(name string) (n int) {
	o.take(name, "-0123456789", &n)
	return n
}

// bytes takes a field in base64 (RFC 4648, section 4), with padding and without line feeds.
func (o *object) bytes(name string) []byte {
	text := o.text(name)
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		o.fail("%s is not base64", name)
	}
	return b
}

// date takes a time in UTC, to the second.
func (o *object) date(name string) time.Time {
	text := o.text(name)
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || stamp(t) != text {
		o.fail("%s is not of the form 2006-01-02T15:04:05Z", name)
	}
	return t
}

// context takes an object whose values are text.
func (o *object) context(name string) Context {
	var raw json.RawMessage
	o.take(name, "{", &raw)
	if o.err != nil {
		return nil
	}
	c, err := parseContextJSON(raw)
	if err != nil {
		o.adopt(fmt.Errorf("%s: %w", name, err))
	}
	return c
}

// parseContextJSON reads a context from a JSON object. The result is not nil unless it fails.
func parseContextJSON(text []byte) (Context, error) {
	pairs, err := parseObject(text)
	if err != nil {
		return nil, err
	}
	c := Context{}
	for _, key := range slices.Sorted(maps.Keys(pairs.fields)) {
		c[key] = pairs.text(key)
	}
	if pairs.err == nil {
		if err := c.check(); err != nil {
			pairs.fail("%v", err)
		}
	}
	return c, pairs.err
}

// objects takes an array of objects, which may be missing.
func (o *object) objects(name string) []*object {
	if !o.has(name) {
		return nil
	}
	var raw []json.RawMessage
	o.take(name, "[", &raw)
	if len(raw) >= DefaultMaxSlots {
		o.fail("%s: %d keys, there may be %d at most", name, len(raw), DefaultMaxSlots-1)
		return nil
	}
	var all []*object
	for _, r := range raw {
		each, err := parseObject(r)
		if err != nil {
			o.adopt(fmt.Errorf("%s: %w", name, err))
			return nil
		}
		all = append(all, each)
	}
	return all
}

// end refuses fields that nobody took.
func (o *object) end() error {
	if o.err == nil && len(o.fields) > 0 {
		o.fail("%q is unknown", shorten(slices.Sorted(maps.Keys(o.fields))[0]))
	}
	return o.err
}
