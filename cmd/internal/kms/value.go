package kms

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/envelope/keymem"
)

// maxParameter bounds what is read for a value that is text: the longest is an encryption context,
// of which KMS takes 8 192 bytes.
const maxParameter = 256 << 10

// maxBlobText bounds what is read for a value that is bytes: 6 144 as base64 with line breaks, and
// then some.
const maxBlobText = 16 << 10

// blobsAreRaw tells whether binary values on the command line are the bytes themselves rather than
// base64.
func (o *options) blobsAreRaw() (bool, error) {
	format := cmp.Or(o.binaryFormat, o.profile["cli_binary_format"], "base64")
	if format != "base64" && format != "raw-in-base64-out" {
		return false, exit.Errorf(exit.Usage, "",
			"--cli-binary-format %q is neither base64 nor raw-in-base64-out", format)
	}
	return format != "base64", nil
}

// textValue resolves file://, of which `aws` takes any value.
func textValue(flag, arg string) (string, error) {
	path, binary, isFile := parameterFile(arg)
	switch {
	case binary:
		return "", badParameter(flag, "fileb:// is for binary values; use file://")
	case isFile:
		b, err := readParameter(flag, arg, path)
		if err != nil {
			return "", err
		}
		arg = string(b)
	}
	if !utf8.ValidString(arg) {
		return "", badParameter(flag, "it is not UTF-8 text")
	}
	return arg, nil
}

// listValue is a list: the values as they are, or one JSON list.
func listValue(m member, v any, _ bool) (any, error) {
	list := v.([]string)
	if len(list) != 1 {
		return list, nil
	}
	text, err := textValue(m.flag(), list[0])
	if err != nil || !strings.HasPrefix(strings.TrimSpace(text), "[") {
		return []string{text}, err
	}
	list = nil
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, badParameter(m.flag(), "Invalid JSON: %w", err)
	}
	return list, nil
}

// pairsValue is an encryption context: a JSON object or the shorthand of `aws`.
func pairsValue(m member, v any, _ bool) (any, error) {
	text, err := textValue(m.flag(), v.(string))
	if err != nil {
		return nil, err
	}
	parse, prefix := keys.ParseShorthand, ""
	if text = strings.TrimSpace(text); strings.HasPrefix(text, "{") {
		parse, prefix = keys.ParseContextJSON, "Invalid JSON: "
	}
	pairs, err := parse(text)
	if err != nil {
		return nil, badParameter(m.flag(), prefix+"%w", err)
	}
	return pairs, nil
}

// blobValue is a binary value: fileb:// reads bytes; otherwise it is base64, or with raw the bytes
// themselves. Nil stands for no bytes. The caller owes the Destroy.
func blobValue(m member, arg string, raw bool) (*keymem.Buffer, error) {
	path, binary, isFile := parameterFile(arg)
	if !isFile {
		return decodeBlob(m, []byte(arg), raw)
	}
	buf, err := readBlob(m, arg, path)
	if err != nil || binary || buf == nil {
		return buf, err
	}
	defer buf.Destroy()
	return decodeBlob(m, buf.Bytes(), raw)
}

// decodeBlob brings text into locked memory, and wipes the text.
func decodeBlob(m member, text []byte, raw bool) (*keymem.Buffer, error) {
	defer keymem.Wipe(text)
	trimmed := text
	if !raw {
		trimmed = bytes.TrimSpace(text)
	}
	if len(trimmed) == 0 {
		return nil, nil
	}
	buf, err := keymem.New(len(trimmed)) // base64 decodes to less
	if err != nil {
		return nil, err
	}
	n := 0
	keymem.Do(func() {
		if raw {
			n = copy(buf.Bytes(), trimmed)
			return
		}
		n, err = base64.StdEncoding.Decode(buf.Bytes(), trimmed)
	})
	if err != nil || n == 0 {
		buf.Destroy()
		hint := "give it as base64, or the bytes themselves by --" + m.flag() +
			" fileb://FILE or --cli-binary-format raw-in-base64-out"
		return nil, exit.Errorf(exit.Usage, hint, "Invalid base64: %s", m.name)
	}
	buf.Truncate(n)
	return buf, nil
}

// readBlob reads a file into locked memory.
func readBlob(m member, arg, path string) (*keymem.Buffer, error) {
	in, err := openParameter(m.flag(), arg, path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	buf, err := keymem.New(maxBlobText)
	if err != nil {
		return nil, err
	}
	n, err := io.ReadFull(in, buf.Bytes())
	switch err {
	case nil:
		err = badParameter(m.flag(), "%s: longer than the %d bytes that KMS takes",
			ui.Shown(arg), m.most)
	case io.EOF, io.ErrUnexpectedEOF:
		err = nil
	}
	if err != nil || n == 0 {
		buf.Destroy()
		return nil, err
	}
	buf.Truncate(n)
	return buf, nil
}

// readParameter reads the text of a file.
func readParameter(flag, arg, path string) ([]byte, error) {
	in, err := openParameter(flag, arg, path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	b, err := io.ReadAll(io.LimitReader(in, maxParameter+1))
	if err == nil && len(b) > maxParameter {
		err = badParameter(flag, "%s: longer than %d bytes", ui.Shown(arg), maxParameter)
	}
	return b, err
}

// parameterFile is the file that file://PATH or fileb://PATH names; binary tells which. In the
// path, `aws` resolves ~ and variables of the environment.
func parameterFile(arg string) (path string, binary, ok bool) {
	path, binary = strings.CutPrefix(arg, "fileb://")
	if !binary {
		if path, ok = strings.CutPrefix(arg, "file://"); !ok {
			return "", false, false
		}
	}
	path = os.Expand(path, func(name string) string {
		if v, ok := os.LookupEnv(name); ok {
			return v
		}
		return "$" + name
	})
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			path = filepath.Join(home, rest)
		}
	}
	if path == "-" {
		path = "./-" // to file.Open, - is standard input
	}
	return path, binary, true
}

// openParameter opens the file path that arg names.
func openParameter(flag, arg, path string) (*file.Input, error) {
	if path == "" {
		return nil, badParameter(flag, "%s names no file", arg)
	}
	in, err := file.Open(path)
	if err != nil {
		return nil, badParameter(flag, "Unable to load paramfile %s: %w", ui.Shown(arg), err)
	}
	return in, nil
}
