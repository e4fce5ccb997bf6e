package cmd

import (
	"bytes"
	"io"
	"os"
	"time"

	"github.com/envseal/envseal/kmsclient"
	"github.com/urfave/cli/v2"
	"gopkg.in/yaml.v3"
)

// kmsPrinter prints the answer of one operation as the user wants it.
type kmsPrinter struct {
	c      *cli.Context
	op     *kmsOperation
	format string // json, yaml or text
	query  *kmsQuery
	wire   bool    // times are seconds since 1970, as on the wire
	file   *output // for the plaintext, nil where it goes into the answer
}

// newKMSPrinter reads the flags that say how the answer is printed.
func newKMSPrinter(c *cli.Context, op *kmsOperation) (*kmsPrinter, error) {
	p := &kmsPrinter{c: c, op: op, format: c.String("output"), wire: profileSetting(c, "cli_timestamp_format") == "wire"}
	if p.format == "" {
		p.format = os.Getenv("AWS_DEFAULT_OUTPUT")
	}
	if p.format == "" {
		p.format = profileSetting(c, "output")
	}
	switch p.format {
	case "":
		p.format = "json"
	case "json", "yaml", "text":
	default:
		return nil, fail(exitUsage, "choose json, yaml or text with --output", "output format %q is not supported", p.format)
	}
	if text := c.String("query"); c.IsSet("query") {
		var err error
		if p.query, err = compileQuery(text); err != nil {
			return nil, fail(exitUsage, "https://jmespath.org has the language", "Bad value for --query %s: %w", text, err)
		}
	}
	return p, nil
}

// open prepares the places where the plaintext goes, before there is one: the file of --plaintext-out, or standard output, which must not be
// a terminal that nobody meant. A dry run gives none.
func (p *kmsPrinter) open(dryRun bool) error {
	target, force := p.c.String("plaintext-out"), p.c.Bool("force")
	switch {
	case p.op.secret == "":
		return nil
	case p.c.IsSet("plaintext-out"):
		return p.openFile(target, force)
	case dryRun || force || !isTerminal(os.Stdout) || p.query != nil && !p.query.reaches(p.op.secret):
		return nil
	}
	return fail(exitOutput, "--plaintext-out FILE writes it to a file of mode 0600; --force prints it all the same",
		"stdout: is a terminal, and the answer holds the key in %s", p.op.secret)
}

func (p *kmsPrinter) openFile(target string, force bool) (err error) {
	if target == "-" || target == "" {
		return fail(exitUsage, "--query "+p.op.secret+" --output text | base64 -d gives the bytes in a pipe", "--plaintext-out takes the name of a file")
	}
	if p.file, err = createOutput(target, outputOptions{force: force, perm: 0o600, inputs: ownFilesOf(p.c)}); err != nil {
		return err
	}
	if isTerminal(p.file.File()) && !force {
		p.close()
		return fail(exitOutput, "--force prints it all the same", "%s: is a terminal, and the key is binary", shown(target))
	}
	return nil
}

// close gives up a file that was not committed.
func (p *kmsPrinter) close() {
	if p.file != nil {
		p.file.Abort()
	}
}

// print writes the plaintext to its file, and the answer to standard output. The file appears last: a plaintext is of no use to who has not got the rest of the answer.
func (p *kmsPrinter) print(d document) error {
	if p.file != nil {
		if err := p.writeFile(d); err != nil {
			return err
		}
	}
	if p.file != nil || p.query != nil && !p.query.reaches(p.op.secret) {
		d = d.without(p.op.secret)
	}
	if p.wire {
		d = d.onWire()
	}
	if err := p.write(stdoutWriter(), d); err != nil || p.file == nil {
		return err
	}
	return p.file.Commit()
}

func (p *kmsPrinter) writeFile(d document) error {
	for _, m := range d {
		if secret, ok := m.value.(kmsclient.Secret); ok {
			if _, err := p.file.Write(secret.Bytes()); err != nil {
				return err
			}
		}
	}
	return nil
}

// write prints d, or what the query finds in it.
func (p *kmsPrinter) write(w io.Writer, d document) error {
	if p.query == nil && p.format == "json" {
		return printJSON(w, d)
	}
	if secret := p.onlySecret(d); secret != nil && p.format != "yaml" {
		return printSecret(w, secret, p.format == "json")
	}
	var found any
	if p.query == nil {
		found = d.tree()
	} else {
		var err error
		if found, err = p.query.search(d); err != nil {
			return fail(exitUsage, "", "--query %s: %w", p.query.text, err)
		}
	}
	switch p.format {
	case "text":
		return printText(w, found)
	case "yaml":
		return printYAML(w, found)
	}
	return printJSON(w, p.query.ordered(found, d))
}

func printJSON(w io.Writer, v any) error {
	text, wipe, err := jsonOf(v)
	if err != nil {
		return err
	}
	defer wipe()
	_, err = w.Write(text)
	return err
}

// onlySecret is the plaintext where the query asks for it and nothing else, as the examples of AWS's documentation do; otherwise nil.
func (p *kmsPrinter) onlySecret(d document) kmsclient.Secret {
	for _, m := range d {
		if secret, ok := m.value.(kmsclient.Secret); ok && p.query != nil && p.query.text == m.name {
			return secret
		}
	}
	return nil
}

// printSecret prints a secret as base64, from locked memory, with or without the quotes of JSON.
func printSecret(w io.Writer, secret kmsclient.Secret, quoted bool) error {
	text, wipe, err := jsonOf(secret)
	if err != nil {
		return err
	}
	defer wipe()
	if !quoted {
		text[len(text)-2] = '\n'
		text = text[1 : len(text)-1]
	}
	_, err = w.Write(text)
	return err
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
