package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/format"
)

// The commands that make key files, for hints.
const (
	makeDataKey = "envseal data-key -k KEY -o FILE"
	makePair    = "envseal key-pair -k KEY -o FILE"
)

// keyFile is a pair file or a data key file.
type keyFile struct {
	pair *format.PairFile
	pem  bool
	data *format.DataKeyFile
}

// pemBlock is how a pair file in PEM begins.
const pemBlock = "-----BEGIN PUBLIC KEY-----"

// mayBeKeyFile tells whether an input that begins with first may be a key file. No sealed file
// begins so, armored or not.
func mayBeKeyFile(first []byte) bool {
	first = bytes.TrimLeft(first, " \t\r\n")
	return bytes.HasPrefix(first, []byte("{")) || bytes.HasPrefix(first, []byte(pemBlock))
}

// parseKeyFile reads a key file of either kind. Its error is format.ErrNotEnvseal where nothing in
// text says that it is meant to be one.
func parseKeyFile(text []byte) (*keyFile, error) {
	pem := bytes.HasPrefix(bytes.TrimSpace(text), []byte(pemBlock))
	pair, pairErr := format.ParsePairFile(text)
	if pairErr == nil {
		return &keyFile{pair: pair, pem: pem}, nil
	}
	if pem || !errors.Is(pairErr, format.ErrNotKeyFile) {
		return nil, pairErr
	}
	data, err := format.ParseDataKeyFile(text)
	switch {
	case err == nil:
		return &keyFile{data: data}, nil
	case bytes.Contains(text, []byte(`"PrivateKey`)):
		return nil, pairErr
	case errors.Is(err, format.ErrNotKeyFile) && !bytes.Contains(text, []byte(`"Plaintext"`)):
		return nil, fmt.Errorf("%w, nor a data key file or pair file", format.ErrNotEnvseal)
	}
	return nil, err
}

// String is the kind in words.
func (k *keyFile) String() string {
	switch {
	case k.data != nil && k.data.Bare:
		return "envseal data key file (the answer of GenerateDataKeyWithoutPlaintext)"
	case k.data != nil:
		return "envseal data key file"
	case k.pem:
		return "envseal pair file (PEM)"
	}
	return "envseal pair file (JSON)"
}

// use is what the file called name is for.
func (k *keyFile) use(name string) string {
	word := ui.ShellWord(name)
	switch {
	case name == "-" && k.pair != nil: // -r and --data-key take no stdin
		word = "PAIR"
	case name == "-":
		word = "DATAKEY"
	}
	if k.pair != nil {
		return "envseal encrypt -r " + word + " FILE"
	}
	use := "envseal encrypt --data-key " + word
	if k.data.Bare {
		use += " -c CONTEXT"
	}
	return use + " FILE"
}

// successor says how a key file, which has no slots to change, follows a change of keys.
func (k *keyFile) successor() string {
	command := makeDataKey
	if k.pair != nil {
		command = makePair
	}
	return "a key file is not re-wrapped: make a new one for the new key with `" + command + "`; the files that were sealed with this one are re-wrapped themselves, each by its name"
}

// keyFileAt is the key file of that name, nil if it is none that can be read.
func keyFileAt(name string) *keyFile {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > format.MaxKeyFile {
		return nil
	}
	text, err := readKeyFile(name, "")
	if err != nil || !mayBeKeyFile(text) {
		return nil
	}
	k, _ := parseKeyFile(text)
	return k
}

// isKeyFile is the error for a key file where a sealed file was expected.
func isKeyFile(name string, k *keyFile) error {
	return exit.Errorf(exit.NotEnvseal, "`envseal inspect "+ui.ShellWord(name)+"` shows it; it is for `"+k.use(name)+"`", "%s: not a sealed file but an %s", ui.ShownInput(name), k)
}

// readKeyFile reads a small file that a flag names. It may be a pipe, but not standard input: that
// is for data.
func readKeyFile(name, flag string) ([]byte, error) {
	if name == "" || name == "-" {
		return nil, exit.Errorf(exit.Usage, "", "%s takes the name of a file", flag)
	}
	in, err := file.Open(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return io.ReadAll(io.LimitReader(in, format.MaxKeyFile+1))
}

// keyFileError says what to do about a key file that cannot be read. command makes one.
func keyFileError(name, command string, err error) error {
	code, hint := exit.Other, ""
	switch {
	case errors.Is(err, format.ErrVersion):
		code, hint = exit.NotEnvseal, "a newer envseal made this file: upgrade to use it"
	case errors.Is(err, format.ErrNotKeyFile):
		code, hint = exit.NotEnvseal, "make one with `"+command+"`"
	case errors.Is(err, format.ErrTruncated):
		code, hint = exit.Damaged, "the end is missing: copy it again from its source, or make another with `"+command+"`"
	case errors.Is(err, format.ErrDamaged):
		code, hint = exit.Damaged, "it is not as it was made: copy it again from its source, or make another with `"+command+"`"
	}
	return exit.Errorf(code, hint, "%s: %w", ui.Shown(name), err)
}
