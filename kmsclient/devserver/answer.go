package devserver

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

// answer is a JSON object, written by hand member after member. One with keys lies in memory from
// keymem and never grows, so that no copy of a key stays on the heap.
type answer struct {
	b      []byte
	secret *keymem.Buffer // nil for an answer without keys
	fault  *Fault         // may falsify members; nil for none
	fresh  bool           // no member since the last {
	err    error
}

// newAnswer starts an answer without keys.
func newAnswer(f *Fault) *answer {
	return &answer{b: append(make([]byte, 0, 1024), '{'), fault: f, fresh: true}
}

// newSecretAnswer starts an answer with keys. It has room for blobs of these lengths and a kilobyte
// of text beside a key ARN.
func newSecretAnswer(f *Fault, blobs ...[]byte) (*answer, error) {
	n := 4096
	for _, b := range blobs {
		n += base64.StdEncoding.EncodedLen(len(b))
	}
	buf, err := keymem.New(n)
	if err != nil {
		return nil, err
	}
	return &answer{b: append(buf.Bytes()[:0:n], '{'), secret: buf, fault: f, fresh: true}, nil
}

// finish closes the object. The bytes stay valid until wipe.
func (a *answer) finish() ([]byte, error) {
	a.raw("}")
	return a.b, a.err
}

// wipe ends the answer and overwrites it.
func (a *answer) wipe() {
	keymem.Wipe(a.b)
	if a.secret != nil {
		a.secret.Destroy()
	}
}

// room makes sure that n more bytes fit.
func (a *answer) room(n int) bool {
	if a.secret != nil && cap(a.b)-len(a.b) < n {
		a.err = errors.New("answer is larger than the memory that was set aside for it")
	}
	return a.err == nil
}

func (a *answer) raw(s string) {
	if a.room(len(s)) {
		a.b = append(a.b, s...)
	}
}

// name starts a member. All names are plain ASCII constants.
func (a *answer) name(name string) {
	if !a.fresh {
		a.raw(",")
	}
	a.fresh = false
	a.raw(`"` + name + `":`)
}

func (a *answer) text(name, s string) {
	a.name(name)
	q, err := json.Marshal(a.fault.alterText(name, s))
	if err != nil {
		a.err = err
	}
	a.raw(string(q))
}

// optional writes a string that is left out when empty.
func (a *answer) optional(name, s string) {
	if s != "" {
		a.text(name, s)
	}
}

// blob writes bytes as base64, straight into the answer.
func (a *answer) blob(name string, v []byte) {
	change := a.fault.alterBlob(name)
	if change.drop {
		return
	}
	v = v[:max(0, len(v)-change.shorter)]
	a.name(name)
	a.raw(`"`)
	start := len(a.b)
	if a.room(base64.StdEncoding.EncodedLen(len(v))) {
		a.b = base64.StdEncoding.AppendEncode(a.b, v)
		change.spoil(a.b[start:])
	}
	a.raw(`"`)
}

func (a *answer) flag(name string, v bool) {
	a.name(name)
	a.raw(strconv.FormatBool(v))
}

func (a *answer) number(name string, n int) {
	a.name(name)
	a.raw(strconv.Itoa(n))
}

// moment writes a time as KMS does: seconds since 1970, with milliseconds after the point.
func (a *answer) moment(name string, t time.Time) {
	a.name(name)
	a.raw(strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', -1, 64))
}

func (a *answer) texts(name string, list []string) {
	a.name(name)
	q, err := json.Marshal(append([]string{}, list...)) // [] rather than null
	if err != nil {
		a.err = err
	}
	a.raw(string(q))
}

// object writes a member that is an object with the members that fill writes.
func (a *answer) object(name string, fill func()) {
	a.name(name)
	a.braces(fill)
}

// objects writes a member that is a list of n objects.
func (a *answer) objects(name string, n int, fill func(i int)) {
	a.name(name)
	a.raw("[")
	for i := range n {
		if i > 0 {
			a.raw(",")
		}
		a.braces(func() { fill(i) })
	}
	a.raw("]")
	a.fresh = false
}

func (a *answer) braces(fill func()) {
	a.raw("{")
	a.fresh = true
	fill()
	a.raw("}")
	a.fresh = false
}

// algorithm is the name of an algorithm: the only one, if the Service does not tell.
func algorithm(s string) string {
	if s == "" {
		return kmsclient.Algorithm
	}
	return s
}
