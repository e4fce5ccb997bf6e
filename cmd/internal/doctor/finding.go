package doctor

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/kmsclient"
)

// Verdicts on an operation.
const (
	verdictAllowed = "allowed"
	verdictDenied  = "denied"  // permission is missing
	verdictRefused = "refused" // for another reason: state, usage, no such key
	verdictUnknown = "unknown"
)

// States of the embedded keystore, beside the words of an error.
const (
	storeOpens  = "opens"
	storeNone   = "none"
	storeSealed = "needs a passphrase"
)

// diagnosis is what doctor found, and what doctor --json prints. The names are those of AWS where
// it has them.
type diagnosis struct {
	Identity      *diagnosedCaller `json:",omitempty"`
	IdentityError string           `json:",omitempty"`
	Region        string           `json:",omitempty"` // of calls that name no ARN
	Endpoint      string           `json:",omitempty"` // of that Region
	// positive where this machine's clock is behind
	ClockSkew *float64 `json:"ClockSkewSeconds,omitempty"`
	Keystore  struct {
		Path  string
		State string
		Keys  int
		Hint  string `json:",omitempty"`
	}
	Keys  []*keyFinding `json:",omitempty"`
	Unmet []string      `json:",omitempty"` // expectations
}

type diagnosedCaller struct {
	Account string
	ARN     string `json:"Arn"`
	UserID  string `json:"UserId"`
}

// keyFinding is what was found of one key. Members that KMS did not tell are left out.
type keyFinding struct {
	Key                      string              // as it was named
	ARN                      string              `json:"Arn,omitempty"`
	KeyState                 string              `json:",omitempty"`
	KeySpec                  string              `json:",omitempty"`
	KeyUsage                 string              `json:",omitempty"`
	MultiRegion              *bool               `json:",omitempty"`
	MultiRegionConfiguration *multiRegionFinding `json:",omitempty"`
	Endpoint                 string              `json:",omitempty"`
	// why the key could not be examined
	Problem    string `json:",omitempty"`
	Hint       string `json:",omitempty"`
	Operations []operationFinding
}

// multiRegionFinding has key ARNs.
type multiRegionFinding struct {
	MultiRegionKeyType string
	PrimaryKey         string
	ReplicaKeys        []string
}

type operationFinding struct {
	Operation string
	Verdict   string
	Reason    string `json:",omitempty"`

	notDry bool // the service did it in earnest, so that the caller may
	err    error
}

// note takes down the answer to a dry run, which where it is none was no dry run.
func (k *keyCheck) note(op string, err error) {
	f := operationFinding{Operation: op, Verdict: verdictRefused, err: err}
	switch {
	case errors.Is(err, kmsclient.ErrDryRun):
		f.Verdict = verdictAllowed
	case err == nil || errors.Is(err, kmsclient.ErrNotDryRun):
		f.Verdict, f.Reason, f.notDry = verdictUnknown, "this endpoint does not know DryRun", true
	case errors.Is(err, kmsclient.ErrAccessDenied):
		f.Verdict, f.Reason = verdictDenied, reasonOf(err)
	case isBeyond(err), errors.Is(err, kmsclient.ErrIncorrectKey),
		errors.Is(err, kmsclient.ErrBadAnswer):
		f.Verdict, f.Reason = verdictUnknown, reasonOf(err)
	default:
		f.Reason = reasonOf(err)
	}
	if op != opDescribe && f.Verdict != verdictAllowed && !f.notDry && k.refusal == nil {
		k.refusal = err
	}
	k.found.Operations = append(k.found.Operations, f)
}

func (k *keyCheck) unknown(op, why string) {
	k.found.Operations = append(k.found.Operations,
		operationFinding{Operation: op, Verdict: verdictUnknown, Reason: why})
}

// isBeyond tells of a failure that says nothing about the key: nobody answered, or not to this
// caller.
func isBeyond(err error) bool {
	return errors.Is(err, kmsclient.ErrUnavailable) || errors.Is(err, kmsclient.ErrThrottled) ||
		errors.Is(err, kmsclient.ErrCredentials)
}

// operation finds what was found of an operation.
func (f *keyFinding) operation(name string) operationFinding {
	for _, o := range f.Operations {
		if o.Operation == name {
			return o
		}
	}
	return operationFinding{Operation: name, Verdict: verdictUnknown, Reason: f.Problem}
}

// usable tells whether anything can be done with the key.
func (f *keyFinding) usable() bool {
	for _, o := range f.Operations {
		if o.Operation != opDescribe && (o.Verdict == verdictAllowed || o.notDry) {
			return true
		}
	}
	return false
}

// reasonOf is what the key service said, without the operation and the key, which stand beside it.
func reasonOf(err error) string {
	var e *kmsclient.Error
	if !errors.As(err, &e) {
		return ui.OneLine(err)
	}
	short := *e
	short.Op, short.KeyID = "", ""
	return strings.TrimPrefix(ui.OneLine(&short), ": ")
}

func hintFor(err error) string {
	_, hint := exit.Explain(err)
	return hint
}

// write prints it as JSON, or for people.
func (d *diagnosis) write(w io.Writer, asJSON bool) error {
	if asJSON {
		return ui.WriteIndented(w, d)
	}
	var b strings.Builder
	d.print(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// rows prints names with their values, those that have one.
func rows(b *strings.Builder, format string) func(name, value string) {
	return func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, format, name, ui.Printable(value))
		}
	}
}

func (d *diagnosis) print(b *strings.Builder) {
	row := rows(b, "%-14s %s\n")
	if d.Identity != nil {
		row("identity", d.Identity.ARN)
		row("account", d.Identity.Account)
	}
	if d.IdentityError != "" {
		row("identity", "unknown: "+d.IdentityError)
	}
	row("Region", d.Region)
	if d.Region == "" && (d.Identity != nil || d.IdentityError != "") {
		row("Region",
			"none: name keys by their ARN, or set --region, AWS_REGION or region in the profile")
	}
	row("endpoint", d.Endpoint)
	if d.ClockSkew != nil {
		row("clock", clockText(*d.ClockSkew))
	}
	if d.Keystore.Path != "" {
		row("keystore", d.Keystore.State+", "+d.Keystore.Path)
	}
	if d.Keystore.State == storeOpens {
		row("keys in it", strconv.Itoa(d.Keystore.Keys))
	}
	row("hint", d.Keystore.Hint)
	for _, k := range d.Keys {
		k.print(b, d.IdentityError)
	}
}

// clockText says which clock is late, and what to do. Requests are signed with a time, which KMS
// accepts for five minutes.
func clockText(ahead float64) string {
	by := time.Duration(ahead * float64(time.Second))
	text := fmt.Sprintf("%v behind the service's", by)
	if by < 0 {
		text = fmt.Sprintf("%v ahead of the service's", -by)
	}
	switch {
	case by.Abs() <= 2*time.Second:
		return "in step with the service's"
	case by.Abs() >= time.Minute:
		return text + ": set it, signatures are good for 5 minutes"
	}
	return text
}

// print leaves out what has been said of the identity.
func (f *keyFinding) print(b *strings.Builder, said string) {
	fmt.Fprintf(b, "key %s\n", ui.Printable(f.Key))
	row := rows(b, "  %-12s %s\n")
	row("ARN", f.ARN)
	row("state", f.KeyState)
	row("spec", f.KeySpec)
	row("usage", f.KeyUsage)
	if f.MultiRegion != nil {
		row("multi-Region", f.multiRegionText())
	}
	row("endpoint", f.Endpoint)
	problem := f.Problem
	if problem == said && said != "" {
		problem = "no identity: see above"
	}
	row("problem", problem)
	operation := rows(b, "  %-41s %s\n")
	for _, o := range f.Operations {
		text := o.Verdict
		if o.Reason != "" {
			text += ": " + o.Reason
		}
		operation(o.Operation, text)
	}
	row("hint", f.Hint)
}

func (f *keyFinding) multiRegionText() string {
	c := f.MultiRegionConfiguration
	switch {
	case !*f.MultiRegion:
		return "no"
	case c == nil:
		return "yes"
	case c.MultiRegionKeyType == kmsclient.ReplicaKey:
		return "replica of " + c.PrimaryKey
	case len(c.ReplicaKeys) == 0:
		return "primary key, without replicas"
	}
	return "primary key, replicas " + strings.Join(c.ReplicaKeys, " ")
}
