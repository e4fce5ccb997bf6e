package kms

import (
	"cmp"
	"os"

	"github.com/envseal/envseal/cmd/internal/awscli"
	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/ui"
)

// kmsPrinter prints the answer of one operation as the user wants it.
type kmsPrinter struct {
	awscli.Printer
	op           *kmsOperation
	own          []file.Guarded // what no file may replace
	wire         bool           // times are seconds since 1970, as on the wire
	plaintextOut *string        // the file for the plaintext, nil where it goes into the answer
	force        bool           // show a plaintext on a terminal, replace its file
	file         *file.Output   // that of plaintextOut, once it is open
}

// newKMSPrinter reads how the answer is to be printed.
func newKMSPrinter(op *kmsOperation, o *kmsOptions) (*kmsPrinter, error) {
	p := &kmsPrinter{op: op, plaintextOut: o.plaintextOut, force: o.force, own: o.files()}
	p.wire = profileSetting(o.aws.Profile, "cli_timestamp_format") == "wire"
	p.Format = cmp.Or(o.format, os.Getenv("AWS_DEFAULT_OUTPUT"),
		profileSetting(o.aws.Profile, "output"), "json")
	if p.Format != "json" && p.Format != "yaml" && p.Format != "text" {
		return nil, exit.Errorf(exit.Usage, "choose json, yaml or text with --output", "output format %q is not supported", p.Format)
	}
	if o.query != nil {
		var err error
		if p.Query, err = awscli.CompileQuery(*o.query); err != nil {
			return nil, exit.Errorf(exit.Usage, "https://jmespath.org has the language", "Bad value for --query %s: %w", *o.query, err)
		}
	}
	return p, nil
}

// open prepares the places where the plaintext goes, before there is one: the file of
// --plaintext-out, or standard output, which must not be a terminal that nobody meant. A dry run
// gives none.
func (p *kmsPrinter) open(dryRun bool) error {
	switch {
	case p.op.secret == "":
		return nil
	case p.plaintextOut != nil:
		return p.openFile(*p.plaintextOut)
	case dryRun || p.force || !ui.IsTerminal(os.Stdout) || !p.Query.Reaches(p.op.secret):
		return nil
	}
	return exit.Errorf(exit.Output, "--plaintext-out FILE writes it to a file of mode 0600; --force prints it all the same",
		"stdout: is a terminal, and the answer holds the key in %s", p.op.secret)
}

func (p *kmsPrinter) openFile(target string) (err error) {
	if target == "-" || target == "" {
		return exit.Errorf(exit.Usage, "--query "+p.op.secret+" --output text | base64 -d gives the bytes in a pipe", "--plaintext-out takes the name of a file")
	}
	p.file, err = file.Create(target,
		file.Options{Force: p.force, Perm: 0o600, Inputs: p.own})
	if err != nil {
		return err
	}
	if ui.IsTerminal(p.file.AsFile()) && !p.force {
		p.close()
		return exit.Errorf(exit.Output, "--force prints it all the same", "%s: is a terminal, and the key is binary", ui.Shown(target))
	}
	return nil
}

// close gives up a file that was not committed.
func (p *kmsPrinter) close() {
	if p.file != nil {
		p.file.Abort()
	}
}

// deliver writes the plaintext to its file, and the answer to standard output. The file appears
// last: a plaintext is of no use to who has not got the rest of the answer.
func (p *kmsPrinter) deliver(d awscli.Document) error {
	if secret := d.Secret(p.op.secret); p.file != nil && secret != nil {
		if _, err := p.file.Write(secret.Bytes()); err != nil {
			return err
		}
	}
	if p.file != nil || !p.Query.Reaches(p.op.secret) {
		d = d.Without(p.op.secret)
	}
	if p.wire {
		d = d.OnWire()
	}
	if err := p.Print(file.StdoutText(), d); err != nil || p.file == nil {
		return err
	}
	return p.file.Commit()
}
