package awscli

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/jmespath/go-jmespath"
)

// Query is a compiled JMESPath expression. Nil stands for the whole document.
type Query struct {
	text string
	path *jmespath.JMESPath
}

// CompileQuery reads the JMESPath of --query.
func CompileQuery(text string) (q *Query, err error) {
	defer libraryPanic(&err)
	path, err := jmespath.Compile(text)
	if err != nil {
		return nil, err
	}
	return &Query{text: text, path: path}, nil
}

// libraryPanic makes an error of a panic: the expression comes from outside, and its library makes
// no promise.
func libraryPanic(err *error) {
	if p := recover(); p != nil {
		*err = errors.New("the expression cannot be evaluated")
	}
}

// onlyNames tells whether an expression is made of names of members, lists of them and indices:
// without wildcards, functions, filters and the like.
func onlyNames(expression string) bool {
	return ui.ConsistsOf(expression, ui.LettersAndDigits+"_.,:[]{} -")
}

// Reaches tells whether the query may look at a member of the document, which is false for "". Only
// simple queries are known not to, and no query takes them all.
func (q *Query) Reaches(member string) bool {
	if member == "" {
		return false
	}
	return q == nil || !onlyNames(q.text) || strings.Contains(q.text, member)
}

// find evaluates the query; without one it finds the document. Where it names nothing but a secret,
// as the examples of AWS's documentation do, it finds that. All else it finds is in ordinary
// memory, in the order of the document, or of the expression where that names the members.
func (q *Query) find(d Document) (found any, err error) {
	if q == nil {
		return d, nil
	}
	if secret := d.Secret(q.text); secret != nil {
		return secret, nil
	}
	defer libraryPanic(&err)
	found, err = q.path.Search(d.tree())
	return inOrder(found, append(q.hashNames(), d.names()...)), err
}

var hashName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_]*|"[^"]*")\s*:`)
})

// hashNames are the names that the expression gives to what it finds, as b and a in
// {b:KeyId,a:Arn}.
func (q *Query) hashNames() []string {
	var names []string
	for _, m := range hashName().FindAllStringSubmatch(q.text, -1) {
		names = append(names, strings.Trim(m[1], `"`))
	}
	return names
}

// inOrder turns maps into documents whose members stand in the order of names; others follow by the
// alphabet.
func inOrder(v any, names []string) any {
	switch v := v.(type) {
	case map[string]any:
		d := make(Document, 0, len(v))
		for name, value := range v {
			d = d.Add(name, inOrder(value, names))
		}
		rank := func(name string) int {
			if i := slices.Index(names, name); i >= 0 {
				return i
			}
			return len(names)
		}
		slices.SortFunc(d, func(a, b docMember) int {
			return cmp.Or(rank(a.name)-rank(b.name), strings.Compare(a.name, b.name))
		})
		return d
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = inOrder(v[i], names)
		}
		return list
	}
	return v
}
