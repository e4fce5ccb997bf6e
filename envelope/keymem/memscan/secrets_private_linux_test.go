//go:build secrets

package memscan_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
)

// privateNumbers are the secret parts of a private key (PKCS #8), or key itself if it is none. A
// pair's public half, which is in the same file, is not among them.
func privateNumbers(key []byte) (numbers [][]byte, isRSA bool) {
	// the seed of ML-KEM, RFC 9935
	if at := bytes.Index(key, []byte{0x80, 0x40}); at >= 0 && at+66 == len(key) {
		return [][]byte{key[at+2 : at+34], key[at+34:]}, false
	}
	parsed, err := x509.ParsePKCS8PrivateKey(key)
	if err != nil {
		return [][]byte{key}, false
	}
	switch k := parsed.(type) {
	case *ecdsa.PrivateKey:
		scalar, err := k.Bytes()
		if err != nil {
			panic(err) // never: it has just been parsed
		}
		return [][]byte{scalar}, false
	case *rsa.PrivateKey:
		return [][]byte{k.D.Bytes(), k.Primes[0].Bytes(), k.Primes[1].Bytes(), k.Precomputed.Dp.Bytes(),
			k.Precomputed.Dq.Bytes()}, true
	}
	return [][]byte{key}, false
}
