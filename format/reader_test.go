package format_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"unicode/utf8"
)

// This file is a second reader, written from README.md alone and with nothing of package format. It holds the file in memory
// and reads no compressed ones.

var errRefused = errors.New("refused")

// specSlot is a slot as the specification describes it.
type specSlot struct {
	kind byte
	body []byte
}

// unwrapper opens a slot: it is given the context bytes and D, and answers nil where the slot is not for it.
type unwrapper func(slot specSlot, context, digest []byte) []byte

// openBySpec opens a sealed file.
func openBySpec(file []byte, unwrap unwrapper) ([]byte, error) {
	if len(file) < 48 || string(file[:8]) != "envseal\x01" {
		return nil, fmt.Errorf("%w: magic", errRefused)
	}
	n := int(binary.BigEndian.Uint32(file[44:48]))
	if n > 65536 || len(file) < 48+n+32+6 {
		return nil, fmt.Errorf("%w: context length", errRefused)
	}
	descriptor, commitment, slots := file[:48+n], file[48+n:48+n+32], file[48+n+32:]
	length := int(binary.BigEndian.Uint32(slots))
	if length%256 != 0 || length > 16<<20 || length > len(file) || length < 48+n+32+6+5+4 {
		return nil, fmt.Errorf("%w: header length", errRefused)
	}
	sum := crc32.Checksum(file[:length-4], crc32.MakeTable(crc32.Castagnoli))
	if sum != binary.BigEndian.Uint32(file[length-4:]) {
		return nil, fmt.Errorf("%w: checksum", errRefused)
	}
	if file[8] != 1 || file[9] < 12 || file[9] > 24 || file[10] != 0 || file[11] != 0 || !canonicalBySpec(file[48:48+n]) {
		return nil, fmt.Errorf("%w: descriptor", errRefused)
	}
	list, err := slotsBySpec(file[48+n+32+6:length-4], int(binary.BigEndian.Uint16(slots[4:])))
	if err != nil {
		return nil, err
	}
	digest := sha512.Sum512(descriptor)
	for _, slot := range list {
		if dataKey := unwrap(slot, file[48:48+n], digest[:]); dataKey != nil {
			return payloadBySpec(file[length:], 1<<file[9], dataKey, file[12:44], digest[:], commitment)
		}
	}
	return nil, fmt.Errorf("%w: no slot", errRefused)
}

func canonicalBySpec(b []byte) bool {
	if len(b) < 2 {
		return false
	}
	pairs, last := int(binary.BigEndian.Uint16(b)), []byte(nil)
	b = b[2:]
	for i := range pairs {
		var text [2][]byte
		for j := range text {
			if len(b) < 2 || len(b) < 2+int(binary.BigEndian.Uint16(b)) {
				return false
			}
			end := 2 + int(binary.BigEndian.Uint16(b))
			text[j], b = b[2:end], b[end:]
			if !utf8.Valid(text[j]) {
				return false
			}
		}
		if i > 0 && bytes.Compare(text[0], last) <= 0 {
			return false
		}
		last = text[0]
	}
	return len(b) == 0
}

func slotsBySpec(b []byte, count int) ([]specSlot, error) {
	if count < 1 || count > 64 {
		return nil, fmt.Errorf("%w: slot count", errRefused)
	}
	var list []specSlot
	for range count {
		if len(b) < 5 || uint64(len(b)-5) < uint64(binary.BigEndian.Uint32(b[1:])) {
			return nil, fmt.Errorf("%w: slot length", errRefused)
		}
		end := 5 + int(binary.BigEndian.Uint32(b[1:]))
		list = append(list, specSlot{b[0], b[5:end]})
		b = b[end:]
	}
	if len(bytes.Trim(b, "\x00")) != 0 {
		return nil, fmt.Errorf("%w: padding", errRefused)
	}
	return list, nil
}

func payloadBySpec(payload []byte, size int, dataKey, fileID, digest, commitment []byte) ([]byte, error) {
	if len(dataKey) < 32 || len(dataKey) > 1024 {
		return nil, fmt.Errorf("%w: data key", errRefused)
	}
	prk, err := hkdf.Extract(sha512.New, dataKey, fileID)
	if err != nil {
		return nil, err
	}
	expected, err := hkdf.Expand(sha512.New, prk, "envseal/v1 commitment"+string(digest), 32)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(expected, commitment) != 1 {
		return nil, fmt.Errorf("%w: commitment", errRefused)
	}
	key, err := hkdf.Expand(sha512.New, prk, "envseal/v1 payload"+string(digest), 32)
	if err != nil {
		return nil, err
	}
	cipherBlock, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(cipherBlock)
	if err != nil {
		return nil, err
	}
	return chunksBySpec(payload, size, gcm)
}

func chunksBySpec(payload []byte, size int, gcm cipher.AEAD) ([]byte, error) {
	plain := []byte{}
	for i := 0; ; i++ {
		n := min(size+16, len(payload))
		if n < 16 || n == 16 && i > 0 {
			return nil, fmt.Errorf("%w: chunk %d has %d bytes", errRefused, i, n)
		}
		chunk := payload[:n]
		payload = payload[n:]
		nonce := make([]byte, 12)
		for j, v := 10, i; j >= 0; j, v = j-1, v>>8 {
			nonce[j] = byte(v)
		}
		if len(payload) == 0 {
			nonce[11] = 1
		}
		var err error
		if plain, err = gcm.Open(plain, nonce, chunk, nil); err != nil {
			return nil, fmt.Errorf("%w: chunk %d does not open", errRefused, i)
		}
		if len(payload) == 0 {
			return plain, nil
		}
	}
}
