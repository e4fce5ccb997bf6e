package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/file"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
)

// The commands that make key files, for hints.
const (
	makeDataKey = "envseal data-key -k KEY -o FILE"
	makePair    = "envseal key-pair -k KEY -o FILE"
)

// KeyFile is a pair file or a data key file.
type KeyFile struct {
	Pair *format.PairFile    // nil for a data key file
	PEM  bool                // how the pair file is written: otherwise it is JSON
	Data *format.DataKeyFile // nil for a pair file
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

// Use is the command line that the key file called name is for.
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

// Successor is the hint for a key file, which has no slots to change, where keys are to be changed.
func (k *KeyFile) Successor() string {
	command := makeDataKey
	if k.Pair != nil {
		command = makePair
	}
	return "a key file is not re-wrapped: make a new one for the new key with `" + command + "`; " +
		"the files that were sealed with this one are re-wrapped themselves, each by its name"
}

// KeyFileAt is the key file of that name, nil if it is none, or cannot be read. It is for advice.
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

// NotSealed is the error for the key file called name where a sealed file was expected.
func (k *KeyFile) NotSealed(name string) error {
	hint := "`envseal inspect " + ui.ShellWord(name) + "` shows it; it is for `" + k.Use(name) + "`"
	return exit.Errorf(exit.NotEnvseal, hint,
		"%s: not a sealed file but an %s", ui.ShownInput(name), k)
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

// KeyFileError adds to the error of a parser, which refused the key file called name, what can be
// done about it. command makes another.
func KeyFileError(name, command string, err error) error {
	code, hint := exit.Damaged, ": copy it again from its source, or make another with `"+command+"`"
	switch {
	case errors.Is(err, format.ErrVersion):
		code, hint = exit.NotEnvseal, "a newer envseal made this file: upgrade to use it"
	case errors.Is(err, format.ErrNotKeyFile):
		code, hint = exit.NotEnvseal, "make one with `"+command+"`"
	case errors.Is(err, format.ErrTruncated):
		hint = "the end is missing" + hint
	case errors.Is(err, format.ErrDamaged):
		hint = "it is not as it was made" + hint
	default:
		code, hint = exit.Other, ""
	}
	return exit.Errorf(code, hint, "%s: %w", ui.Shown(name), err)
}

// PairRecipients reads the pair files that -r names. It asks no key service.
func PairRecipients(names []string) ([]envelope.FileRecipient, error) {
	var all []envelope.FileRecipient
	for _, name := range names {
		text, err := readKeyFile(name, "-r")
		if err != nil && looksLikeKey(name) {
			hint := "name a KMS key with -k " + ui.ShellWord(name) +
				"; -r takes the pair file that `envseal key-pair` makes"
			return nil, exit.Errorf(exit.Usage, hint, "%w", err)
		}
		if err != nil {
			return nil, err
		}
		f, err := format.ParsePairFile(text)
		if err != nil {
			return nil, KeyFileError(name, makePair, err)
		}
		r, err := keyring.NewPairRecipient(f)
		if err != nil {
			hint := "get the file again from where it was made, with `envseal key-pair`"
			return nil, exit.Errorf(exit.Damaged, hint, "%s: %w", ui.Shown(name), err)
		}
		all = append(all, r)
	}
	return all, nil
}

// SealedFor names the key that opens a slot, for people.
func SealedFor(s format.Slot) string {
	if k, err := s.KMS(); err == nil {
		return k.KeyID
	}
	if p, err := s.Pair(); err == nil {
		return fmt.Sprintf("key pair %s of %s, public key %x", p.Scheme, p.KeyID, p.PublicKeyID)
	}
	return s.Type.String()
}

// DataKeyFile is what --data-key names.
type DataKeyFile struct {
	*format.DataKeyFile
	// Name is the value of --data-key.
	Name string
}

// ReadDataKeyFile reads the file that --data-key names, and finds its encryption context: that of
// the file, which contextValues, those of -c, may repeat; or for the plain answer of KMS, that of
// -c or the environment.
func ReadDataKeyFile(name string, contextValues []string) (*DataKeyFile, error) {
	text, err := readKeyFile(name, "--data-key")
	if err != nil {
		return nil, err
	}
	f, err := format.ParseDataKeyFile(text)
	if err != nil {
		return nil, KeyFileError(name, makeDataKey, err)
	}
	if f.Bare {
		f.Context, err = ContextOf(contextValues)
		return &DataKeyFile{f, name}, err
	}
	if len(contextValues) > 0 {
		ec, err := parseContext(contextValues)
		if err != nil {
			return nil, err
		}
		if !maps.Equal(ec, f.Context) {
			return nil, exit.Errorf(exit.Usage,
				"leave -c away: KMS has bound the data key to the context that it was made with",
				"%s: its encryption context is %s, and -c says %s",
				ui.Shown(name), ContextText(f.Context), ContextText(ec))
		}
	}
	return &DataKeyFile{f, name}, nil
}

// Unwrap asks KMS for the data key, once for all that is sealed with it: the caller wipes it. id is
// whom to ask, and pairs are further recipients of the files.
func (f *DataKeyFile) Unwrap(
	ctx context.Context, id envelope.Identity, pairs []envelope.FileRecipient,
) (*envelope.DataKey, error) {
	var slots []format.Slot
	for _, k := range f.Keys {
		slot, err := k.Slot()
		if err != nil {
			return nil, err
		}
		slots = append(slots, slot)
	}
	key, err := envelope.UnwrapDataKey(ctx, f.Context, slots, id, pairs...)
	if err == nil {
		return key, nil
	}
	code, hint := exit.Explain(err)
	if errors.Is(err, kmsclient.ErrInvalidCiphertext) {
		hint = "KMS does not know this data key under its encryption context: " +
			"it is of another key service, or was altered"
		if f.Bare {
			hint = "the file does not say the encryption context that the data key was made with: " +
				"give it with -c"
		}
	}
	return nil, exit.Errorf(code, hint, "%s: %w", ui.Shown(f.Name), err)
}
