package cmd

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/envseal/envseal/kmsclient"
)

// document is an answer of KMS, or a request: members in their order. A value is a string, a bool,
// an int, a []string, a time.Time, []byte for what is public, a kmsclient.Secret, or a document;
// and in what a query found or a skeleton shows, []any, float64 and nil too.
type document []docMember

type docMember struct {
	name  string
	value any
}

// add appends a member.
func (d document) add(name string, value any) document {
	return append(d, docMember{name, value})
}

// with appends a member that is left out where it has no value.
func (d document) with(name string, value any) document {
	empty := value == nil
	switch v := value.(type) {
	case string:
		empty = v == ""
	case int:
		empty = v == 0
	case []string:
		empty = len(v) == 0
	case document:
		empty = len(v) == 0
	case time.Time:
		empty = v.IsZero()
	}
	if empty {
		return d
	}
	return d.add(name, value)
}

// secret is the key material in a member, nil where there is none.
func (d document) secret(name string) kmsclient.Secret {
	for _, m := range d {
		if s, ok := m.value.(kmsclient.Secret); ok && m.name == name {
			return s
		}
	}
	return nil
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

// onWire is the document with times as KMS sends them.
func (d document) onWire() document {
	var out document
	for _, m := range d {
		switch v := m.value.(type) {
		case time.Time:
			m.value = float64(v.UnixMilli()) / 1000
		case document:
			m.value = v.onWire()
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
