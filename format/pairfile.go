package format

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// PairFile is a data key pair as GenerateDataKeyPairWithoutPlaintext makes it: a public key to seal
// to, and a private key that only KMS can decrypt. It holds nothing secret. It can be written as
// JSON or as PEM.
type PairFile struct {
	KeyID                    string // ARN of the KMS key of the private key; limits as in KMSSlot
	KeyPairSpec              string // a name that [PairSchemeOf] knows
	PublicKey                []byte // DER SubjectPublicKeyInfo, 1 to MaxPublicKey bytes
	PrivateKeyCiphertextBlob []byte // 1 to MaxCiphertextBlob bytes; KMS bound it to Context
	Context                  Context
	Created                  time.Time // to the second, in UTC
}

// MaxPublicKey bounds the bytes of a pair's public key. That of ML_KEM_1024 has 1 590.
const MaxPublicKey = 4096

// pairSchemes are the schemes by the KeyPairSpec of KMS (README, "Slot type 2").
var pairSchemes = map[string]PairScheme{
	"RSA_2048": PairRSAOAEP, "RSA_3072": PairRSAOAEP, "RSA_4096": PairRSAOAEP,
	"ECC_NIST_P256": PairHPKEP256, "ECC_NIST_P384": PairHPKEP384, "ECC_NIST_P521": PairHPKEP521,
	"ML_KEM_768": PairHPKEMLKEM768, "ML_KEM_1024": PairHPKEMLKEM1024,
}

// PairSchemeOf is how a data key is sealed to pairs of a KeyPairSpec of KMS. Other specs have none.
func PairSchemeOf(keyPairSpec string) (PairScheme, bool) {
	s, ok := pairSchemes[keyPairSpec]
	return s, ok
}

// PublicKeyID is SHA-256 of the public key, as a [PairSlot] has it.
func (f *PairFile) PublicKeyID() [32]byte { return sha256.Sum256(f.PublicKey) }

func (f *PairFile) check() error {
	if _, ok := pairSchemes[f.KeyPairSpec]; !ok {
		return fmt.Errorf("KeyPairSpec %q cannot be sealed to", shorten(f.KeyPairSpec))
	}
	if n := len(f.PublicKey); n < 1 || n > MaxPublicKey {
		return fmt.Errorf("PublicKey of %d bytes, 1 to %d are allowed", n, MaxPublicKey)
	}
	context, err := f.Context.AppendBinary(nil)
	if err != nil {
		return err
	}
	if len(context) > MaxPairContext {
		return fmt.Errorf("encryption context: longer than %d bytes", MaxPairContext)
	}
	if err := checkCreated(f.Created); err != nil {
		return err
	}
	return checkWrapped(f.KeyID, f.PrivateKeyCiphertextBlob)
}

// checksum is over everything that the file says. Without it, a wrong byte in the encrypted private
// key would be noticed only when something sealed to the pair is opened.
func (f *PairFile) checksum() (string, error) {
	context, err := f.Context.AppendBinary(nil)
	if err != nil {
		return "", err
	}
	return checksumOf([][]byte{
		[]byte(pairFileName), []byte(f.KeyPairSpec), []byte(stamp(f.Created)), context,
		[]byte(f.KeyID), f.PrivateKeyCiphertextBlob, f.PublicKey,
	}), nil
}

type pairJSON struct {
	Format                   string
	Version                  int
	KeyID                    string `json:"KeyId"`
	KeyPairSpec              string
	PublicKeyID              string `json:"PublicKeyId"`
	PublicKey                []byte
	PrivateKeyCiphertextBlob []byte
	EncryptionContext        Context
	CreationDate             string
	Checksum                 string
}

// fields checks f and gives what both spellings say.
func (f *PairFile) fields() (*pairJSON, error) {
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("pair file: %w", err)
	}
	sum, err := f.checksum()
	if err != nil {
		return nil, fmt.Errorf("pair file: %w", err)
	}
	id := f.PublicKeyID()
	return &pairJSON{
		Format: pairFileName, Version: keyFileVersion, KeyID: f.KeyID, KeyPairSpec: f.KeyPairSpec,
		PublicKeyID: hex.EncodeToString(id[:]), PublicKey: f.PublicKey,
		PrivateKeyCiphertextBlob: f.PrivateKeyCiphertextBlob, EncryptionContext: notNil(f.Context),
		CreationDate: stamp(f.Created), Checksum: sum,
	}, nil
}

// EncodeJSON gives the file's bytes. It fails where a field is outside its limits.
func (f *PairFile) EncodeJSON() ([]byte, error) {
	out, err := f.fields()
	if err != nil {
		return nil, err
	}
	return encodeJSON(out)
}

// The blocks of a pair file in PEM (RFC 7468; the second one with headers).
const (
	pemPublic  = "PUBLIC KEY"
	pemPrivate = "ENVSEAL ENCRYPTED PRIVATE KEY"
)

// EncodePEM gives the same in PEM: first the public key in a block that other tools read, then the
// encrypted private key with the rest in its headers. It fails if a field is outside its limits.
func (f *PairFile) EncodePEM() ([]byte, error) {
	out, err := f.fields()
	if err != nil {
		return nil, err
	}
	context, err := json.Marshal(out.EncryptionContext)
	if err != nil {
		return nil, err
	}
	private := &pem.Block{Type: pemPrivate, Bytes: f.PrivateKeyCiphertextBlob,
		Headers: map[string]string{
			"Version": strconv.Itoa(out.Version), "KeyId": out.KeyID, "KeyPairSpec": out.KeyPairSpec,
			"PublicKeyId": out.PublicKeyID, "EncryptionContext": string(context),
			"CreationDate": out.CreationDate, "Checksum": out.Checksum,
		}}
	return append(pem.EncodeToMemory(&pem.Block{Type: pemPublic, Bytes: f.PublicKey}),
		pem.EncodeToMemory(private)...), nil
}

// ParsePairFile reads what EncodeJSON and EncodePEM write, and checks PublicKeyId and Checksum. It
// does not check that the public key is of KeyPairSpec.
//
// Its errors wrap [ErrTruncated], [ErrDamaged], [ErrVersion] or [ErrNotKeyFile]. The result does
// not alias b.
func ParsePairFile(b []byte) (*PairFile, error) {
	var o *object
	var err error
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("-----BEGIN")) {
		o, err = parsePairPEM(b)
	} else {
		o, err = parseKeyFile(b)
	}
	f := &PairFile{}
	if err == nil {
		err = f.read(o)
	}
	if err != nil {
		return nil, fmt.Errorf("pair file: %w", err)
	}
	return f, nil
}

func (f *PairFile) read(o *object) error {
	if !o.has("Format") {
		return notPairFile(o)
	}
	if err := o.checkKind(pairFileName); err != nil {
		return err
	}
	f.KeyID, f.KeyPairSpec = o.text("KeyId"), o.text("KeyPairSpec")
	f.PublicKey, f.PrivateKeyCiphertextBlob = o.bytes("PublicKey"), o.bytes("PrivateKeyCiphertextBlob")
	f.Context, f.Created = o.context("EncryptionContext"), o.date("CreationDate")
	id, sum := o.text("PublicKeyId"), o.text("Checksum")
	if err := o.end(); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return fmt.Errorf("%w: %w", err, ErrDamaged)
	}
	if want := f.PublicKeyID(); id != hex.EncodeToString(want[:]) {
		return fmt.Errorf("PublicKeyId is not that of PublicKey: %w", ErrDamaged)
	}
	return matchChecksum(sum, f.checksum)
}

// notPairFile says what an object without Format is.
func notPairFile(o *object) error {
	switch {
	case o.has("PrivateKeyPlaintext"):
		return fmt.Errorf(
			"%w: it holds a plaintext private key, as generate-data-key-pair prints it; destroy it",
			ErrNotKeyFile)
	case o.has("PrivateKeyCiphertextBlob"):
		return fmt.Errorf(
			"%w: the answer of generate-data-key-pair-without-plaintext does not say its encryption context",
			ErrNotKeyFile)
	}
	return fmt.Errorf("%w: it has no Format", ErrNotKeyFile)
}

// parsePairPEM turns the blocks into the object that the JSON form is.
func parsePairPEM(b []byte) (*object, error) {
	if len(b) > MaxKeyFile {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrNotKeyFile, MaxKeyFile)
	}
	if !utf8.Valid(b) {
		return nil, fmt.Errorf("not UTF-8: %w", ErrDamaged)
	}
	public, rest := nextPEM(b, pemPublic)
	if public == nil {
		return nil, noBlock(b, pemPublic)
	}
	private, rest := nextPEM(rest, pemPrivate)
	if private == nil {
		return nil, noBlock(rest, pemPrivate)
	}
	if len(public.Headers) > 0 || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("there is more in it than its two blocks: %w", ErrDamaged)
	}
	o := &object{fields: map[string]json.RawMessage{}}
	o.set("Format", pairFileName)
	o.set("PublicKey", public.Bytes)
	o.set("PrivateKeyCiphertextBlob", private.Bytes)
	for name, value := range private.Headers {
		switch {
		case o.has(name):
			o.fail("%s is no header", name)
		case name == "Version":
			n, err := strconv.Atoi(value)
			if err != nil || strconv.Itoa(n) != value {
				o.fail("Version is no number")
			}
			o.set(name, n)
		case name == "EncryptionContext":
			o.fields[name] = json.RawMessage(value + " ") // not empty; judged when it is taken
		default:
			o.set(name, value)
		}
	}
	return o, o.err
}

// nextPEM takes the block that b must begin with. Package pem is too lenient: it looks for a block
// further down, past blocks that it cannot read and BEGIN lines without an END. It takes the last
// of several headers of one name, and takes "-----BEGIN" in a header for a new block.
func nextPEM(b []byte, kind string) (*pem.Block, []byte) {
	b = bytes.TrimSpace(b)
	line, rest := nextLine(b)
	if line != "-----BEGIN "+kind+"-----" {
		return nil, b
	}
	block := &pem.Block{Type: kind, Headers: map[string]string{}}
	line, rest = nextLine(rest)
	// base64 has no colon
	for name, value, ok := strings.Cut(line, ":"); ok; name, value, ok = strings.Cut(line, ":") {
		name = strings.TrimSpace(name)
		if _, twice := block.Headers[name]; twice {
			return nil, b
		}
		block.Headers[name] = strings.TrimSpace(value)
		line, rest = nextLine(rest)
	}
	if len(block.Headers) > 0 && line != "" {
		return nil, b
	}
	var text strings.Builder
	for line != "-----END "+kind+"-----" {
		if len(rest) == 0 {
			return nil, b
		}
		text.WriteString(strings.Join(strings.Fields(line), ""))
		line, rest = nextLine(rest)
	}
	var err error
	block.Bytes, err = base64.StdEncoding.Strict().DecodeString(text.String())
	if err != nil {
		return nil, b
	}
	return block, rest
}

// nextLine cuts a line off, without the white space at its end.
func nextLine(b []byte) (line string, rest []byte) {
	first, rest, _ := bytes.Cut(b, []byte("\n"))
	return strings.TrimRight(string(first), " \t\r"), rest
}

// noBlock says why a block could not be read.
func noBlock(b []byte, kind string) error {
	text := string(bytes.TrimSpace(b))
	begin, end := "-----BEGIN "+kind+"-----", "-----END "+kind+"-----"
	switch {
	case strings.HasPrefix(begin, text),
		strings.HasPrefix(text, begin) && !strings.Contains(text, end):
		return ErrTruncated
	case strings.HasPrefix(text, begin):
		return fmt.Errorf("block %s cannot be read: %w", kind, ErrDamaged)
	case kind == pemPublic:
		return fmt.Errorf("%w: it does not begin with a block %s", ErrNotKeyFile, kind)
	}
	return fmt.Errorf("block %s is missing: %w", kind, ErrDamaged)
}
