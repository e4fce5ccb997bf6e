package inspect

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/envseal/envseal/cmd/internal/keys"
	"github.com/envseal/envseal/cmd/internal/ui"
	"github.com/envseal/envseal/format"
)

// keyFileInspection is what inspect --json prints of a key file.
type keyFileInspection struct {
	File              string
	Kind              string         // data key, or key pair
	Encoding          string         `json:",omitempty"` // of a key pair: JSON or PEM
	KeyPairSpec       string         `json:",omitempty"`
	Scheme            string         `json:",omitempty"`            // how is sealed to the pair
	PublicKeyID       string         `json:"PublicKeyId,omitempty"` // hex
	KeySpec           string         `json:",omitempty"`
	Keys              []inspectedKey // what Decrypt of KMS is asked with: of a key pair, its private key
	EncryptionContext format.Context // null where the file does not say it
	CreationDate      string         `json:",omitempty"`
	Use               string
}

type inspectedKey struct {
	KeyID          string `json:"KeyId"`
	CiphertextBlob []byte
}

func inspectedKeyFile(k *keys.KeyFile, name string) *keyFileInspection {
	i := &keyFileInspection{File: ui.ShownInput(name), Use: k.Use(name)}
	if p := k.Pair; p != nil {
		id := p.PublicKeyID()
		scheme, _ := format.PairSchemeOf(p.KeyPairSpec)
		i.Kind, i.Encoding, i.KeyPairSpec, i.Scheme, i.PublicKeyID = "key pair", "JSON", p.KeyPairSpec, scheme.String(), hex.EncodeToString(id[:])
		if k.PEM {
			i.Encoding = "PEM"
		}
		i.Keys = []inspectedKey{{p.KeyID, p.PrivateKeyCiphertextBlob}}
		i.setContext(p.Context, p.Created)
		return i
	}
	i.Kind, i.KeySpec = "data key", "AES_256"
	for _, s := range k.Data.Keys {
		i.Keys = append(i.Keys, inspectedKey(s))
	}
	if !k.Data.Bare {
		i.setContext(k.Data.Context, k.Data.Created)
	}
	return i
}

func (i *keyFileInspection) setContext(ec format.Context, created time.Time) {
	if i.EncryptionContext = ec; ec == nil {
		i.EncryptionContext = format.Context{}
	}
	i.CreationDate = created.UTC().Format(time.RFC3339)
}

// print is for people.
func (i *keyFileInspection) print(w io.Writer, what string) error {
	var b strings.Builder
	row := func(name, value string) { fmt.Fprintf(&b, "  %-16s %s\n", name, value) }
	fmt.Fprintf(&b, "%s: %s\n", ui.PlainText(i.File), what)
	wrapped, context := "data key", keys.ContextText(i.EncryptionContext)
	if i.EncryptionContext == nil {
		context = "not in the file: encrypt has to be told it with -c"
	}
	if i.PublicKeyID != "" {
		wrapped = "private key"
		row("key pair spec", i.KeyPairSpec+", "+i.Scheme)
		row("public key id", i.PublicKeyID)
	} else {
		row("key spec", i.KeySpec)
	}
	for _, k := range i.Keys {
		row("KMS key", fmt.Sprintf("%s, which decrypts the %s (CiphertextBlob of %d bytes)", ui.PlainText(k.KeyID), wrapped, len(k.CiphertextBlob)))
	}
	row("context", context)
	if i.CreationDate != "" {
		row("made", i.CreationDate)
	}
	row("use", i.Use)
	_, err := io.WriteString(w, b.String())
	return err
}
