// Package kmsclient says what envseal asks of a key service, in plain Go types.
//
// The names are those of the AWS KMS API (operations, fields, exceptions), so that a key policy can
// be read off the code. [Client] has the operations on data keys, [Admin] the life of KMS keys,
// [Service] both. Three things implement them: awskms (the AWS SDK), keystore (a key service in a
// file), and whatever stands behind devserver. What an implementation must do is written here and
// checked by kmstest.
//
// The package imports the standard library only. It is safe for concurrent use as far as its
// implementations are, and they must be.
package kmsclient

import (
	"context"
	"time"
	"unicode/utf8"
)

// Limits of the KMS API (API reference: GenerateDataKey, Encrypt, Decrypt).
const (
	MaxCiphertextBlob = 6144 // bytes in any CiphertextBlob
	MaxPlaintext      = 4096 // bytes that Encrypt takes and Decrypt returns
	MaxDataKey        = 1024 // bytes, NumberOfBytes of GenerateDataKey and GenerateRandom
	MaxKeyID          = 2048 // bytes of a key id, ARN or alias
	MaxGrantTokens    = 10
)

// KeySpec values of GenerateDataKey.
const (
	AES128 = "AES_128"
	AES256 = "AES_256"
)

// Algorithm is the only EncryptionAlgorithm that symmetric KMS keys have.
const Algorithm = "SYMMETRIC_DEFAULT"

// Secret is plaintext key material in memory that its maker chose, in envseal's own clients locked
// memory. Bytes stays valid until Destroy, which wipes it and may be called more than once. The
// holder of a Secret owes the Destroy.
type Secret interface {
	Bytes() []byte
	Destroy()
}

// Options are the request fields that most operations share. The zero value asks for nothing.
type Options struct {
	GrantTokens []string // at most MaxGrantTokens
	// DryRun asks whether the caller may do it. The answer is always an error: one that wraps
	// ErrDryRun means yes.
	DryRun bool
}

// GenerateDataKeyInput asks for a data key: either KeySpec (AES_128, AES_256) or NumberOfBytes
// (1..1024), not both and not neither.
type GenerateDataKeyInput struct {
	KeyID             string // key id, key ARN, alias/name or alias ARN
	KeySpec           string
	NumberOfBytes     int
	EncryptionContext map[string]string
	Options
}

// DataKey is a data key as KMS makes it. CiphertextBlob is the key encrypted under KeyID, which is
// always a key ARN. Plaintext is nil when the operation was GenerateDataKeyWithoutPlaintext.
type DataKey struct {
	KeyID          string
	Plaintext      Secret
	CiphertextBlob []byte
	KeyMaterialID  string // 64 hex digits, or empty where the service does not tell
}

// GenerateDataKeyPairInput asks for an asymmetric data key pair.
type GenerateDataKeyPairInput struct {
	KeyID             string
	KeyPairSpec       string // RSA_2048 .. ML_KEM_1024, see KeyPairSpecs
	EncryptionContext map[string]string
	Options
}

// KeyPairSpecs are the values of KeyPairSpec that the project's own key service makes: those of KMS
// but for SM2 and for ML_KEM_512, which Go's standard library does not have.
var KeyPairSpecs = []string{
	"RSA_2048", "RSA_3072", "RSA_4096",
	"ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519",
	"ML_KEM_768", "ML_KEM_1024",
}

// KeyPair is a data key pair. PublicKey is a DER SubjectPublicKeyInfo (RFC 5280); the private key
// is a DER PKCS #8 PrivateKeyInfo (RFC 5958), for ML-KEM with the 64-byte seed in it, encrypted
// under KeyID in PrivateKeyCiphertextBlob. PrivateKeyPlaintext is nil when the operation was
// GenerateDataKeyPairWithoutPlaintext.
type KeyPair struct {
	KeyID                    string
	KeyPairSpec              string
	PublicKey                []byte
	PrivateKeyPlaintext      Secret
	PrivateKeyCiphertextBlob []byte
	KeyMaterialID            string
}

// EncryptInput asks for Plaintext (1..4096 bytes) under a KMS key. The caller keeps Plaintext; no
// copy of it outlives the call.
type EncryptInput struct {
	KeyID             string
	Plaintext         []byte
	EncryptionContext map[string]string
	Algorithm         string // empty means SYMMETRIC_DEFAULT
	Options
}

// EncryptOutput is the answer of Encrypt. KeyID is a key ARN.
type EncryptOutput struct {
	KeyID          string
	CiphertextBlob []byte
	Algorithm      string
}

// DecryptInput asks for the plaintext of a CiphertextBlob. With KeyID set, a blob of another key is
// ErrIncorrectKey.
type DecryptInput struct {
	KeyID             string // may be empty: KMS finds the key from the blob
	CiphertextBlob    []byte
	EncryptionContext map[string]string
	Algorithm         string // empty means SYMMETRIC_DEFAULT
	Options
}

// DecryptOutput is the answer of Decrypt. KeyID is the ARN of the key that decrypted. The caller
// owes Plaintext.Destroy.
type DecryptOutput struct {
	KeyID         string
	Plaintext     Secret
	Algorithm     string
	KeyMaterialID string
}

// ReEncryptInput moves a CiphertextBlob from one KMS key or encryption context to another inside
// the key service.
type ReEncryptInput struct {
	CiphertextBlob               []byte
	SourceKeyID                  string // may be empty
	SourceEncryptionContext      map[string]string
	DestinationKeyID             string
	DestinationEncryptionContext map[string]string
	SourceAlgorithm              string // empty means SYMMETRIC_DEFAULT, as for the destination's
	DestinationAlgorithm         string
	Options
}

// ReEncryptOutput is the answer of ReEncrypt. Both ids are key ARNs.
type ReEncryptOutput struct {
	SourceKeyID              string
	KeyID                    string
	CiphertextBlob           []byte
	SourceAlgorithm          string
	DestinationAlgorithm     string
	SourceKeyMaterialID      string
	DestinationKeyMaterialID string
}

// Key states, as in KeyMetadata.KeyState.
const (
	StateEnabled         = "Enabled"
	StateDisabled        = "Disabled"
	StatePendingDeletion = "PendingDeletion"
)

// KeyMetadata is what DescribeKey tells. Members that do not apply to a key are empty, as KMS
// leaves them out.
type KeyMetadata struct {
	AccountID           string
	KeyID               string // the bare id
	ARN                 string
	CreationDate        time.Time
	Enabled             bool
	Description         string
	KeyUsage            string // ENCRYPT_DECRYPT
	KeyState            string // Enabled, Disabled, PendingDeletion, ...
	DeletionDate        time.Time
	ValidTo             time.Time // when imported key material expires
	Origin              string    // AWS_KMS
	CustomKeyStoreID    string
	CloudHSMClusterID   string
	ExpirationModel     string // of imported key material
	KeyManager          string // CUSTOMER or AWS
	KeySpec             string // SYMMETRIC_DEFAULT
	Algorithms          []string
	SigningAlgorithms   []string
	AgreementAlgorithms []string
	MACAlgorithms       []string
	// MultiRegion: the key is a multi-Region key; its id starts with mrk-.
	MultiRegion bool
	// MultiRegionConfiguration is nil but for a multi-Region key.
	MultiRegionConfiguration *MultiRegionConfiguration
	// PendingDeletionWindowInDays is set for a primary key that waits for its replicas to be deleted.
	PendingDeletionWindowInDays int
	XksKeyID                    string // the key in an external key store
	// CurrentKeyMaterialID names the backing key that encrypts now, 64 hex digits.
	CurrentKeyMaterialID string
}

// Values of MultiRegionConfiguration.KeyType.
const (
	PrimaryKey = "PRIMARY"
	ReplicaKey = "REPLICA"
)

// MultiRegionConfiguration names the keys that a multi-Region key shares its id and key material
// with, itself included.
type MultiRegionConfiguration struct {
	KeyType  string // PrimaryKey or ReplicaKey
	Primary  RegionKey
	Replicas []RegionKey
}

// RegionKey is one of the keys of a multi-Region key.
type RegionKey struct{ ARN, Region string }

// CreateKeyInput describes a new symmetric encryption key.
type CreateKeyInput struct {
	Description string
	MultiRegion bool
}

// KeyEntry is one row of ListKeys.
type KeyEntry struct{ KeyID, ARN string }

// AliasEntry is one row of ListAliases. Name starts with "alias/".
type AliasEntry struct {
	Name        string
	ARN         string
	TargetKeyID string
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// IsText tells whether encryption contexts are what JSON can carry. It makes U+FFFD of all that is
// no UTF-8, so that contexts that differ would become one.
func IsText(contexts ...map[string]string) bool {
	for _, ec := range contexts {
		for name, value := range ec {
			if !utf8.ValidString(name) || !utf8.ValidString(value) {
				return false
			}
		}
	}
	return true
}

// Client has the operations on data keys. A key is named by key id, key ARN, alias/name or alias
// ARN. Encryption contexts are UTF-8 text; any other is ErrInvalidRequest, see [IsText].
//
// Every answer is complete or the call fails: KeyIDs are key ARNs, blobs are 1..6144 bytes, a
// plaintext has exactly the length asked for, and Decrypt answers with the key that was asked for.
// Errors wrap one of the Err values of this package and are, where a service answered, an [*Error].
// Calls honour ctx, and end by themselves in bounded time.
type Client interface {
	DescribeKey(ctx context.Context, keyID string, opts Options) (*KeyMetadata, error)
	GenerateDataKey(ctx context.Context, in GenerateDataKeyInput) (*DataKey, error)
	GenerateDataKeyWithoutPlaintext(ctx context.Context, in GenerateDataKeyInput) (*DataKey, error)
	GenerateDataKeyPair(ctx context.Context, in GenerateDataKeyPairInput) (*KeyPair, error)
	GenerateDataKeyPairWithoutPlaintext(ctx context.Context,
		in GenerateDataKeyPairInput) (*KeyPair, error)
	GenerateRandom(ctx context.Context, numberOfBytes int) (Secret, error)
	Encrypt(ctx context.Context, in EncryptInput) (*EncryptOutput, error)
	Decrypt(ctx context.Context, in DecryptInput) (*DecryptOutput, error)
	ReEncrypt(ctx context.Context, in ReEncryptInput) (*ReEncryptOutput, error)
}

// Admin has the life of KMS keys and aliases. Lists come whole: implementations follow the pages.
type Admin interface {
	CreateKey(ctx context.Context, in CreateKeyInput) (*KeyMetadata, error)
	CreateAlias(ctx context.Context, name, targetKeyID string) error
	UpdateAlias(ctx context.Context, name, targetKeyID string) error
	DeleteAlias(ctx context.Context, name string) error
	ListKeys(ctx context.Context) ([]KeyEntry, error)
	ListAliases(ctx context.Context, keyID string) ([]AliasEntry, error) // keyID empty: all
	EnableKey(ctx context.Context, keyID string) error
	DisableKey(ctx context.Context, keyID string) error
	// ScheduleKeyDeletion takes 7..30 days (0 means 30) and returns the day of deletion.
	ScheduleKeyDeletion(ctx context.Context, keyID string, days int) (time.Time, error)
	CancelKeyDeletion(ctx context.Context, keyID string) error // leaves the key Disabled, as KMS does
	// RotateKeyOnDemand makes a new backing key for what is encrypted from now on; old blobs still
	// decrypt.
	RotateKeyOnDemand(ctx context.Context, keyID string) error
}

// Service is a whole key service.
type Service interface {
	Client
	Admin
}
