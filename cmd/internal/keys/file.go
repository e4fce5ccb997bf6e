package keys

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

// KeyFile is a pair file or a data key file.
type KeyFile struct {
	Pair *format.PairFile
	PEM  bool
	Data *format.DataKeyFile
}

// PEMBlock is how a pair file in PEM begins.
const PEMBlock = "-----BEGIN PUBLIC KEY-----"

// MayBeKeyFile tells whether an input that begins with first may be a key file. No sealed file
// begins so, armored or not.
func MayBeKeyFile(first []byte) bool {
	first = bytes.TrimLeft(first, " \t\r\n")
	return bytes.HasPrefix(first, []byte("{")) || bytes.HasPrefix(first, []byte(PEMBlock))
}

// ParseKeyFile reads a key file of either kind. Its error is format.ErrNotEnvseal where nothing in
// text says that it is meant to be one.
func ParseKeyFile(text []byte) (*KeyFile, error) {
	pem := bytes.HasPrefix(bytes.TrimSpace(text), []byte(PEMBlock))
	pair, pairErr := format.ParsePairFile(text)
	if pairErr == nil {
		return &KeyFile{Pair: pair, PEM: pem}, nil
	}
	if pem || !errors.Is(pairErr, format.ErrNotKeyFile) {
		return nil, pairErr
	}
	data, err := format.ParseDataKeyFile(text)
	switch {
	case err == nil:
		return &KeyFile{Data: data}, nil
	case bytes.Contains(text, []byte(`"PrivateKey`)):
		return nil, pairErr
	case errors.Is(err, format.ErrNotKeyFile) && !bytes.Contains(text, []byte(`"Plaintext"`)):
		return nil, fmt.Errorf("%w, nor a data key file or pair file", format.ErrNotEnvseal)
	}
	return nil, err
}

// String is the kind in words.
func (k *KeyFile) String() string {
	switch {
	case k.Data != nil && k.Data.Bare:
		return "envseal data key file (the answer of GenerateDataKeyWithoutPlaintext)"
	case k.Data != nil:
		return "envseal data key file"
	case k.PEM:
		return "envseal pair file (PEM)"
	}
	return "envseal pair file (JSON)"
}

// Use is what the file called name is for.
func (k *KeyFile) Use(name string) string {
	word := ui.ShellWord(name)
	switch {
	case name == "-" && k.Pair != nil: // -r and --data-key take no stdin
		word = "PAIR"
	case name == "-":
		word = "DATAKEY"
	}
	if k.Pair != nil {
		return "envseal encrypt -r " + word + " FILE"
	}
	use := "envseal encrypt --data-key " + word
	if k.Data.Bare {
		use += " -c CONTEXT"
	}
	return use + " FILE"
}

// Successor says how a key file, which has no slots to change, follows a change of keys.
func (k *KeyFile) Successor() string {
	command := makeDataKey
	if k.Pair != nil {
		command = makePair
	}
	return "a key file is not re-wrapped: make a new one for the new key with `" + command + "`; the files that were sealed with this one are re-wrapped themselves, each by its name"
}

// KeyFileAt is the key file of that name, nil if it is none that can be read.
func KeyFileAt(name string) *KeyFile {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > format.MaxKeyFile {
		return nil
	}
	text, err := readKeyFile(name, "")
	if err != nil || !MayBeKeyFile(text) {
		return nil
	}
	k, _ := ParseKeyFile(text)
	return k
}

// IsKeyFile is the error for a key file where a sealed file was expected.
func IsKeyFile(name string, k *KeyFile) error {
	return exit.Errorf(exit.NotEnvseal, "`envseal inspect "+ui.ShellWord(name)+"` shows it; it is for `"+k.Use(name)+"`", "%s: not a sealed file but an %s", ui.ShownInput(name), k)
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

// KeyFileError says what to do about a key file that cannot be read. command makes one.
func KeyFileError(name, command string, err error) error {
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
