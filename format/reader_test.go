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

// This file, reader_slots_test.go, reader_stream_test.go and reader_armor_test.go are a second
// reader, written from README.md alone, without package format. It holds the file in memory, and
// does not tell what it could have released before an error.

// What it says of a file that it does not open.
var (
	errRefused = errors.New("refused")
	errForeign = fmt.Errorf("%w: not a sealed file", errRefused)
	errNewer   = fmt.Errorf("%w: made by another version", errRefused)
	// suite 1
	errPreRelease = fmt.Errorf("%w: made by a pre-release", errRefused)
	errNoKey      = fmt.Errorf("%w: no slot gives a data key", errRefused)
)

// specSlot is a slot as the specification describes it.
type specSlot struct {
	kind byte
	body []byte
}

// unwrapper opens a slot, from the context bytes and D. It answers nil if the slot is not for it.
type unwrapper func(slot specSlot, context, digest []byte) []byte

// specOptions are what a reader can be told.
type specOptions struct {
	maxSlots     int
	header       []byte // detached
	noDecompress bool
}

// openBySpec opens a sealed file.
func openBySpec(file []byte, unwrap unwrapper) ([]byte, error) {
	return openBySpecWith(file, unwrap, specOptions{maxSlots: 64})
}

func openBySpecWith(file []byte, unwrap unwrapper, o specOptions) ([]byte, error) {
	header, payload := o.header, file
	if header == nil {
		header = file
	}
	n, length, err := lengthsBySpec(header)
	if err != nil {
		return nil, err
	}
	if o.header == nil {
		header, payload = file[:length], file[length:]
	}
	if length != len(header) {
		return nil, fmt.Errorf("%w: something behind the detached header", errRefused)
	}
	if header[8] == 1 {
		return nil, errPreRelease
	}
	if header[8] != 2 || header[9] < 12 || header[9] > 24 || header[10] > 1 || header[11] != 0 {
		return nil, errNewer
	}
	if !canonicalBySpec(header[48 : 48+n]) {
		return nil, fmt.Errorf("%w: context", errRefused)
	}
	list, err := slotsBySpec(header[48+n+32+6:length-4],
		int(binary.BigEndian.Uint16(header[48+n+32+4:])), o.maxSlots)
	if err != nil {
		return nil, err
	}
	key, err := unlockBySpec(header[:48+n+32], list, unwrap)
	if err != nil {
		return nil, err
	}
	plain, err := chunksBySpec(payload, 1<<header[9], key)
	if err != nil || header[10] == 0 || o.noDecompress {
		return plain, err
	}
	return streamBySpec(plain)
}

// unlockBySpec goes through the slots until one gives the data key of descriptor and commitment. A
// wrong data key says more about the file than none.
func unlockBySpec(descriptor []byte, list []specSlot, unwrap unwrapper) ([]byte, error) {
	descriptor, commitment := descriptor[:len(descriptor)-32], descriptor[len(descriptor)-32:]
	digest := sha512.Sum512(descriptor)
	failed := errNoKey
	for _, slot := range list {
		dataKey := unwrap(slot, descriptor[48:], digest[:])
		if dataKey == nil {
			continue
		}
		key, err := payloadKeyBySpec(dataKey, descriptor[12:44], digest[:], commitment)
		if err == nil {
			return key, nil
		}
		if !errors.Is(err, errNoKey) {
			failed = err
		}
	}
	return nil, failed
}

// lengthsBySpec gives the context length and the header length, whose checksum is right.
func lengthsBySpec(file []byte) (context, length int, err error) {
	switch {
	case len(file) == 0 || !bytes.HasPrefix(file, []byte("envseal")[:min(7, len(file))]):
		return 0, 0, errForeign
	case len(file) < 8:
		return 0, 0, fmt.Errorf("%w: magic", errRefused)
	case file[7] != 1:
		return 0, 0, errNewer
	case len(file) < 48:
		return 0, 0, fmt.Errorf("%w: descriptor", errRefused)
	}
	n := int(binary.BigEndian.Uint32(file[44:48]))
	if n > 65536 || len(file) < 48+n+32+6 {
		return 0, 0, fmt.Errorf("%w: context length", errRefused)
	}
	length = int(binary.BigEndian.Uint32(file[48+n+32:]))
	if length%256 != 0 || length > 16<<20 || length > len(file) || length < 48+n+32+6+5+4 {
		return 0, 0, fmt.Errorf("%w: header length", errRefused)
	}
	sum := crc32.Checksum(file[:length-4], crc32.MakeTable(crc32.Castagnoli))
	if sum != binary.BigEndian.Uint32(file[length-4:]) {
		return 0, 0, fmt.Errorf("%w: checksum", errRefused)
	}
	return n, length, nil
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

// payloadKeyBySpec derives payload key and base nonce, and compares the commitment before that.
func payloadKeyBySpec(dataKey, fileID, digest, commitment []byte) ([]byte, error) {
	if len(dataKey) < 32 || len(dataKey) > 1024 {
		return nil, errNoKey
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
	return hkdf.Expand(sha512.New, prk, "envseal/v1 payload"+string(digest), 44)
}

// chunksBySpec opens the chunks under 32 bytes of key, 12 of base nonce. The first that is not full
// is the last.
func chunksBySpec(payload []byte, size int, key []byte) ([]byte, error) {
	block, err := aes.NewCipher(key[:32])
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain := []byte{}
	for i := 0; ; i++ {
		chunk := payload[:min(size+16, len(payload))]
		payload = payload[len(chunk):]
		if len(chunk) == 0 {
			return nil, fmt.Errorf("%w: chunk %d is missing", errRefused, i)
		}
		if full := len(chunk) == size+16; full && i >= min(1<<32, 1<<52/size)-1 {
			return nil, fmt.Errorf("%w: more chunks than a file has", errRefused)
		}
		nonce := bytes.Clone(key[32:44])
		for j, v := 11, i; v > 0; j, v = j-1, v>>8 {
			nonce[j] ^= byte(v)
		}
		if plain, err = gcm.Open(plain, nonce, chunk, nil); err != nil {
			return nil, fmt.Errorf("%w: chunk %d does not open", errRefused, i)
		}
		if len(chunk) < size+16 {
			return plain, nil
		}
	}
}
