// Package keymem gives packages outside envelope, first of all the key services under kmsclient,
// the locked memory that holds keys. The work is done in envelope/internal/secret, which they
// cannot import. This package adds names only, and [WipeRSA]. The rules for the use of keys are in
// the doc comments of what is named here.
package keymem

import "github.com/envseal/envseal/envelope/internal/secret"

type (
	// Buffer is locked, undumpable memory that Destroy wipes.
	Buffer = secret.Buffer
	// HKDF is HKDF-SHA-512 (RFC 5869) with its state in locked memory.
	HKDF = secret.HKDF
	// AEAD is AES-GCM with its expanded key in locked memory; a [crypto/cipher.AEAD].
	AEAD = secret.AEAD
)

// New returns a Buffer of n zero bytes, 1 <= n <= 1 GiB. Destroy it after use.
func New(n int) (*Buffer, error) { return secret.New(n) }

// NewHKDF extracts a pseudorandom key from ikm with salt. Call it inside [Do], and Destroy it.
func NewHKDF(salt, ikm []byte) (*HKDF, error) { return secret.NewHKDF(salt, ikm) }

// NewAESGCM returns AES-GCM under a key of 16 or 32 bytes. Call it inside [Do], and Destroy it.
func NewAESGCM(key []byte) (*AEAD, error) { return secret.NewAESGCM(key) }

// Do runs f, which must be short and only compute. No stack, register or signal frame keeps a piece
// of what f works with. Panics of f are passed on.
func Do(f func()) { secret.Do(f) }

// Wipe zeroes b; the compiler cannot leave it out.
func Wipe(b []byte) { secret.Wipe(b) }

// WipeField zeroes one field inside a value of a package that offers no way to wipe it. v is a
// pointer. path leads through structs, pointers and interfaces to a value without pointers, or to a
// slice of such values. It tells whether there was such a field: a new release may move it, so have
// a test that notices.
func WipeField(v any, path ...string) bool { return secret.WipeField(v, path...) }

// Harden turns core dumps off and makes the process undumpable, as far as the system can.
func Harden() error { return secret.Harden() }

// LockError returns the first refusal to lock memory in this process, or nil.
func LockError() error { return secret.LockError() }
