package devserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/envseal/envseal/envelope/keymem"
	"github.com/envseal/envseal/kmsclient/internal/jsonobject"
)

// request reads the members of a request document. Member names are case sensitive and null is as
// good as absent, as in KMS; a member that comes twice is refused. The getters keep the first
// failure in err and give zero values from then on, so that an operation reads all it wants and
// looks at err once. Unknown members are ignored, as KMS does.
type request struct {
	members map[string][]byte // raw JSON values, parts of the body
	blobs   [][]byte          // decoded, to be wiped
	err     error
}

func malformed(format string, args ...any) *refusal {
	return refuse("SerializationException", format, args...)
}

// parseRequest splits a body into its members without copying it. An empty body is an empty
// document.
func parseRequest(body []byte) (*request, *refusal) {
	if len(bytes.TrimSpace(body)) == 0 {
		return &request{}, nil
	}
	members, err := splitObject(body)
	if err != nil {
		return nil, err
	}
	return &request{members: members}, nil
}

// splitObject gives the members of a JSON object as parts of b.
func splitObject(b []byte) (map[string][]byte, *refusal) {
	if !utf8.Valid(b) {
		return nil, malformed("the request is not UTF-8")
	}
	if !json.Valid(b) {
		return nil, malformed("the request is not JSON")
	}
	if bytes.TrimSpace(b)[0] != '{' {
		return nil, malformed("the request is not a JSON object")
	}
	members := map[string][]byte{}
	for raw, value := range jsonobject.Members(b) {
		name, ok := unquote(raw)
		if !ok {
			return nil, malformed("a member has no name, or one that is no text")
		}
		if _, twice := members[name]; twice {
			return nil, malformed("member %q comes twice", name)
		}
		members[name] = slices.Clip(value)
	}
	return members, nil
}

// unquote reads a JSON string. It refuses escapes such as \ud800 that stand for half of a surrogate
// pair: json makes U+FFFD of all of them, so that encryption contexts that differ would be one.
func unquote(raw []byte) (s string, ok bool) {
	if json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	asWritten := strings.ReplaceAll(strings.ToLower(string(raw)), `\\`, "")
	return s, strings.Count(s, "\ufffd") == strings.Count(asWritten, "\ufffd")+
		strings.Count(asWritten, `\ufffd`)
}

// wipe overwrites all that was decoded. The body itself belongs to the caller.
func (r *request) wipe() {
	for _, b := range r.blobs {
		keymem.Wipe(b[:cap(b)])
	}
}

func (r *request) has(name string) bool {
	v, ok := r.members[name]
	return ok && string(v) != "null"
}

// fail keeps the first failure.
func (r *request) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// constraint fails as KMS's front end does. The value is shown only where it can be no secret.
func (r *request) constraint(name, value, must string) {
	name = strings.ToLower(name[:1]) + name[1:]
	r.fail(refuse("ValidationException",
		"1 validation error detected: Value %sat '%s' failed to satisfy constraint: Member must %s",
		value, name, must))
}

// decode reads a member of the given JSON kind (the first byte of its value, 0 for any) into v and
// tells whether it was there.
func (r *request) decode(name string, first byte, v any) bool {
	if r.err != nil || !r.has(name) {
		return false
	}
	raw := r.members[name]
	if first != 0 && raw[0] != first || json.Unmarshal(raw, v) != nil {
		r.fail(malformed("member %s is not of the expected type", name))
		return false
	}
	return true
}

// text reads a string of min..max characters; absent is empty, whatever min is.
func (r *request) text(name string, min, max int) string {
	var s string
	if !r.decode(name, '"', &s) {
		return ""
	}
	if n := utf8.RuneCountInString(s); n < min || n > max {
		r.constraint(name, "", fmt.Sprintf("have length between %d and %d", min, max))
		return ""
	}
	return s
}

// number reads an integer of min..max; absent is 0.
func (r *request) number(name string, min, max int) int {
	var n int
	if r.decode(name, 0, &n) && (n < min || n > max) {
		r.constraint(name, fmt.Sprintf("'%d' ", n), fmt.Sprintf("have value between %d and %d", min, max))
		return 0
	}
	return n
}

func (r *request) flag(name string) bool {
	var b bool
	r.decode(name, 0, &b)
	return b
}

// blob reads base64 of 1..max bytes; absent is nil. The result is wiped with the request.
func (r *request) blob(name string, max int) []byte {
	var b []byte
	if !r.decode(name, '"', &b) {
		return nil
	}
	r.blobs = append(r.blobs, b)
	if len(b) < 1 || len(b) > max {
		r.constraint(name, "", fmt.Sprintf("have length between 1 and %d", max))
		return nil
	}
	return b
}

// list reads strings, at most max of them.
func (r *request) list(name string, max int) []string {
	var items []*string
	if !r.decode(name, '[', &items) {
		return nil
	}
	if len(items) > max {
		r.constraint(name, "", fmt.Sprintf("have length less than or equal to %d", max))
		return nil
	}
	out := make([]string, 0, len(items))
	for _, s := range items {
		if s == nil {
			r.fail(malformed("member %s holds a null", name))
			return nil
		}
		out = append(out, *s)
	}
	return out
}

// pairs reads an encryption context.
func (r *request) pairs(name string) map[string]string {
	if r.err != nil || !r.has(name) {
		return nil
	}
	members, err := splitObject(r.members[name])
	if err != nil {
		r.fail(malformed("member %s: %s", name, err.message))
		return nil
	}
	out := make(map[string]string, len(members))
	for k, v := range members {
		s, ok := unquote(v)
		if !ok || v[0] != '"' {
			r.fail(malformed("member %s: the value of %s is not a string", name, k))
			return nil
		}
		out[k] = s
	}
	return out
}

// require refuses a request that lacks one of the members.
func (r *request) require(names ...string) {
	for _, n := range names {
		if !r.has(n) {
			r.constraint(n, "null ", "not be null")
		}
	}
}

// unsupported refuses members that this server has no answer to, so that nobody takes them for
// honoured. Empty lists and false ask for nothing.
func (r *request) unsupported(names ...string) {
	for _, n := range names {
		if r.has(n) && string(r.members[n]) != "[]" && string(r.members[n]) != "false" {
			r.fail(refuse("UnsupportedOperationException",
				"%s is not supported by this development server", n))
		}
	}
}
