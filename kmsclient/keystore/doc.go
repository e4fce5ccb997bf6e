// Package keystore is a key service in a file: AWS KMS's operations, states and errors for machines
// without AWS.
//
// A [Store] holds symmetric encryption keys and their aliases under the account 000000000000 in the
// Region local. Its answers are those of KMS: ids, key ARNs, exceptions, key states, rotation,
// DryRun. Grants and key policies do not exist here, so every grant token is invalid and nothing is
// ever denied.
//
// # The file
//
// One age file (https://age-encryption.org/v1), opened by a passphrase (scrypt), by an identity
// file (X25519) or, for throw-away keystores only, written in the clear. `age -d` opens it too.
// Inside:
//
//	envseal keystore 1\n     the version of what follows; readers refuse a newer one
//	uint32                   length of the metadata, big-endian
//	metadata                 JSON: keys, aliases, how the file is protected
//	32 bytes per backing key in the order of the metadata
//
// Backing keys stand outside the JSON so that no JSON parser copies them. A clear-text file starts
// with a line that says so and ends with the SHA-256 of what stands between.
//
// The file is never changed in place: under an exclusive lock on FILE.lock the new one is written
// to FILE.tmp, synced and renamed. Readers take no lock and write nothing; every operation notices
// when another process has replaced the file and reads it again.
//
// # Blobs
//
// A CiphertextBlob is
//
//	ENVK                     4 bytes
//	1                        version
//	kind                     0: key ids are UUIDs, 1: mrk- and 32 hex digits
//	key id                   16 bytes
//	key material id          32 bytes, names the backing key
//	salt                     32 random bytes
//	IV                       12 random bytes
//	ciphertext, tag          AES-256-GCM
//
// under HKDF-SHA-512(salt, backing key), so that each blob has a key of its own. Everything before
// the IV and the encryption context are authenticated with it: the number of pairs, then the pairs
// sorted by key, each key and value preceded by its length (uint32).
//
// # Secrets in memory
//
// Backing keys, the passphrase, and all plaintext handed out lie in locked memory (package keymem)
// and are wiped on Close or Destroy. The payload of the age file is decrypted and encrypted in
// place in such memory, which is why this package has age's payload format (C2SP age.md, "Payload")
// of its own and leaves only the header to the age library. What cannot be reached: the age
// library's own steps on the passphrase, the identity and the file key (they open nothing without
// the file; the identities that come out of them are wiped), and what crypto/rsa leaves of its own
// steps when it makes a pair (the pair that comes out of them is wiped).
//
// Start reading at [Store] (store.go), and at Store.change, through which every change goes.
package keystore
