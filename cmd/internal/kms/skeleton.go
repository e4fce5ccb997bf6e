package kms

import (
	"fmt"
	"io"
	"strings"

	"github.com/envseal/envseal/cmd/internal/awscli"
	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/flags"
)

// skeleton prints what a request or an answer looks like, and calls nothing.
func (p *kmsPrinter) skeleton(kind string) error {
	w := file.StdoutText()
	switch kind {
	case "", "input":
		return awscli.PrintJSON(w, p.op.sampleRequest())
	case "yaml-input":
		return p.op.writeYAMLSample(w)
	case "output":
		return p.Print(w, p.op.answer)
	}
	return exit.Errorf(exit.Usage, "", "--%s %q is neither input, yaml-input nor output", flags.SkeletonFlag, kind)
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
func (op *kmsOperation) sampleRequest() (d awscli.Document) {
	for _, m := range op.members {
		if m.kind != refusedMember {
			value, _ := m.samples()
			d = d.Add(m.name, value)
		}
	}
	return d
}

// writeYAMLSample says in comments what must be given.
func (op *kmsOperation) writeYAMLSample(w io.Writer) error {
	for _, m := range op.members {
		if m.kind == refusedMember {
			continue
		}
		need := ""
		if m.required {
			need = "[REQUIRED] "
		}
		_, text := m.samples()
		if _, err := fmt.Fprintf(w, "%s: %s  # %s%s\n", m.name, text, need, strings.ReplaceAll(m.usage, "`", "")); err != nil {
			return err
		}
	}
	return nil
}

// samples are what a skeleton shows for the member, in JSON and in YAML.
func (m kmsMember) samples() (value any, yaml string) {
	switch m.kind {
	case numberMember:
		return 0, "0"
	case flagMember:
		return true, "true"
	case listMember:
		return []string{""}, "['']"
	case pairsMember:
		return awscli.Document{}.Add("KeyName", ""), "{KeyName: ''}"
	case blobMember:
		return nil, "!!binary ''"
	}
	return m.sample, "'" + m.sample + "'"
}
