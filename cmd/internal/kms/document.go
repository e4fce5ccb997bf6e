package kms

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/envseal/envseal/format"
	"go.yaml.in/yaml/v3"
)

// rawBytes is a binary value of a YAML document, which is not base64 any more.
type rawBytes string

// inputDocument reads --cli-input-json or --cli-input-yaml. Its values are string, rawBytes, bool,
// json.Number, nil, []any and map[string]any. A plaintext in such a document passes through
// ordinary memory.
func (o *options) inputDocument() (map[string]any, error) {
	text, isJSON := o.request[inputJSON].(string)
	other, isYAML := o.request[inputYAML].(string)
	switch {
	case isJSON && isYAML:
		return nil, exit.Errorf(exit.Usage, "", "--%s and --%s exclude each other", inputJSON, inputYAML)
	case isJSON:
		return parseInput(inputJSON, text, readJSON)
	case isYAML:
		return parseInput(inputYAML, other, readYAML)
	}
	return nil, nil
}

func parseInput(flag, arg string, parse func(string) (any, error)) (map[string]any, error) {
	text, err := textValue(flag, arg)
	if err != nil {
		return nil, err
	}
	v, err := parse(text)
	if err != nil {
		return nil, badParameter(flag, "%w", err)
	}
	doc, ok := v.(map[string]any)
	if !ok {
		return nil, badParameter(flag, "the document is not an object")
	}
	return doc, nil
}

func readJSON(text string) (any, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("invalid JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("invalid JSON: something follows the document")
	}
	if format.HasLoneSurrogate([]byte(text)) {
		return nil, fmt.Errorf("invalid JSON: %w", keys.ErrHalfCharacter)
	}
	return v, nil
}

func readYAML(text string) (any, error) {
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(text), &n); err != nil {
		return nil, err
	}
	if len(n.Content) == 0 {
		return nil, errors.New("the document is empty")
	}
	return fromYAML(n.Content[0])
}

// fromYAML gives a node the types that a JSON document has. Aliases are refused: a request needs
// none, and they can blow up a document.
func fromYAML(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			v, err := fromYAML(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			m[n.Content[i].Value] = v
		}
		return m, nil
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			v, err := fromYAML(item)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.ScalarNode:
		return scalarFromYAML(n)
	}
	return nil, fmt.Errorf("line %d: an alias", n.Line)
}

func scalarFromYAML(n *yaml.Node) (v any, err error) {
	switch n.Tag {
	case "!!null":
		return nil, nil
	case "!!bool":
		var b bool
		err = n.Decode(&b)
		return b, err
	case "!!int":
		var i int64
		err = n.Decode(&i)
		return json.Number(strconv.FormatInt(i, 10)), err
	case "!!binary":
		var s string
		err = n.Decode(&s)
		return rawBytes(s), err
	}
	return n.Value, nil
}

// typedAs reads a value of one type.
func typedAs[T any](what string) reader {
	return func(m member, v any, _ bool) (any, error) { return typed[T](m.name, v, what) }
}

// typed wants a value of one type.
func typed[T any](name string, v any, what string) (T, error) {
	t, ok := v.(T)
	if !ok {
		return t, invalidParameter(
			"Invalid type for parameter %s: it is %s, not %s", name, kindOfValue(v), what)
	}
	return t, nil
}

func kindOfValue(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case rawBytes:
		return "binary"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case []any:
		return "a list"
	}
	return "an object"
}

func wholeNumber(m member, v any, _ bool) (any, error) {
	n, err := typed[json.Number](m.name, v, "a number")
	if err != nil {
		return nil, err
	}
	i, err := n.Int64()
	if err != nil || i > math.MaxInt32 || i < math.MinInt32 {
		return nil, invalidParameter(
			"Invalid type for parameter %s: %s is not a whole number of 32 bits", m.name, n)
	}
	return int(i), nil
}

func textList(m member, v any, _ bool) (any, error) {
	items, err := typed[[]any](m.name, v, "a list")
	list := make([]string, 0, len(items))
	for i, item := range items {
		s, err := typed[string](fmt.Sprintf("%s[%d]", m.name, i), item, "a string")
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, err
}

func textPairs(m member, v any, _ bool) (any, error) {
	members, err := typed[map[string]any](m.name, v, "an object")
	pairs := make(map[string]string, len(members))
	for name, member := range members {
		s, err := typed[string](m.name+"."+name, member, "a string")
		if err != nil {
			return nil, err
		}
		pairs[name] = s
	}
	return pairs, err
}

// documentBlob is a binary value of a document: !!binary of YAML, or text as --cli-binary-format
// says. A file:// in it means nothing, as for `aws`.
func documentBlob(m member, v any, raw bool) (any, error) {
	if b, ok := v.(rawBytes); ok {
		return decodeBlob(m, []byte(b), true)
	}
	text, err := typed[string](m.name, v, "base64 text")
	if err != nil {
		return nil, err
	}
	return decodeBlob(m, []byte(text), raw)
}
