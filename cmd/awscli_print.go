package cmd

import (
	"bytes"
	"io"

	"gopkg.in/yaml.v3"
)

// documentPrinter says how documents are printed. The zero value prints all of them as JSON.
type documentPrinter struct {
	format string         // json, yaml or text
	query  *documentQuery // what is printed of a document, nil for all of it
}

// print prints d, or what the query finds in it. As JSON, and where the query names nothing but a
// secret, as the examples of AWS's documentation do, secrets stay in locked memory.
func (p documentPrinter) print(w io.Writer, d document) error {
	switch {
	case p.query != nil:
		return p.printFound(w, d)
	case p.format == "text":
		return printText(w, d.tree())
	case p.format == "yaml":
		return printYAML(w, d.tree())
	}
	return printJSON(w, d)
}

// printFound prints what the query finds.
func (p documentPrinter) printFound(w io.Writer, d document) error {
	if secret := d.secret(p.query.text); secret != nil && p.format != "yaml" {
		return printSecret(w, secret, p.format != "text")
	}
	found, err := p.query.search(d)
	if err != nil {
		return fail(exitUsage, "", "--query %s: %w", p.query.text, err)
	}
	switch p.format {
	case "text":
		return printText(w, found)
	case "yaml":
		return printYAML(w, found)
	}
	return printJSON(w, p.query.ordered(found, d))
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
