package secret

import (
	"bytes"
	"testing"
)

type inner struct {
	Key    [4]byte
	list   []uint16
	Hidden *[]byte
	name   string
}

type outer struct {
	in    any
	deep  *inner
	names []string
}

func TestWipeField(t *testing.T) {
	b := []byte("secret")
	in := &inner{Key: [4]byte{1, 2, 3, 4}, list: []uint16{0xffff, 1}, Hidden: &b, name: "x"}
	o := &outer{in: in, deep: in, names: []string{"y"}}
	for _, path := range [][]string{{"in", "Key"}, {"deep", "list"}, {"deep", "Hidden"}} {
		if !WipeField(o, path...) {
			t.Errorf("%q was not found", path)
		}
	}
	if in.Key != [4]byte{} || in.list[0]|in.list[1] != 0 || !bytes.Equal(b, make([]byte, 6)) {
		t.Errorf("left are %v, %v, %q", in.Key, in.list, b)
	}
	if in.name != "x" {
		t.Error("a neighbour was wiped")
	}
}

// A field that is missing or holds pointers is left alone: zeros over a pointer would crash its
// owner.
func TestWipeFieldRefuses(t *testing.T) {
	o := &outer{in: "text", deep: nil, names: []string{"y"}}
	for _, path := range [][]string{{"absent"}, {"names"}, {"in"}, {"in", "deeper"},
		{"deep"}, {"deep", "Key"}, {}} {
		if WipeField(o, path...) {
			t.Errorf("wiped %q", path)
		}
	}
	if WipeField(nil, "x") || WipeField(*o, "names") || WipeField(inner{Key: [4]byte{1}}, "Key") {
		t.Error("wiped what nothing leads to")
	}
	if o.names[0] != "y" {
		t.Error("a slice of strings was wiped")
	}
}
