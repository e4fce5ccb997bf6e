package cmd

import (
	"fmt"
	"io"
	"strings"
)

// skeleton prints what a request or an answer looks like, and calls nothing.
func (p *kmsPrinter) skeleton(kind string) error {
	w := stdoutWriter()
	switch kind {
	case "", "input":
		return printJSON(w, p.op.sampleRequest())
	case "yaml-input":
		return p.op.writeYAMLSample(w)
	case "output":
		return p.write(w, p.op.answer)
	}
	return fail(exitUsage, "", "--%s %q is neither input, yaml-input nor output", skeletonFlag, kind)
}

// sampleRequest has every member that envseal takes, with the values that `aws` shows.
func (op *kmsOperation) sampleRequest() document {
	var d document
	for _, m := range op.members {
		if m.kind != refusedMember {
			d = append(d, docMember{m.name, m.sampleValue()})
		}
	}
	return d
}

func (m kmsMember) sampleValue() any {
	switch m.kind {
	case numberMember:
		return 0
	case flagMember:
		return true
	case listMember:
		return []string{""}
	case pairsMember:
		return document{{"KeyName", ""}}
	case blobMember:
		return nil
	}
	return m.sample
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
		if _, err := fmt.Fprintf(w, "%s: %s  # %s%s\n", m.name, m.sampleYAML(), need, strings.ReplaceAll(m.usage, "`", "")); err != nil {
			return err
		}
	}
	return nil
}

func (m kmsMember) sampleYAML() string {
	switch m.kind {
	case numberMember:
		return "0"
	case flagMember:
		return "true"
	case listMember:
		return "['']"
	case pairsMember:
		return "{KeyName: ''}"
	case blobMember:
		return "!!binary ''"
	}
	return "'" + m.sample + "'"
}
