package format_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// vector is one file of testdata/vectors, whose README.md says what the fields mean.
type vector struct {
	name     string // of the file
	comment  string
	expect   string
	reason   string
	form     string
	detached int // bytes of body that are the header file, where form is "detached"
	options  map[string]string
	decrypt  []answer
	released []released
	checksum string // of key files
	body     []byte
	dataKey  []byte // in vectors.json, of a file that opens
}

// answer is what the key service says to one Decrypt; it refuses all others.
type answer struct {
	keyID                    string
	context, blob, plaintext []byte
}

// released is a beginning of the plaintext: its size, and its SHA-256.
type released struct {
	size int
	hash string
}

const vectorTitle = "envseal test vector, version 1\n"

func releasedOf(plain []byte) released {
	sum := sha256.Sum256(plain)
	return released{len(plain), hex.EncodeToString(sum[:])}
}

// encode gives the vector's file.
func (v *vector) encode() []byte {
	b := []byte(vectorTitle)
	line := func(name, value string) {
		if value != "" {
			b = fmt.Appendf(b, "%s: %s\n", name, value)
		}
	}
	line("comment", v.comment)
	line("expect", v.expect)
	line("reason", v.reason)
	line("form", v.form)
	if v.detached > 0 {
		line("header-size", strconv.Itoa(v.detached))
	}
	for _, name := range slices.Sorted(maps.Keys(v.options)) {
		line(name, v.options[name])
	}
	for _, a := range v.decrypt {
		line("decrypt", fmt.Sprintf("%s %x %x %x", a.keyID, a.context, a.blob, a.plaintext))
	}
	for _, r := range v.released {
		line("released", fmt.Sprintf("%d %s", r.size, r.hash))
	}
	line("checksum", v.checksum)
	return append(append(b, '\n'), v.body...)
}

// parseVector reads a vector's file.
func parseVector(name string, file []byte) (*vector, error) {
	head, body, ok := bytes.Cut(file, []byte("\n\n"))
	lines, titled := bytes.CutPrefix(head, []byte(vectorTitle))
	if !ok || !titled {
		return nil, fmt.Errorf("%s: not a vector", name)
	}
	v := &vector{name: name, body: body, options: map[string]string{}}
	for line := range strings.SplitSeq(string(lines), "\n") {
		field, value, _ := strings.Cut(line, ": ")
		if err := v.set(field, value); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, field, err)
		}
	}
	return v, nil
}

func (v *vector) set(field, value string) (err error) {
	switch field {
	case "comment":
		v.comment = value
	case "expect":
		v.expect = value
	case "reason":
		v.reason = value
	case "form":
		v.form = value
	case "header-size":
		v.detached, err = strconv.Atoi(value)
	case "max-slots", "max-size", "no-decompress", "level":
		v.options[field] = value
	case "decrypt":
		err = v.setAnswer(strings.Split(value, " "))
	case "released":
		var r released
		if _, err = fmt.Sscanf(value, "%d %s", &r.size, &r.hash); err == nil {
			v.released = append(v.released, r)
		}
	case "checksum":
		v.checksum = value
	default:
		err = fmt.Errorf("unknown field %q", field)
	}
	return err
}

func (v *vector) setAnswer(fields []string) error {
	if len(fields) != 4 {
		return fmt.Errorf("%d fields, want 4", len(fields))
	}
	var raw [3][]byte
	for i := range raw {
		var err error
		if raw[i], err = hex.DecodeString(fields[i+1]); err != nil {
			return err
		}
	}
	v.decrypt = append(v.decrypt, answer{fields[0], raw[0], raw[1], raw[2]})
	return nil
}

// allows tells whether out is one of the beginnings that the vector allows.
func (v *vector) allows(out []byte) bool { return slices.Contains(v.released, releasedOf(out)) }

// limit is the value of an option that is a number, or 0.
func (v *vector) limit(option string) int64 {
	n, err := strconv.ParseInt(v.options[option], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// files gives the sealed file, or its header and its payload.
func (v *vector) files() (head, file []byte) {
	if v.form == "detached" {
		return v.body[:v.detached:v.detached], v.body[v.detached:]
	}
	return nil, v.body
}
