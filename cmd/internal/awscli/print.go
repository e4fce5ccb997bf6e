package awscli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
	"go.yaml.in/yaml/v3"
)

// Printer says how documents are printed. The zero value prints all of them as JSON.
type Printer struct {
	Format string // json, yaml or text
	Query  *Query // what is printed of a document, nil for all of it
}

// Print prints d, or what the query finds in it. As JSON, and where the query names nothing but a
// secret, secrets stay in locked memory.
func (p Printer) Print(w io.Writer, d Document) error {
	found, err := p.Query.find(d)
	if err != nil {
		return exit.Errorf(exit.Usage, "", "--query %s: %w", p.Query.text, err)
	}
	secret, isSecret := found.(kmsclient.Secret)
	switch {
	case p.Format == "text" && isSecret:
		return printSecret(w, secret)
	case p.Format == "text":
		return printText(w, treeOf(found))
	case p.Format == "yaml":
		return printYAML(w, treeOf(found))
	}
	return PrintJSON(w, found)
}

func printYAML(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := b.WriteTo(w)
	return err
}

// jsonIndent is that of `aws`.
const jsonIndent = "    "

// jsonText is JSON in the making. Secrets stay where they are until it is printed.
type jsonText struct {
	text    bytes.Buffer // without the secrets
	secrets []secretAt
}

// secretAt is a secret, which goes into text as base64 behind so many bytes.
type secretAt struct {
	kmsclient.Secret
	at int
}

// layout sets out v as `aws` prints it: four spaces, nothing escaped that need not be.
func (t *jsonText) layout(v any, indent string) {
	switch v := v.(type) {
	case Document:
		t.block('{', '}', indent, len(v), func(i int, inner string) {
			t.scalar(v[i].name)
			t.text.WriteString(": ")
			t.layout(v[i].value, inner)
		})
	case []any:
		t.block('[', ']', indent, len(v), func(i int, inner string) { t.layout(v[i], inner) })
	case []string:
		t.block('[', ']', indent, len(v), func(i int, _ string) { t.scalar(v[i]) })
	case kmsclient.Secret:
		t.text.WriteByte('"')
		t.secrets = append(t.secrets, secretAt{v, t.text.Len()})
		t.text.WriteByte('"')
	default:
		t.scalar(plainValue(v))
	}
}

// block sets out n things between brackets.
func (t *jsonText) block(open, end byte, indent string, n int, item func(i int, inner string)) {
	t.text.WriteByte(open)
	inner := indent + jsonIndent
	for i := range n {
		if i > 0 {
			t.text.WriteByte(',')
		}
		t.text.WriteString("\n" + inner)
		item(i, inner)
	}
	if n > 0 {
		t.text.WriteString("\n" + indent)
	}
	t.text.WriteByte(end)
}

// scalar writes a string, a number, a boolean or null.
func (t *jsonText) scalar(v any) {
	enc := json.NewEncoder(&t.text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil { // a number that JSON does not have
		t.text.WriteString("null\n")
	}
	t.text.Truncate(t.text.Len() - 1) // the newline
}

// jsonOf is v as JSON in a line or more. Where it holds a secret, all of it lies in locked memory.
// The caller calls wipe when it is printed.
func jsonOf(v any) (text []byte, wipe func(), err error) {
	t := &jsonText{}
	t.layout(v, "")
	t.text.WriteByte('\n')
	plain := t.text.Bytes()
	if t.secrets == nil {
		return plain, func() {}, nil
	}
	size := len(plain)
	for _, s := range t.secrets {
		size += base64.StdEncoding.EncodedLen(len(s.Bytes()))
	}
	buf, err := keymem.New(size)
	if err != nil {
		return nil, nil, err
	}
	keymem.Do(func() {
		begin := 0
		text = buf.Bytes()[:0]
		for _, s := range t.secrets {
			text = append(text, plain[begin:s.at]...)
			text = base64.StdEncoding.AppendEncode(text, s.Bytes())
			begin = s.at
		}
		text = append(text, plain[begin:]...)
	})
	return text, buf.Destroy, nil
}

// PrintJSON prints v, a Document or what it may have for a value, as `aws` does. Secrets go from
// locked memory straight to w.
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
