package cmd

import (
	"bytes"
	"io"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/kmsclient"
	"go.yaml.in/yaml/v3"
)

// documentPrinter says how documents are printed. The zero value prints all of them as JSON.
type documentPrinter struct {
	format string         // json, yaml or text
	query  *documentQuery // what is printed of a document, nil for all of it
}

// print prints d, or what the query finds in it. As JSON, and where the query names nothing but a
// secret, secrets stay in locked memory.
func (p documentPrinter) print(w io.Writer, d document) error {
	found, err := p.query.find(d)
	if err != nil {
		return exit.Errorf(exit.Usage, "", "--query %s: %w", p.query.text, err)
	}
	secret, isSecret := found.(kmsclient.Secret)
	switch {
	case p.format == "text" && isSecret:
		return printSecret(w, secret)
	case p.format == "text":
		return printText(w, treeOf(found))
	case p.format == "yaml":
		return printYAML(w, treeOf(found))
	}
	return printJSON(w, found)
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
