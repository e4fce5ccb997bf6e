// Package awscli prints documents as the aws command does: as JSON, YAML and text, and what a query
// finds in them. Secrets stay in locked memory where that can be. It asks nobody for anything, and
// knows no flag. Start at Printer.Print.
package awscli

import (
	"encoding/base64"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/envseal/envseal/kmsclient"
)

// Document is an answer of KMS, or a request: members in their order. A value is a string, a bool,
// an int, a []string, a time.Time, []byte for what is public, a kmsclient.Secret, or a document;
// and in what a query found or a skeleton shows, []any, float64 and nil too.
type Document []docMember

type docMember struct {
	name  string
	value any
}

// Add appends a member.
func (d Document) Add(name string, value any) Document {
	return append(d, docMember{name, value})
}

// With appends a member, unless its value is nil, empty, or the zero value of its type.
func (d Document) With(name string, value any) Document {
	v := reflect.ValueOf(value)
	if !v.IsValid() || v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0 {
		return d
	}
	return d.Add(name, value)
}

// Secret is the key material in a member of the document itself, nil where there is none. It stays
// the document's.
func (d Document) Secret(name string) kmsclient.Secret {
	for _, m := range d {
		if s, ok := m.value.(kmsclient.Secret); ok && m.name == name {
			return s
		}
	}
	return nil
}

// Destroy wipes the secrets. No document that shares them may be printed after it.
func (d Document) Destroy() {
	for _, m := range d {
		if s, ok := m.value.(kmsclient.Secret); ok {
			s.Destroy()
		}
	}
}

// Without is the document but for one member. It shares the secrets of the rest.
func (d Document) Without(name string) Document {
	return slices.DeleteFunc(slices.Clone(d), func(m docMember) bool { return m.name == name })
}

// OnWire is the document with times as KMS sends them: in seconds since 1970.
func (d Document) OnWire() Document {
	var out Document
	for _, m := range d {
		switch v := m.value.(type) {
		case time.Time:
			m.value = float64(v.UnixMilli()) / 1000
		case Document:
			m.value = v.OnWire()
		}
		out = append(out, m)
	}
	return out
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

// isoTime prints a time as Python's isoformat does, in the local time zone: six digits of a
// second's fraction, or none.
func isoTime(t time.Time) string {
	t = t.Round(time.Microsecond).Local()
	if t.Nanosecond() == 0 {
		return t.Format("2006-01-02T15:04:05-07:00")
	}
	return t.Format("2006-01-02T15:04:05.000000-07:00")
}

// tree is the document for the JMESPath library, for YAML and for text, in ordinary memory, secrets
// as base64 included.
func (d Document) tree() map[string]any {
	m := map[string]any{}
	for _, member := range d {
		m[member.name] = treeOf(member.value)
	}
	return m
}

func treeOf(v any) any {
	switch v := v.(type) {
	case Document:
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
func (d Document) names() []string {
	var all []string
	for _, m := range d {
		all = append(all, m.name)
		switch v := m.value.(type) {
		case Document:
			all = append(all, v.names()...)
		case []any:
			for _, item := range v {
				if inner, ok := item.(Document); ok {
					all = append(all, inner.names()...)
				}
			}
		}
	}
	return all
}

// String keeps a document, which may hold keys, from being printed by mistake.
func (d Document) String() string { return "document of " + strings.Join(d.names(), ", ") }
