package inspect

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/format"
)

// keyFileInspection is what inspect --json prints of a key file.
type keyFileInspection struct {
	File        string
	Kind        string // data key, or key pair
	Encoding    string `json:",omitempty"` // of a key pair: JSON or PEM
	KeyPairSpec string `json:",omitempty"`
	Scheme      string `json:",omitempty"`            // how is sealed to the pair
	PublicKeyID string `json:"PublicKeyId,omitempty"` // hex
	KeySpec     string `json:",omitempty"`
	// what Decrypt of KMS is asked with: of a key pair, its private key
	Keys              []inspectedKey
	EncryptionContext format.Context // null where the file does not say it
	CreationDate      string         `json:",omitempty"`
	Use               string

	title string // for people
}

type inspectedKey struct {
	KeyID          string `json:"KeyId"`
	CiphertextBlob []byte
}

// inspectKeyFile shows the key file called name, of which src is the contents.
func inspectKeyFile(name string, src io.Reader) (*keyFileInspection, error) {
	text, err := io.ReadAll(io.LimitReader(src, format.MaxKeyFile+1))
	if err != nil {
		return nil, err
	}
	k, err := keys.ParseKeyFile(text)
	if errors.Is(err, format.ErrNotEnvseal) {
		return nil, err
	}
	if err != nil {
		return nil, keys.KeyFileError(ui.ShownInput(name), "envseal key-pair` or `envseal data-key", err)
	}
	i := &keyFileInspection{File: ui.ShownInput(name), Use: k.Use(name), title: k.String()}
	if p := k.Pair; p != nil {
		scheme, _ := format.PairSchemeOf(p.KeyPairSpec)
		i.Kind, i.Encoding = "key pair", "JSON"
		i.KeyPairSpec, i.Scheme = p.KeyPairSpec, scheme.String()
		i.PublicKeyID = fmt.Sprintf("%x", p.PublicKeyID())
		if k.PEM {
			i.Encoding = "PEM"
		}
		i.Keys = []inspectedKey{{p.KeyID, p.PrivateKeyCiphertextBlob}}
		i.setContext(p.Context, p.Created)
		return i, nil
	}
	i.Kind, i.KeySpec = "data key", "AES_256"
	for _, s := range k.Data.Keys {
		i.Keys = append(i.Keys, inspectedKey(s))
	}
	if !k.Data.Bare {
		i.setContext(k.Data.Context, k.Data.Created)
	}
	return i, nil
}

func (i *keyFileInspection) setContext(ec format.Context, created time.Time) {
	i.EncryptionContext, i.CreationDate = notNull(ec), created.UTC().Format(time.RFC3339)
}

func (i *keyFileInspection) printJSON(w *bufio.Writer) error { return ui.WriteIndented(w, i) }

func (i *keyFileInspection) print(w *bufio.Writer) error {
	fmt.Fprintf(w, "%s: %s\n", ui.PlainText(i.File), i.title)
	wrapped, context := "data key", keys.ContextText(i.EncryptionContext)
	if i.EncryptionContext == nil {
		context = "not in the file: encrypt has to be told it with -c"
	}
	if i.PublicKeyID != "" {
		wrapped = "private key"
		row(w, "key pair spec", "%s, %s", i.KeyPairSpec, i.Scheme)
		row(w, "public key id", "%s", i.PublicKeyID)
	} else {
		row(w, "key spec", "%s", i.KeySpec)
	}
	for _, k := range i.Keys {
		row(w, "KMS key", "%s, which decrypts the %s (CiphertextBlob of %d bytes)",
			ui.PlainText(k.KeyID), wrapped, len(k.CiphertextBlob))
	}
	row(w, "context", "%s", context)
	if i.CreationDate != "" {
		row(w, "made", "%s", i.CreationDate)
	}
	row(w, "use", "%s", i.Use)
	return nil
}
