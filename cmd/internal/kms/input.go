package kms

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

// kmsRequest is what one call asks. A member that was not given has no value; the getters give its
// zero value then.
type kmsRequest struct {
	op *kmsOperation
	// values by member: string, int, bool, []string, map[string]string, or *keymem.Buffer, which is
	// nil for no bytes.
	values map[string]any
}

func (r *kmsRequest) has(name string) bool    { _, ok := r.values[name]; return ok }
func (r *kmsRequest) text(name string) string { v, _ := r.values[name].(string); return v }
func (r *kmsRequest) number(name string) int  { v, _ := r.values[name].(int); return v }
func (r *kmsRequest) flag(name string) bool   { v, _ := r.values[name].(bool); return v }

func (r *kmsRequest) list(name string) []string { v, _ := r.values[name].([]string); return v }

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

func (r *kmsRequest) options() kmsclient.Options {
	return kmsclient.Options{GrantTokens: r.list("GrantTokens"), DryRun: r.flag("DryRun")}
}

// readKMSRequest takes the members from the flags, and those without a flag from the input
// document. The caller owes the wipe.
func readKMSRequest(op *kmsOperation, o *kmsOptions) (*kmsRequest, error) {
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
			return nil, invalidParameter("Unknown parameter in input: %q, must be one of: %s", name, strings.Join(op.memberNames(), ", "))
		}
	}
	r := &kmsRequest{op: op, values: map[string]any{}}
	if err := r.read(o.members, doc, raw); err != nil {
		r.wipe()
		return nil, err
	}
	return r, nil
}

// read sets the members, and refuses what is missing or wrong.
func (r *kmsRequest) read(given map[string]givenMember, doc map[string]any, raw bool) error {
	for _, m := range r.op.members {
		var err error
		if g, ok := given[m.name]; ok {
			err = r.fromFlag(m, g, raw)
		} else if v, ok := doc[m.name]; ok {
			err = r.fromDocument(m, v, raw)
		}
		if err != nil {
			return err
		}
	}
	return r.check()
}

func (op *kmsOperation) has(name string) bool {
	return slices.Contains(op.memberNames(), name)
}

func (op *kmsOperation) memberNames() []string {
	var names []string
	for _, m := range op.members {
		names = append(names, m.name)
	}
	return names
}

// fromFlag sets the member to the value of its flag.
func (r *kmsRequest) fromFlag(m kmsMember, given givenMember, raw bool) error {
	var v any
	var err error
	switch m.kind {
	case refusedMember:
		return notSupported(m)
	case numberMember:
		v = given.number
	case flagMember:
		// Of both, `aws` takes the last; which that was is not known here.
		if given.yes && given.no {
			return exit.Errorf(exit.Usage, "", "--%s and --no-%[1]s exclude each other", m.flag())
		}
		v = given.yes
	case listMember:
		v, err = listValue(m.flag(), given.list)
	case pairsMember:
		v, err = pairsValue(m.flag(), given.text)
	case blobMember:
		v, err = blobValue(m, given.text, raw)
	default:
		v, err = textValue(m.flag(), given.text)
	}
	if err == nil {
		r.values[m.name] = v
	}
	return err
}

func notSupported(m kmsMember) error {
	return exit.Errorf(exit.Usage, "use `aws kms` for it", "%s (%s) is not supported", m.name, m.usage)
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
		return exit.Errorf(exit.Usage, "try `envseal kms "+r.op.command()+" --help`", "the following arguments are required: %s", strings.Join(missing, ", "))
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

// constraints refuses what KMS refuses and the clients do not send, since they have to know the
// length of what is asked for.
func (r *kmsRequest) constraints() error {
	for _, m := range r.op.members {
		if m.kind != blobMember {
			continue
		}
		if err := r.checkBytes(m); err != nil {
			return err
		}
	}
	if r.op.has(numberOfBytesMember.name) {
		return r.checkLength()
	}
	return nil
}

// checkBytes refuses a binary member that is missing, empty or too long.
func (r *kmsRequest) checkBytes(m kmsMember) error {
	switch n := len(r.blob(m.name)); {
	case !r.has(m.name):
		return r.breaks(m.name, "null", "Member must not be null")
	case n == 0:
		return r.breaks(m.name, "", "Member must have length greater than or equal to 1")
	case n > m.most:
		return r.breaks(m.name, "", "Member must have length less than or equal to "+strconv.Itoa(m.most))
	}
	return nil
}

// checkLength wants one of KeySpec and NumberOfBytes.
func (r *kmsRequest) checkLength() error {
	spec, n := r.text("KeySpec"), r.number("NumberOfBytes")
	switch {
	case r.has("KeySpec") && spec != kmsclient.AES128 && spec != kmsclient.AES256:
		return r.breaks("KeySpec", "'"+spec+"'", "Member must satisfy enum value set: [AES_256, AES_128]")
	case n > kmsclient.MaxDataKey:
		return r.breaks("NumberOfBytes", "'"+strconv.Itoa(n)+"'", "Member must have value less than or equal to "+strconv.Itoa(kmsclient.MaxDataKey))
	case r.has("KeySpec") == r.has("NumberOfBytes"):
		return r.notValid("Please specify either number of bytes or key spec.")
	}
	return nil
}

// breaks is the refusal of a member that breaks a constraint of KMS, in the words of KMS. value is
// empty where the member may be secret.
func (r *kmsRequest) breaks(member, value, constraint string) error {
	if value != "" {
		value += " "
	}
	return r.notValid(fmt.Sprintf("1 validation error detected: Value %sat '%s' failed to satisfy constraint: %s",
		value, strings.ToLower(member[:1])+member[1:], constraint))
}

func (r *kmsRequest) notValid(message string) error {
	return &kmsclient.Error{Op: r.op.name, KeyID: r.text("KeyId"), Code: "ValidationException", Kind: kmsclient.ErrInvalidRequest, Message: message}
}

// invalidParameter is a request that was not sent, in the words of `aws`.
func invalidParameter(format string, args ...any) error {
	return exit.Errorf(exit.Usage, "", "Parameter validation failed: "+format, args...)
}

// badParameter is a flag whose value cannot be read, in the words of `aws`.
func badParameter(flag, format string, args ...any) error {
	return exit.Errorf(exit.Usage, "", "Error parsing parameter '--"+flag+"': "+format, args...)
}
