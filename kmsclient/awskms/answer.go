package awskms

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient/internal/jsonobject"
)

// badAnswer is an answer that is not what KMS answers. reason never quotes it.
type badAnswer struct{ reason string }

func (e *badAnswer) Error() string { return e.reason }

// cutSecret decodes the base64 text of a member of the object in body into locked memory and leaves
// "" in its place, so that what is left may be parsed in ordinary memory. It returns nil where the
// member is absent, null or empty. Whatever it returns, body holds no text of that member any more.
func cutSecret(body []byte, member string) (secret *keymem.Buffer, err error) {
	keymem.Do(func() {
		var quoted []byte
		if quoted, err = findString(body, member); err != nil || len(quoted) <= 2 {
			return
		}
		if secret, err = keymem.New(base64.StdEncoding.DecodedLen(len(quoted) - 2)); err != nil {
			return
		}
		n, damage := base64.StdEncoding.Decode(secret.Bytes(), unescape(quoted[1:len(quoted)-1]))
		copy(quoted, `""`)
		for i := 2; i < len(quoted); i++ {
			quoted[i] = ' '
		}
		if secret.Truncate(n); damage != nil || n == 0 {
			secret.Destroy()
			secret, err = nil, &badAnswer{"the base64 of " + member + " is damaged"}
		}
	})
	if err != nil {
		keymem.Wipe(body)
	}
	return secret, err
}

var (
	errNoJSON  = &badAnswer{"it is not JSON"}
	errNoName  = &badAnswer{"it is not an object of plain members"}
	errTwice   = &badAnswer{"a member stands in it twice"}
	errNoValue = &badAnswer{"the key in it is not text"}
)

// findString finds the text of a string member of the outermost object, with its quotes, as a part
// of body; nil where it is absent or null. It copies nothing of body, and refuses what different
// parsers read differently: a member that stands there twice, and names with escapes.
func findString(body []byte, name string) (quoted []byte, err error) {
	if !json.Valid(body) {
		return nil, errNoJSON
	}
	if bytes.TrimSpace(body)[0] != '{' {
		return nil, errNoName
	}
	seen := false
	for raw, value := range jsonobject.Members(body) {
		switch {
		case bytes.IndexByte(raw, '\\') >= 0:
			return nil, errNoName
		case string(raw[1:len(raw)-1]) != name:
		case seen:
			return nil, errTwice
		case value[0] == '"':
			seen, quoted = true, value
		case value[0] == 'n':
			seen = true
		default:
			return nil, errNoValue
		}
	}
	return quoted, nil
}

// unescape resolves in place the escapes that base64 text can need, \/ and \u00XX. Others become a
// byte that base64 does not have.
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

// latin decodes four hex digits, and gives a byte that base64 does not have for what is not ASCII
// or a line break, which the decoder would pass over.
func latin(digits []byte) byte {
	var v [2]byte
	_, err := hex.Decode(v[:], digits)
	if err != nil || v[0] != 0 || v[1] > 0x7e || v[1] < ' ' {
		return '\\'
	}
	return v[1]
}
