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
func (o *kmsOptions) blobsAreRaw() (bool, error) {
	format := cmp.Or(o.binaryFormat, profileSetting(o.aws.Profile, "cli_binary_format"), "base64")
	if format != "base64" && format != "raw-in-base64-out" {
		return false, exit.Errorf(exit.Usage, "", "--cli-binary-format %q is neither base64 nor raw-in-base64-out", format)
	}
	return format != "base64", nil
}

// textValue resolves file://, of which `aws` takes any value.
func textValue(flag, arg string) (string, error) {
	text := arg
	if path, ok := strings.CutPrefix(arg, "file://"); ok {
		b, err := readParameter(flag, arg, path)
		if err != nil {
			return "", err
		}
		text = string(b)
	} else if strings.HasPrefix(arg, "fileb://") {
		return "", badParameter(flag, "fileb:// is for binary values; use file://")
	}
	if !utf8.ValidString(text) {
		return "", badParameter(flag, "it is not UTF-8 text")
	}
	return text, nil
}

// listValue is a list: the values as they are, or one JSON list.
func listValue(flag string, args []string) ([]string, error) {
	if len(args) != 1 {
		return args, nil
	}
	text, err := textValue(flag, args[0])
	if err != nil || !strings.HasPrefix(strings.TrimSpace(text), "[") {
		return []string{text}, err
	}
	var list []string
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, badParameter(flag, "Invalid JSON: %w", err)
	}
	return list, nil
}

// pairsValue is an encryption context: a JSON object or the shorthand of `aws`.
func pairsValue(flag, arg string) (map[string]string, error) {
	text, err := textValue(flag, arg)
	if err != nil {
		return nil, err
	}
	var pairs map[string]string
	if text = strings.TrimSpace(text); strings.HasPrefix(text, "{") {
		if pairs, err = keys.ParseContextJSON(text); err != nil {
			return nil, exit.Errorf(exit.Usage, keys.ContextHint(err, ""), "Error parsing parameter '--%s': Invalid JSON: %w", flag, err)
		}
		return pairs, nil
	}
	if pairs, err = keys.ParseShorthand(text); err != nil {
		return nil, badParameter(flag, "%w", err)
	}
	return pairs, nil
}

// blobValue is a binary value: fileb:// reads bytes; otherwise it is base64, or with raw the bytes
// themselves. Nil stands for no bytes. The caller owes the Destroy.
func blobValue(m kmsMember, arg string, raw bool) (*keymem.Buffer, error) {
	path, binary := strings.CutPrefix(arg, "fileb://")
	isFile := binary
	if !binary {
		path, isFile = strings.CutPrefix(arg, "file://")
	}
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
func decodeBlob(m kmsMember, text []byte, raw bool) (*keymem.Buffer, error) {
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
		return nil, exit.Errorf(exit.Usage, "give it as base64, or the bytes themselves by --"+m.flag()+" fileb://FILE or --cli-binary-format raw-in-base64-out",
			"Invalid base64: %s", m.name)
	}
	buf.Truncate(n)
	return buf, nil
}

// readBlob reads a file into locked memory.
func readBlob(m kmsMember, arg, path string) (*keymem.Buffer, error) {
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
		err = badParameter(m.flag(), "%s: longer than the %d bytes that KMS takes", ui.Shown(arg), m.most)
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

// openParameter opens the file of file:// and fileb://, in which `aws` resolves ~ and variables of
// the environment.
func openParameter(flag, arg, path string) (*file.Input, error) {
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
	if path == "" {
		return nil, badParameter(flag, "%s names no file", arg)
	}
	if path == "-" {
		path = "./-" // to file.Open, - is standard input
	}
	in, err := file.Open(path)
	if err != nil {
		return nil, badParameter(flag, "Unable to load paramfile %s: %w", ui.Shown(arg), err)
	}
	return in, nil
}
