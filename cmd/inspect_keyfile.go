package cmd

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/envseal/envseal/format"
)

// keyFile is a pair file or a data key file.
type keyFile struct {
	pair *format.PairFile
	pem  bool
	data *format.DataKeyFile
}

// pemBlock is how a pair file in PEM begins.
const pemBlock = "-----BEGIN PUBLIC KEY-----"

// mayBeKeyFile tells whether an input that begins with first may be a key file. No sealed file begins so, armored or not.
func mayBeKeyFile(first []byte) bool {
	first = bytes.TrimLeft(first, " \t\r\n")
	return bytes.HasPrefix(first, []byte("{")) || bytes.HasPrefix(first, []byte(pemBlock))
}

// parseKeyFile reads a key file of either kind. Its error is format.ErrNotEnvseal where nothing in text says that it is meant to be one.
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
	word := shellWord(name)
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

func (k *keyFile) describe(name string) *keyFileInspection {
	i := &keyFileInspection{File: display(name), Use: k.use(name)}
	if p := k.pair; p != nil {
		id := p.PublicKeyID()
		scheme, _ := format.PairSchemeOf(p.KeyPairSpec)
		i.Kind, i.Encoding, i.KeyPairSpec, i.Scheme, i.PublicKeyID = "key pair", "JSON", p.KeyPairSpec, scheme.String(), hex.EncodeToString(id[:])
		if k.pem {
			i.Encoding = "PEM"
		}
		i.Keys = []inspectedKey{{p.KeyID, p.PrivateKeyCiphertextBlob}}
		i.setContext(p.Context, p.Created)
		return i
	}
	i.Kind, i.KeySpec = "data key", "AES_256"
	for _, s := range k.data.Keys {
		i.Keys = append(i.Keys, inspectedKey(s))
	}
	if !k.data.Bare {
		i.setContext(k.data.Context, k.data.Created)
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
	fmt.Fprintf(&b, "%s: %s\n", plainText(i.File), what)
	wrapped, context := "data key", contextText(i.EncryptionContext)
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
		row("KMS key", fmt.Sprintf("%s, which decrypts the %s (CiphertextBlob of %d bytes)", plainText(k.KeyID), wrapped, len(k.CiphertextBlob)))
	}
	row("context", context)
	if i.CreationDate != "" {
		row("made", i.CreationDate)
	}
	row("use", i.Use)
	_, err := io.WriteString(w, b.String())
	return err
}
