package cmd

import (
	"strings"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/urfave/cli/v2"
)

// kmsRequest is what one call asks. A member that was not given has no value; the getters give its zero value then.
type kmsRequest struct {
	op     *kmsOperation
	values map[string]any // by member: string, int, bool, []string, map[string]string, or *keymem.Buffer, nil for no bytes
}

func (r *kmsRequest) has(name string) bool    { _, ok := r.values[name]; return ok }
func (r *kmsRequest) text(name string) string { v, _ := r.values[name].(string); return v }
func (r *kmsRequest) number(name string) int  { v, _ := r.values[name].(int); return v }
func (r *kmsRequest) flag(name string) bool   { v, _ := r.values[name].(bool); return v }

func (r *kmsRequest) list(name string) []string {
	v, _ := r.values[name].([]string)
	return v
}

func (r *kmsRequest) pairs(name string) map[string]string {
	v, _ := r.values[name].(map[string]string)
	return v
}

// blob gives bytes that stay valid until wipe, nil where there are none.
func (r *kmsRequest) blob(name string) []byte {
	if v, _ := r.values[name].(*keymem.Buffer); v != nil {
		return v.Bytes()
	}
	return nil
}

func (r *kmsRequest) wipe() {
	for _, v := range r.values {
		if b, _ := v.(*keymem.Buffer); b != nil {
			b.Destroy()
		}
	}
}

// readKMSRequest takes the members from the flags, and those without a flag from the input document. The caller owes the wipe.
func readKMSRequest(c *cli.Context, op *kmsOperation) (*kmsRequest, error) {
	raw, err := blobsAreRaw(c)
	if err != nil {
		return nil, err
	}
	doc, err := inputDocument(c)
	if err != nil {
		return nil, err
	}
	r := &kmsRequest{op: op, values: map[string]any{}}
	for name := range doc {
		if !op.has(name) {
			return nil, invalidParameter("Unknown parameter in input: %q, must be one of: %s", name, strings.Join(op.memberNames(), ", "))
		}
	}
	for _, m := range op.members {
		err := r.fromFlag(c, m, raw)
		if v, ok := doc[m.name]; ok && err == nil && !r.has(m.name) {
			err = r.fromDocument(m, v, raw)
		}
		if err != nil {
			r.wipe()
			return nil, err
		}
	}
	if err := r.check(); err != nil {
		r.wipe()
		return nil, err
	}
	return r, nil
}

func (op *kmsOperation) has(name string) bool {
	for _, m := range op.members {
		if m.name == name {
			return true
		}
	}
	return false
}

func (op *kmsOperation) memberNames() []string {
	var names []string
	for _, m := range op.members {
		names = append(names, m.name)
	}
	return names
}

// fromFlag sets the member if its flag was given.
func (r *kmsRequest) fromFlag(c *cli.Context, m kmsMember, raw bool) error {
	if m.kind == flagMember {
		return r.fromSwitch(c, m)
	}
	if !c.IsSet(m.flag()) {
		return nil
	}
	var v any
	var err error
	switch m.kind {
	case refusedMember:
		return notSupported(m)
	case numberMember:
		v = c.Int(m.flag())
	case listMember:
		v, err = listValue(m.flag(), c.StringSlice(m.flag()))
	case pairsMember:
		v, err = pairsValue(m.flag(), c.String(m.flag()))
	case blobMember:
		v, err = blobValue(m, c.String(m.flag()), raw)
	default:
		v, err = textValue(m.flag(), c.String(m.flag()))
	}
	if err == nil {
		r.values[m.name] = v
	}
	return err
}

// fromSwitch reads --X and --no-X. Of both, `aws` takes the last; which that was is not known here, so that both are refused.
func (r *kmsRequest) fromSwitch(c *cli.Context, m kmsMember) error {
	yes, no := c.Bool(m.flag()), c.Bool("no-"+m.flag())
	switch {
	case yes && no:
		return fail(exitUsage, "", "--%s and --no-%[1]s exclude each other", m.flag())
	case yes || no:
		r.values[m.name] = yes
	}
	return nil
}

func notSupported(m kmsMember) error {
	return fail(exitUsage, "use `aws kms` for it", "%s (%s) is not supported", m.name, m.usage)
}

// check refuses what `aws` refuses before it calls KMS.
func (r *kmsRequest) check() error {
	var missing []string
	for _, m := range r.op.members {
		if m.required && !r.has(m.name) {
			missing = append(missing, "--"+m.flag())
		}
	}
	if missing != nil {
		return fail(exitUsage, "try `envseal kms "+r.op.command()+" --help`", "the following arguments are required: %s", strings.Join(missing, ", "))
	}
	for _, m := range r.op.members {
		switch {
		case !r.has(m.name):
		case m.kind == numberMember && r.number(m.name) < 1:
			return invalidParameter("Invalid value for parameter %s, value: %d, valid min value: 1", m.name, r.number(m.name))
		case strings.HasSuffix(m.name, "KeyId") && r.text(m.name) == "":
			return invalidParameter("Invalid length for parameter %s, value: 0, valid min length: 1", m.name)
		}
	}
	return nil
}

// invalidParameter is a request that was not sent, in the words of `aws`.
func invalidParameter(format string, args ...any) error {
	return fail(exitUsage, "", "Parameter validation failed: "+format, args...)
}

// badParameter is a flag whose value cannot be read, in the words of `aws`.
func badParameter(flag, format string, args ...any) error {
	return fail(exitUsage, "", "Error parsing parameter '--"+flag+"': "+format, args...)
}
