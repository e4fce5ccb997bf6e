//go:build torture

package envelope_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/envseal/envseal/format"
)

// draft is a sealed file in its parts, each of which can be made wrong. It is laid out by the
// specification, without package format.
type draft struct {
	version, suite, log, compression, reserved byte

	fileID, context, commitment []byte
	contextLen                  int64 // 0 or more: what the field says instead of the truth; so below
	headerLen                   int64
	stretch                     bool     // lay the header out as headerLen says
	count                       int      // of slots, -1 for the truth
	slots                       [][]byte // with type and length
	// 1 or more: that byte of the padding, from its end, is not zero
	dirt    int
	badSum  bool
	length  int // the header is at least so long
	chunks  [][]byte
	dataKey []byte
}

// draftOf takes a sealed file apart.
func draftOf(t testing.TB, s *shape) *draft {
	t.Helper()
	header, chunks := s.cutUp(t)
	h := new(format.Header)
	if err := h.UnmarshalBinary(header); err != nil {
		t.Fatal(err)
	}
	d := &draft{version: header[7], suite: header[8], log: header[9], compression: header[10],
		fileID: header[12:44], contextLen: -1, headerLen: -1, count: -1, length: len(header),
		chunks: chunks, dataKey: s.id.keys[place(h.Slots[len(h.Slots)-1], h)]}
	at := 48 + binary.BigEndian.Uint32(header[44:])
	d.context, d.commitment = header[48:at], header[at:at+32]
	for _, slot := range h.Slots {
		d.slots = append(d.slots, rawSlot(byte(slot.Type), slot.Body))
	}
	if len(d.dataKey) == 0 || !bytes.Equal(d.bytes(), s.file) {
		t.Fatalf("%s: not the same after it was taken apart", s.name)
	}
	return d
}

func rawSlot(kind byte, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body))), body...)
}

// clone gives a draft whose parts can be replaced, not changed.
func (d *draft) clone() *draft {
	c := *d
	c.slots, c.chunks = slices.Clone(d.slots), slices.Clone(d.chunks)
	return &c
}

func (d *draft) descriptor() []byte {
	b := append(make([]byte, 0, 4096), "envseal"...)
	b = append(b, d.version, d.suite, d.log, d.compression, d.reserved)
	b = append(b, d.fileID...)
	n := int64(len(d.context))
	if d.contextLen >= 0 {
		n = d.contextLen
	}
	return append(binary.BigEndian.AppendUint32(b, uint32(n)), d.context...)
}

var crcTable = crc32.MakeTable(crc32.Castagnoli)

// header lays the header out.
func (d *draft) header() []byte {
	b := append(d.descriptor(), d.commitment...)
	lengthAt, area := len(b), slices.Concat(d.slots...)
	used := len(b) + 6 + len(area) + 4
	size := max(d.length, (used+255)/256*256)
	if d.stretch && d.headerLen >= int64(used) && d.headerLen <= 1<<16 {
		size = int(d.headerLen)
	}
	said, count := uint32(size), len(d.slots)
	if d.headerLen >= 0 {
		said = uint32(d.headerLen)
	}
	if d.count >= 0 {
		count = d.count
	}
	b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(b, said), uint16(count))
	b = append(append(b, area...), make([]byte, size-used)...)
	if d.dirt > 0 && d.dirt <= size-used {
		b[len(b)-d.dirt] = 1
	}
	// a reader that follows a wrong length must find a right checksum there, or it would stop before
	// the fields
	sum := crc32.Checksum(b, crcTable)
	if d.badSum {
		sum++
	}
	b = binary.BigEndian.AppendUint32(b, sum)
	if end := int(said); end != size && end > lengthAt+10 && end < len(b) && !d.badSum {
		binary.BigEndian.PutUint32(b[end-4:], crc32.Checksum(b[:end-4], crcTable))
	}
	return b
}

func (d *draft) bytes() []byte { return append(d.header(), bytes.Join(d.chunks, nil)...) }

// keys derives what a holder of the data key can: the commitment, which it sets, the AEAD of the
// payload and the base nonce.
func (d *draft) keys() (cipher.AEAD, []byte) {
	digest := sha512.Sum512(d.descriptor())
	prk, err := hkdf.Extract(sha512.New, d.dataKey, d.fileID)
	if err != nil {
		panic(err)
	}
	expand := func(info string, n int) []byte {
		key, err := hkdf.Expand(sha512.New, prk, info+string(digest[:]), n)
		if err != nil {
			panic(err)
		}
		return key
	}
	d.commitment = expand("envseal/v1 commitment", 32)
	payload := expand("envseal/v1 payload", 44)
	block, err := aes.NewCipher(payload[:32])
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead, payload[32:]
}

// piece is a chunk as a writer may make it, rightly or not.
type piece struct {
	plain []byte
	index uint64
	high  byte // wrongly XORed into the nonce's first byte
}

// seal makes the chunks of the pieces, and the commitment.
func (d *draft) seal(pieces []piece) {
	aead, base := d.keys()
	d.chunks = d.chunks[:0:0]
	for _, p := range pieces {
		nonce := bytes.Clone(base)
		nonce[0] ^= p.high
		binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^p.index)
		d.chunks = append(d.chunks, aead.Seal(nil, nonce, p.plain, nil))
	}
}

// piecesOf cuts content up as a writer should.
func piecesOf(content []byte, log byte) (pieces []piece) {
	for i := uint64(0); ; i++ {
		n := min(1<<log, len(content))
		pieces = append(pieces, piece{plain: content[:n], index: i})
		if content = content[n:]; n < 1<<log {
			return pieces
		}
	}
}
