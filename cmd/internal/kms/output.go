package kms

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/envseal/envseal/cmd/internal/awscli"
	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
	"github.com/envseal/envseal/cmd/internal/ui"
)

// printer brings the answer of one operation to where the user wants it.
type printer struct {
	*options
	awscli.Printer
	op   *operation
	file *file.Output // that of plaintextOut, once it is open
}

// newPrinter reads how the answer is to be printed.
func newPrinter(op *operation, o *options) (*printer, error) {
	p := &printer{op: op, options: o}
	p.Format = cmp.Or(o.format, os.Getenv("AWS_DEFAULT_OUTPUT"), o.profile["output"], "json")
	if p.Format != "json" && p.Format != "yaml" && p.Format != "text" {
		return nil, exit.Errorf(exit.Usage, "choose json, yaml or text with --output",
			"output format %q is not supported", p.Format)
	}
	if o.query != nil {
		var err error
		if p.Query, err = awscli.CompileQuery(*o.query); err != nil {
			return nil, exit.Errorf(exit.Usage, "https://jmespath.org has the language",
				"Bad value for --query %s: %w", *o.query, err)
		}
	}
	return p, nil
}

// open prepares the places where the plaintext goes, before there is one: the file of
// --plaintext-out, or standard output, which must not be a terminal that nobody meant. A dry run
// gives none.
func (p *printer) open(dryRun bool) error {
	switch {
	case p.op.secret == "":
		return nil
	case p.plaintextOut != nil:
		return p.openFile(*p.plaintextOut)
	case dryRun || p.force || !ui.IsTerminal(os.Stdout) || !p.Query.Reaches(p.op.secret):
		return nil
	}
	return exit.Errorf(exit.Output,
		"--plaintext-out FILE writes it to a file of mode 0600; --force prints it all the same",
		"stdout: is a terminal, and the answer holds the key in %s", p.op.secret)
}

func (p *printer) openFile(target string) (err error) {
	if target == "-" || target == "" {
		return exit.Errorf(exit.Usage,
			"--query "+p.op.secret+" --output text | base64 -d gives the bytes in a pipe",
			"--plaintext-out takes the name of a file")
	}
	p.file, err = file.Create(target, file.Options{Force: p.force, Perm: 0o600, Inputs: p.files()})
	if err != nil {
		return err
	}
	if ui.IsTerminal(p.file.AsFile()) && !p.force {
		p.close()
		return exit.Errorf(exit.Output, "--force prints it all the same",
			"%s: is a terminal, and the key is binary", ui.Shown(target))
	}
	return nil
}

// close gives up a file that was not committed.
func (p *printer) close() {
	if p.file != nil {
		p.file.Abort()
	}
}

// deliver writes the plaintext to its file, and the answer to standard output. The file appears
// last: a plaintext is of no use to who has not got the rest of the answer.
func (p *printer) deliver(d awscli.Document) error {
	if secret := d.Secret(p.op.secret); p.file != nil && secret != nil {
		if _, err := p.file.Write(secret.Bytes()); err != nil {
			return err
		}
	}
	if p.file != nil || !p.Query.Reaches(p.op.secret) {
		d = d.Without(p.op.secret)
	}
	if p.profile["cli_timestamp_format"] == "wire" {
		d = d.OnWire()
	}
	if err := p.Print(file.StdoutText(), d); err != nil || p.file == nil {
		return err
	}
	return p.file.Commit()
}

// skeleton prints what a request or an answer looks like, and calls nothing.
func (p *printer) printSkeleton(kind string) error {
	w := file.StdoutText()
	switch kind {
	case "", "input":
		return awscli.PrintJSON(w, p.op.sampleRequest())
	case "yaml-input":
		return p.op.writeYAMLSample(w)
	case "output":
		return p.Print(w, p.op.answer)
	}
	return exit.Errorf(exit.Usage, "", "--%s %q is neither input, yaml-input nor output",
		flags.SkeletonFlag, kind)
}

// sampleAnswer shows texts by their names and bytes as null, as `aws` does.
func sampleAnswer(members ...string) (d awscli.Document) {
	for _, name := range members {
		switch name {
		case "CiphertextBlob", "Plaintext",
			"PublicKey", "PrivateKeyCiphertextBlob", "PrivateKeyPlaintext":
			d = d.Add(name, nil)
		default:
			d = d.Add(name, name)
		}
	}
	return d
}

// sampleRequest has every member that envseal takes, with the values that `aws` shows.
func (op *operation) sampleRequest() (d awscli.Document) {
	for _, m := range op.members {
		if m.kind != refusedMember {
			value, _ := m.samples()
			d = d.Add(m.name, value)
		}
	}
	return d
}

// writeYAMLSample says in comments what must be given.
func (op *operation) writeYAMLSample(w io.Writer) error {
	var b strings.Builder
	for _, m := range op.members {
		if m.kind == refusedMember {
			continue
		}
		need := ""
		if m.required {
			need = "[REQUIRED] "
		}
		_, text := m.samples()
		fmt.Fprintf(&b, "%s: %s  # %s%s\n", m.name, text, need, strings.ReplaceAll(m.usage, "`", ""))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// samples are what a skeleton shows for the member, in JSON and in YAML.
func (m member) samples() (value any, yaml string) {
	if m.kind == textMember {
		return m.sample, "'" + m.sample + "'"
	}
	return kinds[m.kind].sample, kinds[m.kind].yaml
}
