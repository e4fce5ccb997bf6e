package format

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// MaxKeyFile is how many bytes a data key file or a pair file may have (README, "Key files").
const MaxKeyFile = 1 << 20

// keyFileVersion is the version of both kinds of key files.
const keyFileVersion = 1

// What a file says of itself in Format. The names are part of the checksums, so neither kind can
// pass for the other.
const (
	dataKeyFileName = "envseal data key"
	pairFileName    = "envseal key pair"
)

// dataKeySpec is the only KeySpec of a data key file: 32 bytes. AES_128 would be shorter than
// [MinDataKeySize].
const dataKeySpec = "AES_256"

// ErrNotKeyFile: the input is not a key file of the wanted kind. Where it can be seen, the message
// says what it is.
var ErrNotKeyFile = errors.New("not a key file")

// DataKeyFile is a data key made in advance, still wrapped: what GenerateDataKeyWithoutPlaintext
// returned, and the same data key wrapped for further keys. It holds nothing secret. But whoever
// may call KMS Decrypt on one of its keys gets the data key.
type DataKeyFile struct {
	// Keys are 1 to DefaultMaxSlots wrapped copies of one data key.
	Keys []KMSSlot
	// Context is the encryption context that all of them were made with.
	Context Context
	// Created is to the second, in UTC.
	Created time.Time
	// Bare is set for the plain answer of GenerateDataKeyWithoutPlaintext. That has one key, no
	// Created and no Context, which is nil then. Only KMS can tell whether it is sound.
	Bare bool
}

// check holds f to the limits.
func (f *DataKeyFile) check() error {
	if n := len(f.Keys); n < 1 || n > DefaultMaxSlots {
		return fmt.Errorf("%d keys, 1 to %d are allowed", n, DefaultMaxSlots)
	}
	for _, k := range f.Keys {
		if err := checkWrapped(k.KeyID, k.CiphertextBlob); err != nil {
			return err
		}
	}
	return checkCreated(f.Created)
}

// checksum is over everything that the file says.
func (f *DataKeyFile) checksum() (string, error) {
	context, err := f.Context.AppendBinary(nil)
	if err != nil {
		return "", err
	}
	fields := [][]byte{[]byte(dataKeyFileName), []byte(dataKeySpec), []byte(stamp(f.Created)), context}
	for _, k := range f.Keys {
		fields = append(fields, []byte(k.KeyID), k.CiphertextBlob)
	}
	return checksumOf(fields), nil
}

// dataKeyJSON has the fields in the order in which they are written.
type dataKeyJSON struct {
	Format            string
	Version           int
	KeyID             string `json:"KeyId"`
	CiphertextBlob    []byte
	FurtherKeys       []wrappedJSON `json:",omitempty"`
	KeySpec           string
	EncryptionContext Context
	CreationDate      string
	Checksum          string
}

type wrappedJSON struct {
	KeyID          string `json:"KeyId"`
	CiphertextBlob []byte
}

// Encode gives the file's bytes. It fails if a field is outside its limits, and for a Bare file.
func (f *DataKeyFile) Encode() ([]byte, error) {
	if f.Bare {
		return nil, errors.New("data key file: without an encryption context there is nothing to write")
	}
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("data key file: %w", err)
	}
	sum, err := f.checksum()
	if err != nil {
		return nil, fmt.Errorf("data key file: %w", err)
	}
	out := dataKeyJSON{
		Format: dataKeyFileName, Version: keyFileVersion, KeyID: f.Keys[0].KeyID,
		CiphertextBlob: f.Keys[0].CiphertextBlob, KeySpec: dataKeySpec,
		EncryptionContext: notNil(f.Context), CreationDate: stamp(f.Created), Checksum: sum,
	}
	for _, k := range f.Keys[1:] {
		out.FurtherKeys = append(out.FurtherKeys, wrappedJSON(k))
	}
	return encodeJSON(out)
}

// ParseDataKeyFile reads what Encode writes, or the JSON that `aws kms
// generate-data-key-without-plaintext` prints.
//
// Its errors wrap [ErrTruncated], [ErrDamaged], [ErrVersion] or [ErrNotKeyFile]. It refuses the
// answer of GenerateDataKey with the latter: that holds the plaintext key, and such a file should
// not exist. The result does not alias b.
func ParseDataKeyFile(b []byte) (*DataKeyFile, error) {
	o, err := parseKeyFile(b)
	if err != nil {
		return nil, fmt.Errorf("data key file: %w", err)
	}
	f := &DataKeyFile{}
	if f.Bare = !o.has("Format"); f.Bare {
		err = f.readBare(o)
	} else {
		err = f.read(o)
	}
	if err != nil {
		return nil, fmt.Errorf("data key file: %w", err)
	}
	return f, nil
}

func (f *DataKeyFile) read(o *object) error {
	if err := o.checkKind(dataKeyFileName); err != nil {
		return err
	}
	f.Keys = []KMSSlot{{KeyID: o.text("KeyId"), CiphertextBlob: o.bytes("CiphertextBlob")}}
	for _, further := range o.objects("FurtherKeys") {
		f.Keys = append(f.Keys,
			KMSSlot{KeyID: further.text("KeyId"), CiphertextBlob: further.bytes("CiphertextBlob")})
		o.adopt(further.end())
	}
	if spec := o.text("KeySpec"); spec != dataKeySpec {
		o.fail("KeySpec is %q, it must be %s", shorten(spec), dataKeySpec)
	}
	f.Context = o.context("EncryptionContext")
	f.Created = o.date("CreationDate")
	sum := o.text("Checksum")
	if err := o.end(); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return fmt.Errorf("%w: %w", err, ErrDamaged)
	}
	return matchChecksum(sum, f.checksum)
}

// readBare takes the answer of GenerateDataKeyWithoutPlaintext.
func (f *DataKeyFile) readBare(o *object) error {
	if o.has("Plaintext") {
		return fmt.Errorf("%w: it holds a plaintext key, as generate-data-key prints it; destroy it",
			ErrNotKeyFile)
	}
	if !o.has("KeyId") || !o.has("CiphertextBlob") {
		return fmt.Errorf(
			"%w: it has no Format, nor the KeyId and CiphertextBlob of generate-data-key-without-plaintext",
			ErrNotKeyFile)
	}
	f.Keys = []KMSSlot{{KeyID: o.text("KeyId"), CiphertextBlob: o.bytes("CiphertextBlob")}}
	if o.has("KeyMaterialId") {
		o.text("KeyMaterialId")
	}
	if err := o.end(); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return fmt.Errorf("%w: %w", err, ErrDamaged)
	}
	return nil
}

// checksumOf is SHA-256 over the fields, each after its length (README, "Key files"), in hex.
func checksumOf(fields [][]byte) string {
	h := sha256.New()
	for _, field := range fields {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(field))))
		h.Write(field)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func matchChecksum(sum string, compute func() (string, error)) error {
	want, err := compute()
	if err != nil {
		return fmt.Errorf("%w: %w", err, ErrDamaged)
	}
	if sum != want {
		return fmt.Errorf("the Checksum does not match: %w", ErrDamaged)
	}
	return nil
}

// stamp writes a time as key files do.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// checkCreated refuses a time that has no stamp.
func checkCreated(t time.Time) error {
	if y := t.UTC().Year(); y < 0 || y > 9999 {
		return fmt.Errorf("CreationDate in the year %d, 0 to 9999 are allowed", y)
	}
	return nil
}

func notNil(c Context) Context {
	if c == nil {
		return Context{}
	}
	return c
}
