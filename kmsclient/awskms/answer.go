package awskms

import (
	"encoding/base64"
	"encoding/json"

	"github.com/envseal/envseal/envelope/keymem"
)

// badAnswer is an answer that is not what KMS answers. reason never quotes it.
type badAnswer struct{ reason string }

func (e *badAnswer) Error() string { return e.reason }

// cutSecret decodes the base64 text of a member of the object in body into locked memory and leaves
// "" in its place, so that the rest may be parsed in ordinary memory. It returns nil if the member
// is absent, null or empty. Whatever it returns, body holds no text of that member any more.
func cutSecret(body []byte, member string) (secret *keymem.Buffer, err error) {
	var start, end int
	keymem.Do(func() { start, end, err = findString(body, member) })
	if err != nil {
		keymem.Wipe(body)
		return nil, err
	}
	if start == end {
		return nil, nil
	}
	if secret, err = keymem.New(base64.StdEncoding.DecodedLen(end - start)); err != nil {
		keymem.Wipe(body)
		return nil, err
	}
	var n int
	keymem.Do(func() {
		text := unescape(body[start:end])
		n, err = base64.StdEncoding.Decode(secret.Bytes(), text)
		blank(body, start, end)
	})
	if err != nil || n == 0 {
		secret.Destroy()
		return nil, &badAnswer{"the base64 of " + member + " is damaged"}
	}
	secret.Truncate(n)
	return secret, nil
}

// blank empties the string at body[start:end]: it moves the last quote up and fills with spaces.
func blank(body []byte, start, end int) {
	body[start] = '"'
	for i := start + 1; i <= end; i++ {
		body[i] = ' '
	}
}

var (
	errNoJSON  = &badAnswer{"it is not JSON"}
	errNoName  = &badAnswer{"it is not an object of plain members"}
	errTwice   = &badAnswer{"a member stands in it twice"}
	errNoValue = &badAnswer{"the key in it is not text"}
)

// findString finds the text of a string member of the outermost object: body[start:end], without
// quotes. start and end are equal if it is empty, and -1 if it is absent or null. It copies nothing
// of body. It refuses what parsers read differently: a member that comes twice, and names with
// escapes.
func findString(body []byte, name string) (start, end int, err error) {
	start, end = -1, -1
	if !json.Valid(body) {
		return -1, -1, errNoJSON
	}
	i := skipSpace(body, 0)
	if body[i] != '{' {
		return -1, -1, errNoName
	}
	seen := false
	for i = skipSpace(body, i+1); body[i] != '}'; i = skipSpace(body, i) {
		if body[i] == ',' {
			i = skipSpace(body, i+1)
		}
		key, after, escaped := scanString(body, i)
		if escaped {
			return -1, -1, errNoName
		}
		value := skipSpace(body, skipSpace(body, after)+1) // over the colon
		next := skipValue(body, value)
		if string(key) == name {
			if seen {
				return -1, -1, errTwice
			}
			seen = true
			switch body[value] {
			case '"':
				start, end = value+1, next-1
			case 'n':
			default:
				return -1, -1, errNoValue
			}
		}
		i = next
	}
	return start, end, nil
}

// The functions below rely on valid JSON.

func skipSpace(b []byte, i int) int {
	for b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r' {
		i++
	}
	return i
}

// scanString reads the string whose opening quote is at b[i].
func scanString(b []byte, i int) (text []byte, after int, escaped bool) {
	start := i + 1
	for i = start; b[i] != '"'; i++ {
		if b[i] == '\\' {
			escaped = true
			i++
		}
	}
	return b[start:i], i + 1, escaped
}

// skipValue gives the index after the value that begins at b[i].
func skipValue(b []byte, i int) int {
	depth := 0
	for {
		switch b[i] {
		case '"':
			_, i, _ = scanString(b, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		default:
			i++
		}
		if depth == 0 && (b[i] == ',' || b[i] == '}' || isSpace(b[i])) {
			return i
		}
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// unescape resolves in place the escapes that base64 text can need, \/ and \u00XX. Others become a
// byte that is not base64.
func unescape(text []byte) []byte {
	n := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\\' {
			i++
			switch c = text[i]; c {
			case '/':
			case 'u':
				c = latin(text[i+1 : i+5])
				i += 4
			default:
				c = '\\'
			}
		}
		text[n] = c
		n++
	}
	return text[:n]
}

// latin decodes four hex digits. Line breaks, which the decoder would pass over, and all that is
// not ASCII become a byte that is not base64.
func latin(digits []byte) byte {
	v := 0
	for _, d := range digits {
		v <<= 4
		switch {
		case d >= '0' && d <= '9':
			v |= int(d - '0')
		case d >= 'a' && d <= 'f':
			v |= int(d - 'a' + 10)
		case d >= 'A' && d <= 'F':
			v |= int(d - 'A' + 10)
		}
	}
	if v > 0x7e || v < ' ' {
		return '\\'
	}
	return byte(v)
}
