package keystore

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/envseal/envseal/envelope/keymem"
)

// The payload of an age file (C2SP age.md, "Payload"): a nonce of 16 bytes, then chunks of 64 KiB
// under ChaCha20-Poly1305 with a counter and a last-chunk flag for nonce. It is done here because
// the age library decrypts into memory that nobody can wipe afterwards.
const (
	payloadNonce = 16
	chunkSize    = 64 << 10
	chunkTag     = chacha20poly1305.Overhead
)

var errPayload = errors.New("payload is cut, lengthened or altered")

// sealPayload encrypts body, which is not kept, into nonce and chunks.
func sealPayload(fileKey, body []byte) ([]byte, error) {
	nonce := make([]byte, payloadNonce)
	rand.Read(nonce)
	chunks := max(1, (len(body)+chunkSize-1)/chunkSize)
	out := make([]byte, payloadNonce, payloadNonce+len(body)+chunks*chunkTag)
	copy(out, nonce)
	err := withPayloadKey(fileKey, nonce, func(aead cipher.AEAD) error {
		for i := range chunks {
			part := body[i*chunkSize : min(len(body), (i+1)*chunkSize)]
			out = aead.Seal(out, chunkNonce(i, i == chunks-1), part, nil)
		}
		return nil
	})
	return out, err
}

// openPayload decrypts into locked memory. The caller owes the Destroy.
func openPayload(fileKey, payload []byte) (*keymem.Buffer, error) {
	if len(payload) <= payloadNonce+chunkTag { // a keystore is never empty
		return nil, errPayload
	}
	nonce, sealed := payload[:payloadNonce], payload[payloadNonce:]
	chunks := (len(sealed) + chunkSize + chunkTag - 1) / (chunkSize + chunkTag)
	size := len(sealed) - chunks*chunkTag
	if size <= (chunks-1)*chunkSize {
		return nil, errPayload
	}
	buf, err := keymem.New(size)
	if err != nil {
		return nil, err
	}
	err = withPayloadKey(fileKey, nonce, func(aead cipher.AEAD) error {
		dst := buf.Bytes()[:0]
		for i := range chunks {
			part := sealed[i*(chunkSize+chunkTag) : min(len(sealed), (i+1)*(chunkSize+chunkTag))]
			var err error
			if dst, err = aead.Open(dst, chunkNonce(i, i == chunks-1), part, nil); err != nil {
				return errPayload
			}
		}
		return nil
	})
	if err != nil {
		buf.Destroy()
		return nil, err
	}
	return buf, nil
}

// withPayloadKey derives the payload key, lends the cipher to use and wipes both.
func withPayloadKey(fileKey, nonce []byte, use func(cipher.AEAD) error) (err error) {
	keymem.Do(func() {
		var payloadKey []byte
		payloadKey, err = hkdf.Key(sha256.New, fileKey, nonce, "payload", chacha20poly1305.KeySize)
		if err != nil {
			return
		}
		defer keymem.Wipe(payloadKey)
		var aead cipher.AEAD
		if aead, err = chacha20poly1305.New(payloadKey); err != nil {
			return
		}
		defer keymem.WipeField(aead, "key")
		err = use(aead)
	})
	if err != nil {
		return fmt.Errorf("age payload: %w", err)
	}
	return nil
}

func chunkNonce(i int, last bool) []byte {
	var n [chacha20poly1305.NonceSize]byte
	for at := len(n) - 2; i > 0; at-- {
		n[at] = byte(i)
		i >>= 8
	}
	if last {
		n[len(n)-1] = 1
	}
	return n[:]
}
