package devserver

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient"
)

// answer is a JSON object that is written by hand, member after member. An answer with keys in it
// lies in memory from keymem and never grows, so that no copy of a key stays behind on the heap.
type answer struct {
	b      []byte
	locked *keymem.Buffer // where b lies; nil for an answer without keys
	fault  *Fault         // may falsify members; nil for none
	fresh  bool           // no member since the last {
	err    error
}

// newAnswer starts an answer, which has no keys until secret writes one.
func newAnswer(f *Fault) *answer {
	return &answer{b: append(make([]byte, 0, 1024), '{'), fault: f, fresh: true}
}

// secret writes a plaintext key and destroys it; nil is none. It is the first member: from here on
// the answer lies in locked memory, with room for blobs of these lengths and a kilobyte of text
// beside a key ARN.
func (a *answer) secret(name string, key kmsclient.Secret, blobs ...[]byte) {
	if key == nil {
		return
	}
	defer key.Destroy()
	n := 4096
	for _, b := range append(blobs, key.Bytes()) {
		n += base64.StdEncoding.EncodedLen(len(b))
	}
	buf, err := keymem.New(n)
	if err != nil {
		a.err = err
		return
	}
	a.b, a.locked = append(buf.Bytes()[:0:n], a.b...), buf
	a.blob(name, key.Bytes())
}

// finish closes the object, and gives nothing where it has no member: that is how KMS answers
// CreateAlias and the like. The bytes stay valid until wipe.
func (a *answer) finish() ([]byte, error) {
	if a.fresh {
		return nil, a.err
	}
	a.raw("}")
	return a.b, a.err
}

// wipe ends the answer and overwrites it.
func (a *answer) wipe() {
	keymem.Wipe(a.b)
	if a.locked != nil {
		a.locked.Destroy()
	}
}

// room makes sure that n more bytes fit.
func (a *answer) room(n int) bool {
	if a.locked != nil && cap(a.b)-len(a.b) < n {
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

// blob writes bytes as base64. The value goes from where it lies straight into the answer.
func (a *answer) blob(name string, v []byte) {
	fault := a.fault.onBlob(name)
	switch fault {
	case "noblob", "noplaintext":
		return
	case "short":
		v = v[:max(0, len(v)-1)]
	}
	a.name(name)
	a.raw(`"`)
	start := len(a.b)
	if a.room(base64.StdEncoding.EncodedLen(len(v))) {
		a.b = base64.StdEncoding.AppendEncode(a.b, v)
		spoil(a.b[start:], fault)
	}
	a.raw(`"`)
}

// spoil changes the first character of base64 text, into another one of its alphabet or into none.
func spoil(text []byte, fault string) {
	switch {
	case len(text) == 0:
	case fault == "badbase64":
		text[0] = '!'
	case fault == "wrongkey" && text[0] == 'A':
		text[0] = 'B'
	case fault == "wrongkey":
		text[0] = 'A'
	}
}

func (a *answer) flag(name string, v bool) {
	a.name(name)
	a.raw(strconv.FormatBool(v))
}

func (a *answer) number(name string, n int) {
	a.name(name)
	a.raw(strconv.Itoa(n))
}

// moment writes a time as KMS does: seconds since 1970, with milliseconds behind the point.
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

// algorithm writes the name of an algorithm, the only one there is where the Service does not tell.
func (a *answer) algorithm(name, s string) { a.text(name, cmp.Or(s, kmsclient.Algorithm)) }
