package kms

import (
	"fmt"
	"strings"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

// request is what one call asks. A member that was not given has no value; the getters give its
// zero value then.
type request struct {
	op *operation
	// values by member: string, int, bool, []string, map[string]string, or *keymem.Buffer, which is
	// nil for no bytes.
	values map[string]any
}

func (r *request) has(name string) bool    { _, ok := r.values[name]; return ok }
func (r *request) text(name string) string { v, _ := r.values[name].(string); return v }
func (r *request) number(name string) int  { v, _ := r.values[name].(int); return v }
func (r *request) dryRun() bool            { v, _ := r.values[dryRunMember.name].(bool); return v }

func (r *request) pairs(name string) map[string]string {
	v, _ := r.values[name].(map[string]string)
	return v
}

// blob gives bytes that stay valid until wipe, nil where there are none.
func (r *request) blob(name string) []byte {
	if v, _ := r.values[name].(*keymem.Buffer); v != nil {
		return v.Bytes()
	}
	return nil
}

func (r *request) wipe() {
	for _, v := range r.values {
		if b, _ := v.(*keymem.Buffer); b != nil {
			b.Destroy()
		}
	}
}

func (r *request) options() kmsclient.Options {
	tokens, _ := r.values[grantTokensMember.name].([]string)
	return kmsclient.Options{GrantTokens: tokens, DryRun: r.dryRun()}
}

// readRequest takes the members from the flags, and those without a flag from the input document.
// The caller owes the wipe.
func readRequest(op *operation, o *options) (*request, error) {
	raw, err := o.blobsAreRaw()
	if err != nil {
		return nil, err
	}
	doc, err := o.inputDocument()
	if err != nil {
		return nil, err
	}
	for name := range doc {
		if !op.has(name) {
			return nil, invalidParameter("Unknown parameter in input: %q, must be one of: %s",
				name, strings.Join(op.memberNames(), ", "))
		}
	}
	r := &request{op: op, values: map[string]any{}}
	if err := r.read(o.request, doc, raw); err != nil {
		r.wipe()
		return nil, err
	}
	return r, nil
}

// read sets the members, and refuses what is missing or wrong.
func (r *request) read(given, doc map[string]any, raw bool) (err error) {
	for _, m := range r.op.members {
		if v, ok := given[m.flag()]; ok {
			err = r.set(m, kinds[m.kind].fromFlag, v, raw)
		} else if v, ok := doc[m.name]; ok {
			err = r.set(m, kinds[m.kind].fromDocument, v, raw)
		}
		if err != nil {
			return err
		}
	}
	return r.check()
}

func (r *request) set(m member, read reader, v any, raw bool) error {
	value, err := read(m, v, raw)
	if err == nil {
		r.values[m.name] = value
	}
	return err
}

// check refuses what `aws` refuses before it calls KMS.
func (r *request) check() error {
	var missing []string
	for _, m := range r.op.members {
		if m.required && !r.has(m.name) {
			missing = append(missing, "--"+m.flag())
		}
	}
	if missing != nil {
		return exit.Errorf(exit.Usage, "try `envseal kms "+r.op.command()+" --help`",
			"the following arguments are required: %s", strings.Join(missing, ", "))
	}
	for _, m := range r.op.members {
		switch {
		case !r.has(m.name):
		case m.kind == numberMember && r.number(m.name) < 1:
			return invalidParameter("Invalid value for parameter %s, value: %d, valid min value: 1",
				m.name, r.number(m.name))
		case strings.HasSuffix(m.name, "KeyId") && r.text(m.name) == "":
			return invalidParameter("Invalid length for parameter %s, value: 0, valid min length: 1",
				m.name)
		}
	}
	return nil
}

// constraints refuses what KMS refuses and the clients do not send, since they have to know the
// length of what is asked for.
func (r *request) constraints() error {
	for _, m := range r.op.members {
		switch n := len(r.blob(m.name)); {
		case m.kind != blobMember:
		case !r.has(m.name):
			return r.breaks(m.name, "null", "Member must not be null")
		case n == 0:
			return r.breaks(m.name, "", "Member must have length greater than or equal to 1")
		case n > m.most:
			return r.breaks(m.name, "",
				fmt.Sprintf("Member must have length less than or equal to %d", m.most))
		}
	}
	if r.op.has(numberOfBytesMember.name) {
		return r.checkLength()
	}
	return nil
}

// checkLength wants one of KeySpec and NumberOfBytes.
func (r *request) checkLength() error {
	spec, n := r.text("KeySpec"), r.number("NumberOfBytes")
	switch {
	case r.has("KeySpec") && spec != kmsclient.AES128 && spec != kmsclient.AES256:
		return r.breaks("KeySpec", "'"+spec+"'",
			"Member must satisfy enum value set: [AES_256, AES_128]")
	case n > kmsclient.MaxDataKey:
		return r.breaks("NumberOfBytes", fmt.Sprintf("'%d'", n),
			fmt.Sprintf("Member must have value less than or equal to %d", kmsclient.MaxDataKey))
	case r.has("KeySpec") == r.has("NumberOfBytes"):
		return r.notValid("Please specify either number of bytes or key spec.")
	}
	return nil
}

// breaks is the refusal of a member that breaks a constraint of KMS, in the words of KMS. value is
// empty where the member may be secret.
func (r *request) breaks(member, value, constraint string) error {
	if value != "" {
		value += " "
	}
	return r.notValid(fmt.Sprintf(
		"1 validation error detected: Value %sat '%s' failed to satisfy constraint: %s",
		value, strings.ToLower(member[:1])+member[1:], constraint))
}

func (r *request) notValid(message string) error {
	return &kmsclient.Error{
		Op: r.op.name, KeyID: r.text("KeyId"), Code: "ValidationException",
		Kind: kmsclient.ErrInvalidRequest, Message: message,
	}
}

// invalidParameter is a request that was not sent, in the words of `aws`.
func invalidParameter(format string, args ...any) error {
	return exit.Errorf(exit.Usage, "", "Parameter validation failed: "+format, args...)
}

// badParameter is a flag whose value cannot be read, in the words of `aws`.
func badParameter(flag, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return exit.Errorf(exit.Usage, keys.ContextHint(err, ""),
		"Error parsing parameter '--%s': %w", flag, err)
}
