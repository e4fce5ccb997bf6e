// Command gcm seals, or opens, BYTES bytes in memory with AES-256-GCM of Go's standard library, in
// place and in chunks of CHUNK bytes: what the cipher alone costs. gcm seal|open BYTES CHUNK
package main

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gcm:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("usage: gcm seal|open BYTES CHUNK")
	}
	total, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	chunk, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		return err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return err
	}
	if args[0] == "seal" {
		seal(aead, total, chunk)
		return nil
	}
	return open(aead, total, chunk)
}

func seal(aead cipher.AEAD, total int64, chunk int) {
	buf := make([]byte, chunk, chunk+aead.Overhead())
	nonce := make([]byte, aead.NonceSize())
	for n := uint64(0); total > 0; n++ {
		binary.BigEndian.PutUint64(nonce, n)
		aead.Seal(buf[:0], nonce, buf, nil)
		total -= int64(chunk)
	}
}

// open opens one chunk again and again. Opening in place destroys it, so what comes out goes to a
// second buffer; both stay in the cache.
func open(aead cipher.AEAD, total int64, chunk int) error {
	nonce := make([]byte, aead.NonceSize())
	sealed := aead.Seal(nil, nonce, make([]byte, chunk), nil)
	out := make([]byte, 0, chunk)
	for ; total > 0; total -= int64(chunk) {
		if _, err := aead.Open(out, nonce, sealed, nil); err != nil {
			return err
		}
	}
	return nil
}
