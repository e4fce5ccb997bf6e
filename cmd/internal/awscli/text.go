package awscli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// textTable prints a tree as `aws --output text` does (AWS CLI User Guide, text output format): the
// plain values of an object on one line, in the alphabetical order of their names and with tabs
// between them; below it what is nested, each line led by its name in capitals.
type textTable struct{ b strings.Builder }

// printText prints v, a tree of map[string]any, []any and plain values.
func printText(w io.Writer, v any) error {
	var t textTable
	t.item(v, "", nil)
	_, err := io.WriteString(w, t.b.String())
	return err
}

// item prints v under a label. columns are the names that an object of a list prints, whether it
// has them or not.
func (t *textTable) item(v any, label string, columns []string) {
	switch v := v.(type) {
	case map[string]any:
		t.object(v, label, columns)
	case []any:
		t.list(v, label)
	default:
		t.b.WriteString(textOf(v) + "\n")
	}
}

func (t *textTable) object(m map[string]any, label string, columns []string) {
	var line, nested []string
	for name, v := range m {
		if isNested(v) {
			nested = append(nested, name)
		} else if columns == nil {
			line = append(line, name)
		}
	}
	if columns != nil {
		line = columns
	}
	slices.Sort(line)
	slices.Sort(nested)
	if len(line) > 0 {
		var cells []string
		if label != "" {
			cells = append(cells, strings.ToUpper(label))
		}
		for _, name := range line {
			cell := ""
			if v, ok := m[name]; ok && !isNested(v) {
				cell = textOf(v)
			}
			cells = append(cells, cell)
		}
		t.b.WriteString(strings.Join(cells, "\t") + "\n")
	}
	for _, name := range nested {
		t.item(m[name], name, nil)
	}
}

func (t *textTable) list(list []any, label string) {
	var plain, nested []any
	for _, v := range list {
		if isNested(v) {
			nested = append(nested, v)
		} else {
			plain = append(plain, v)
		}
	}
	t.plainList(plain, label)
	columns := columnsOf(nested)
	for _, v := range nested {
		t.item(v, label, columns)
	}
}

// plainList prints one line, or under a label one a value.
func (t *textTable) plainList(list []any, label string) {
	var cells []string
	for _, v := range list {
		cells = append(cells, textOf(v))
		if label != "" {
			t.b.WriteString(strings.ToUpper(label) + "\t" + textOf(v) + "\n")
		}
	}
	if label == "" && len(cells) > 0 {
		t.b.WriteString(strings.Join(cells, "\t") + "\n")
	}
}

// columnsOf are the names of all plain values in the objects of a list, nil where there is no
// object.
func columnsOf(list []any) []string {
	var columns []string
	for _, v := range list {
		m, ok := v.(map[string]any)
		if ok && columns == nil {
			columns = []string{}
		}
		for name, value := range m {
			if !isNested(value) && !slices.Contains(columns, name) {
				columns = append(columns, name)
			}
		}
	}
	return columns
}

func isNested(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

// textOf prints plain values in Python's words.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}
