package envelope

import (
	"github.com/envseal/envseal/envelope/internal/secret"
	"github.com/envseal/envseal/format"
)

// The info strings of the key schedule (format specification, Keys).
const (
	infoCommitment = "envseal/v1 commitment"
	infoPayload    = "envseal/v1 payload"
)

// payloadKeySize is that of AES-256. The base nonce is derived with the key, behind it.
const payloadKeySize = 32

// derive computes a file's commitment and its payload key from the data key: HKDF-SHA-512 with the
// file id as salt and the digest of the descriptor in both infos. The caller owes the payload key
// its Destroy.
func derive(dataKey []byte,
	d *format.Descriptor) (commitment [format.CommitmentSize]byte, key *payloadKey, err error) {
	digest, err := d.Digest()
	if err != nil {
		return commitment, nil, err
	}
	payload, err := secret.New(payloadKeySize + format.NonceSize)
	if err != nil {
		return commitment, nil, err
	}
	secret.Do(func() {
		var h *secret.HKDF
		if h, err = secret.NewHKDF(d.FileID[:], dataKey); err != nil {
			return
		}
		defer h.Destroy()
		if err = h.Expand(commitment[:], []byte(infoCommitment), digest[:]); err != nil {
			return
		}
		if err = h.Expand(payload.Bytes(), []byte(infoPayload), digest[:]); err != nil {
			return
		}
		key, err = newPayloadKey(payload, d.ChunkSize())
	})
	if err != nil {
		payload.Destroy()
	}
	return commitment, key, err
}

// deriveChecked derives from a key that came out of a slot, and refuses it unless it is the one
// that the file commits to. Nothing else may use the key before this comparison: it authenticates
// the descriptor, and with it the encryption context.
func deriveChecked(dataKey []byte, h *format.Header) (*payloadKey, error) {
	commitment, key, err := derive(dataKey, &h.Descriptor)
	if err != nil {
		return nil, err
	}
	if !secret.Equal(commitment[:], h.Commitment[:]) {
		key.Destroy()
		return nil, ErrCommitment
	}
	return key, nil
}
