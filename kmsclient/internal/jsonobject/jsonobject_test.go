package jsonobject

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestMembers: names and values come as they are written, in their order, and are parts of the
// document.
func TestMembers(t *testing.T) {
	for doc, want := range map[string]string{
		`{}`:                                    "",
		" {\t} \n":                              "",
		`{"a":1}`:                               `"a"=1`,
		` { "a" : "}\"" , "b\u0041":[1] } `:     `"a"="}\"" "b\u0041"=[1]`,
		`{"a":{"b":["]",{"c":"\\"}]},"a":2}`:    `"a"={"b":["]",{"c":"\\"}]} "a"=2`,
		"{\"a\":-1.5e3\n,\"b\":true,\"\":null}": `"a"=-1.5e3 "b"=true ""=null`,
		`{"a":"","b":[],"c":{}}`:                `"a"="" "b"=[] "c"={}`,
	} {
		if !json.Valid([]byte(doc)) {
			t.Fatalf("%s is no JSON", doc)
		}
		b, got := []byte(doc), []string{}
		for name, value := range Members(b) {
			got = append(got, string(name)+"="+string(value))
			if at := cap(b) - cap(value); &b[at] != &value[0] {
				t.Errorf("%s: a value is a copy", doc)
			}
		}
		if all := strings.Join(got, " "); all != want {
			t.Errorf("%s has %s, want %s", doc, all, want)
		}
		for range Members(b) {
			break // stops at the first
		}
	}
}
