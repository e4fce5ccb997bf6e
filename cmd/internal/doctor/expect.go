package doctor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/kmsclient"
)

// opBoth stands for both halves of ReEncrypt: allowed where both are, denied where one is.
const opBoth = "re-encrypt"

// expectation is one OPERATION=allowed|denied of --expect.
type expectation struct{ op, verdict string }

// parseExpectations reads the values of --expect.
func parseExpectations(values []string) ([]expectation, error) {
	known := []string{opDecrypt, opFrom, opTo, opBoth}
	for _, p := range probes {
		known = append(known, p.name)
	}
	var all []expectation
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			op, verdict, _ := strings.Cut(strings.TrimSpace(item), "=")
			e := expectation{op, verdict}
			switch {
			case !slices.Contains(known, op):
				slices.Sort(known)
				return nil, exit.Errorf(exit.Usage, "operations are "+strings.Join(known, ", "),
					"--expect %q: unknown operation %q", value, op)
			case verdict != verdictAllowed && verdict != verdictDenied:
				return nil, exit.Errorf(exit.Usage, "write --expect decrypt=denied",
					"--expect %q: %s is to be %q, neither %s nor %s",
					value, op, verdict, verdictAllowed, verdictDenied)
			case slices.ContainsFunc(all, func(o expectation) bool { return o.op == op && o != e }):
				return nil, exit.Errorf(exit.Usage, "", "--expect: %s cannot be both allowed and denied", op)
			}
			all = append(all, e)
		}
	}
	return all, nil
}

// verdict is that on an operation of --expect.
func (f *keyFinding) verdict(op string) operationFinding {
	if op != opBoth {
		return f.operation(op)
	}
	from, to := f.operation(opFrom), f.operation(opTo)
	for _, worse := range []string{verdictDenied, verdictRefused, verdictUnknown} {
		for _, o := range []operationFinding{from, to} {
			if o.Verdict == worse {
				o.Operation = opBoth
				return o
			}
		}
	}
	return operationFinding{Operation: opBoth, Verdict: from.Verdict}
}

// judge gives the exit code: that all is as expected, or where nothing is expected, that each key
// is good for something.
func (d *doctor) judge() error {
	for _, k := range d.keys {
		if k.problem != nil {
			return keyProblem(k.found.Key, k.problem)
		}
	}
	var beyond error // the failure that left an expectation open, where it is worth another try
	for _, e := range d.expected {
		for _, k := range d.keys {
			o := k.found.verdict(e.op)
			if o.Verdict == e.verdict {
				continue
			}
			d.found.Unmet = append(d.found.Unmet, k.unmet(e, o))
			if beyond == nil && o.Verdict == verdictUnknown && isBeyond(o.err) {
				beyond = keyProblem(k.found.Key, o.err)
			}
		}
	}
	switch {
	case beyond != nil:
		return beyond
	case len(d.found.Unmet) > 0:
		return exit.Errorf(exit.Policy, "", "not as expected: %s", strings.Join(d.found.Unmet, "; "))
	case len(d.expected) > 0:
		return nil
	case len(d.keys) == 0:
		return d.judgeServices()
	}
	for _, k := range d.keys {
		if !k.found.usable() && k.refusal != nil {
			return keyProblem(k.found.Key, k.refusal)
		}
	}
	return nil
}

func (k *keyCheck) unmet(e expectation, o operationFinding) string {
	text := fmt.Sprintf("%s: %s is %s", ui.PlainText(k.found.Key), e.op, o.Verdict)
	if o.Reason != "" && o.Verdict != verdictDenied {
		text += " (" + o.Reason + ")"
	}
	return text + ", expected " + e.verdict
}

// judgeServices is the judgement where no key is named: one key service is enough.
func (d *doctor) judgeServices() error {
	switch {
	case d.noIdentity == nil || d.noStore == nil:
		return nil
	case errors.Is(d.noIdentity, kmsclient.ErrInvalidRequest):
		return exit.Errorf(exit.Usage, "", "%w", d.noIdentity)
	}
	return d.noIdentity
}

// keyProblem names the key as the user did.
func keyProblem(key string, err error) error {
	if e := (*exit.Error)(nil); errors.As(err, &e) {
		return err
	}
	return fmt.Errorf("%s: cannot be used: %w", ui.PlainText(key), err)
}
