package awscli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

// jsonIndent is that of `aws`.
const jsonIndent = "    "

// jsonText is JSON in the making: text, and secrets that go into it as base64.
type jsonText struct {
	parts   []any // []byte or kmsclient.Secret
	current bytes.Buffer
	size    int // bytes of all parts as they are printed
	secret  bool
}

// layout sets out v as `aws` prints it: four spaces, nothing escaped that need not be.
func (t *jsonText) layout(v any, indent string) {
	switch v := v.(type) {
	case Document:
		t.block('{', '}', indent, len(v), func(i int, inner string) {
			t.scalar(v[i].name)
			t.current.WriteString(": ")
			t.layout(v[i].value, inner)
		})
	case []any:
		t.block('[', ']', indent, len(v), func(i int, inner string) { t.layout(v[i], inner) })
	case []string:
		t.block('[', ']', indent, len(v), func(i int, _ string) { t.scalar(v[i]) })
	case kmsclient.Secret:
		t.current.WriteByte('"')
		t.cut()
		t.parts = append(t.parts, v)
		t.size += base64.StdEncoding.EncodedLen(len(v.Bytes()))
		t.secret = true
		t.current.WriteByte('"')
	default:
		t.scalar(plainValue(v))
	}
}

// block sets out n things between brackets.
func (t *jsonText) block(open, end byte, indent string, n int, item func(i int, inner string)) {
	t.current.WriteByte(open)
	inner := indent + jsonIndent
	for i := range n {
		if i > 0 {
			t.current.WriteByte(',')
		}
		t.current.WriteString("\n" + inner)
		item(i, inner)
	}
	if n > 0 {
		t.current.WriteString("\n" + indent)
	}
	t.current.WriteByte(end)
}

// scalar writes a string, a number, a boolean or null.
func (t *jsonText) scalar(v any) {
	enc := json.NewEncoder(&t.current)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil { // a number that JSON does not have
		t.current.WriteString("null\n")
	}
	t.current.Truncate(t.current.Len() - 1) // the newline
}

// cut ends the current part.
func (t *jsonText) cut() {
	t.parts = append(t.parts, bytes.Clone(t.current.Bytes()))
	t.size += t.current.Len()
	t.current.Reset()
}

// jsonOf is v as JSON in a line or more. Where it holds a secret, all of it lies in locked memory.
// The caller calls wipe when it is printed.
func jsonOf(v any) (text []byte, wipe func(), err error) {
	t := &jsonText{}
	t.layout(v, "")
	t.current.WriteByte('\n')
	t.cut()
	text, wipe = make([]byte, 0, t.size), func() {}
	if t.secret {
		buf, err := keymem.New(t.size)
		if err != nil {
			return nil, nil, err
		}
		text, wipe = buf.Bytes()[:0], buf.Destroy
	}
	keymem.Do(func() {
		for _, p := range t.parts {
			switch p := p.(type) {
			case []byte:
				text = append(text, p...)
			case kmsclient.Secret:
				text = base64.StdEncoding.AppendEncode(text, p.Bytes())
			}
		}
	})
	return text, wipe, nil
}

// PrintJSON prints v, with its secrets from locked memory.
func PrintJSON(w io.Writer, v any) error {
	text, wipe, err := jsonOf(v)
	if err != nil {
		return err
	}
	defer wipe()
	_, err = w.Write(text)
	return err
}

// printSecret prints a secret as base64, from locked memory.
func printSecret(w io.Writer, secret kmsclient.Secret) error {
	text, wipe, err := jsonOf(secret)
	if err != nil {
		return err
	}
	defer wipe()
	text[len(text)-2] = '\n' // instead of the closing quote
	_, err = w.Write(text[1 : len(text)-1])
	return err
}
