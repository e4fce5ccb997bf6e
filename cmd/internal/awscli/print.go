package awscli

import (
	"bytes"
	"io"

	"github.com/envseal/envseal/cmd/internal/exit"
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
