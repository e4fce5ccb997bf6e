package cmd

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

// document is an answer of KMS: members in their order. A value is a string, a bool, a []string, a time.Time, []byte for what is public, a
// kmsclient.Secret, or a document; and in what a query found or a skeleton shows, []any, float64 and nil too.
type document []docMember

type docMember struct {
	name  string
	value any
}

// with appends a text that is left out where it is empty.
func (d document) with(name, text string) document {
	if text == "" {
		return d
	}
	return append(d, docMember{name, text})
}

// destroy wipes the secrets.
func (d document) destroy() {
	for _, m := range d {
		if s, ok := m.value.(kmsclient.Secret); ok {
			s.Destroy()
		}
	}
}

// without is the document but for one member.
func (d document) without(name string) document {
	var rest document
	for _, m := range d {
		if m.name != name {
			rest = append(rest, m)
		}
	}
	return rest
}

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
	case document:
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

// jsonOf is v as JSON in a line or more. Where it holds a secret, all of it lies in locked memory. The caller calls wipe when it is printed.
func jsonOf(v any) (text []byte, wipe func(), err error) {
	t := &jsonText{}
	t.layout(v, "")
	t.current.WriteByte('\n')
	t.cut()
	if !t.secret {
		return bytes.Join(asBytes(t.parts), nil), func() {}, nil
	}
	buf, err := keymem.New(t.size)
	if err != nil {
		return nil, nil, err
	}
	keymem.Do(func() {
		at := buf.Bytes()[:0]
		for _, p := range t.parts {
			switch p := p.(type) {
			case []byte:
				at = append(at, p...)
			case kmsclient.Secret:
				at = base64.StdEncoding.AppendEncode(at, p.Bytes())
			}
		}
	})
	return buf.Bytes(), buf.Destroy, nil
}

func asBytes(parts []any) (all [][]byte) {
	for _, p := range parts {
		if b, ok := p.([]byte); ok {
			all = append(all, b)
		}
	}
	return all
}

// plainValue gives what is not JSON's own the form that `aws` prints.
func plainValue(v any) any {
	switch v := v.(type) {
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	case time.Time:
		return isoTime(v)
	}
	return v
}

// isoTime prints a time as Python's isoformat does, in the local time zone: six digits of a second's fraction, or none.
func isoTime(t time.Time) string {
	t = t.Round(time.Microsecond).Local()
	if t.Nanosecond() == 0 {
		return t.Format("2006-01-02T15:04:05-07:00")
	}
	return t.Format("2006-01-02T15:04:05.000000-07:00")
}

// tree is the document for the JMESPath library, for YAML and for text, in ordinary memory, secrets as base64 included.
func (d document) tree() map[string]any {
	m := map[string]any{}
	for _, member := range d {
		m[member.name] = treeOf(member.value)
	}
	return m
}

func treeOf(v any) any {
	switch v := v.(type) {
	case document:
		return v.tree()
	case []any:
		return treesOf(v)
	case []string:
		return treesOf(v)
	case kmsclient.Secret:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	case int:
		return float64(v) // all numbers of JMESPath are
	}
	return plainValue(v)
}

func treesOf[T any](values []T) []any {
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = treeOf(v)
	}
	return list
}

// names are those of all members, at every depth, in their order.
func (d document) names() []string {
	var all []string
	for _, m := range d {
		all = append(all, m.name)
		switch v := m.value.(type) {
		case document:
			all = append(all, v.names()...)
		case []any:
			for _, item := range v {
				if inner, ok := item.(document); ok {
					all = append(all, inner.names()...)
				}
			}
		}
	}
	return all
}

// String keeps a document, which may hold keys, from being printed by mistake.
func (d document) String() string { return "document of " + strings.Join(d.names(), ", ") }
