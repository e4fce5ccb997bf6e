package keys

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
)

// KeyRefs are the keys of -k, or that of ENVSEAL_KEY_ID where there are none.
func KeyRefs(refs []string) []string {
	if ref := os.Getenv("ENVSEAL_KEY_ID"); len(refs) == 0 && ref != "" {
		return []string{ref}
	}
	return refs
}

// ContextOf is the encryption context of -c, or that of ENVSEAL_ENCRYPTION_CONTEXT where there are
// no values.
func ContextOf(values []string) (format.Context, error) {
	if text := os.Getenv("ENVSEAL_ENCRYPTION_CONTEXT"); len(values) == 0 && text != "" {
		values = []string{text}
	}
	return parseContext(values)
}

// PairRecipients reads the pair files of -r. It asks no key service.
func PairRecipients(names []string) ([]envelope.FileRecipient, error) {
	var all []envelope.FileRecipient
	for _, name := range names {
		text, err := readKeyFile(name, "-r")
		if err != nil && looksLikeKey(name) {
			return nil, exit.Errorf(exit.Usage, "name a KMS key with -k "+ui.ShellWord(name)+"; -r takes the pair file that `envseal key-pair` makes", "%w", err)
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
			return nil, exit.Errorf(exit.Damaged, "get the file again from where it was made, with `envseal key-pair`", "%s: %w", ui.Shown(name), err)
		}
		all = append(all, r)
	}
	return all, nil
}

// SealedFor names the key that opens a slot, for -v.
func SealedFor(s format.Slot) string {
	if k, err := s.KMS(); err == nil {
		return k.KeyID
	}
	if p, err := s.Pair(); err == nil {
		return fmt.Sprintf("key pair %s of %s, public key %s", p.Scheme, p.KeyID, hex.EncodeToString(p.PublicKeyID[:]))
	}
	return s.Type.String()
}

// DataKeyFile is what --data-key names.
type DataKeyFile struct {
	*format.DataKeyFile
	Name string
}

// ReadDataKeyFile reads it, and finds the encryption context: that of the file, which -c may
// repeat; or for the plain answer of KMS, that of -c.
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
			return nil, exit.Errorf(exit.Usage, "leave -c away: KMS has bound the data key to the context that it was made with",
				"%s: its encryption context is %s, and -c says %s", ui.Shown(name), ContextText(f.Context), ContextText(ec))
		}
	}
	return &DataKeyFile{f, name}, nil
}

// Unwrap asks KMS for the data key, once for all that is sealed with it.
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
		hint = "KMS does not know this data key under its encryption context: it is of another key service, or was altered"
		if f.Bare {
			hint = "the file does not say the encryption context that the data key was made with: give it with -c"
		}
	}
	return nil, exit.Errorf(code, hint, "%s: %w", ui.Shown(f.Name), err)
}
