package format_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
)

// maker collects the vectors. It depends on names alone: two runs make the same bytes.
type maker struct {
	t   *testing.T
	all []*vector
}

// plan is a sealed file to be made, right but for what a vector is about. Fields that are nil or -1
// get the right value.
type plan struct {
	t    testing.TB
	name string

	magic                             string
	suite, log, compression, reserved byte
	fileID, context, dataKey          []byte
	contextLen                        int
	commitment                        []byte
	headerLen, count                  int
	slots                             [][]byte
	padding                           []byte
	size                              int // of the header, where padding is nil
	checksum                          func(right uint32) uint32
	content                           []byte
	parts                             []part // instead of content
	chunks                            [][]byte
	answers                           []answer
}

// part is a chunk before it is sealed.
type part struct {
	plain []byte
	index uint64
	nonce func(base []byte) []byte // instead of that of the index
}

// fixed gives 32 bytes that are fresh for every name.
func fixed(what, name string) []byte {
	sum := sha256.Sum256([]byte("envseal test vector: " + what + ": " + name))
	return sum[:]
}

// stuff gives n bytes that cannot be made smaller.
func stuff(name string, n int) []byte {
	var b []byte
	for i := 0; len(b) < n; i++ {
		b = append(b, fixed("content", name+strings.Repeat(" ", i))...)
	}
	return b[:n]
}

// plan begins a file with one KMS slot.
func (m *maker) plan(name string) *plan {
	p := &plan{t: m.t, name: name, magic: "envseal\x01", suite: 2, log: 12, contextLen: -1,
		headerLen: -1, count: -1, fileID: fixed("file id", name), dataKey: fixed("data key", name),
		context: rawContext(), content: []byte("This is " + name + ".\n")}
	p.slots = [][]byte{p.kms(exampleKMSKey)}
	return p
}

// blob is the CiphertextBlob of the plan's data key.
func (p *plan) blob() []byte { return fixed("blob", p.name) }

// kms is a slot that the key service opens.
func (p *plan) kms(keyID string) []byte {
	p.answers = append(p.answers, answer{keyID, p.context, p.blob(), p.dataKey})
	return rawSlot(1, u16(u16(nil, []byte(keyID)), p.blob()))
}

// bind makes slot and answer again, after context or data key were changed.
func (p *plan) bind() *plan {
	p.answers = nil
	p.slots = [][]byte{p.kms(exampleKMSKey)}
	return p
}

func (p *plan) descriptor() []byte {
	b := append([]byte(p.magic), p.suite, p.log, p.compression, p.reserved)
	b = append(b, p.fileID...)
	n := uint32(len(p.context))
	if p.contextLen >= 0 {
		n = uint32(p.contextLen)
	}
	return append(binary.BigEndian.AppendUint32(b, n), p.context...)
}

// keys are commitment and payload key with base nonce.
func (p *plan) keys() (commitment, payload []byte) {
	digest := sha512.Sum512(p.descriptor())
	_, commitment, payload = rawKeys(p.t, p.dataKey, p.fileID, digest[:])
	return commitment, payload
}

func (p *plan) header() []byte {
	commitment := p.commitment
	if commitment == nil {
		commitment, _ = p.keys()
	}
	b := append(p.descriptor(), commitment...)
	area := slices.Concat(p.slots...)
	used := len(b) + 6 + len(area) + 4
	padding := p.padding
	if padding == nil {
		padding = make([]byte, max(p.size, (used+256+255)/256*256)-used)
	}
	length, count := used+len(padding), len(p.slots)
	if p.headerLen >= 0 {
		length = p.headerLen
	}
	if p.count >= 0 {
		count = p.count
	}
	b = binary.BigEndian.AppendUint32(b, uint32(length))
	b = binary.BigEndian.AppendUint16(b, uint16(count))
	b = append(append(b, area...), padding...)
	sum := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	if p.checksum != nil {
		sum = p.checksum(sum)
	}
	return binary.BigEndian.AppendUint32(b, sum)
}

// sealed are the chunks.
func (p *plan) sealed() [][]byte {
	if p.chunks != nil {
		return p.chunks
	}
	_, key := p.keys()
	if p.parts == nil {
		p.parts = partsOf(p.content, 1<<min(p.log, 24))
	}
	return sealParts(p.t, key, p.parts)
}

func (p *plan) payload() []byte { return bytes.Join(p.sealed(), nil) }

func (p *plan) file() []byte { return append(p.header(), p.payload()...) }

// partsOf cuts content up.
func partsOf(content []byte, size int) (parts []part) {
	for i := uint64(0); ; i++ {
		n := min(size, len(content))
		parts = append(parts, part{plain: content[:n], index: i})
		if content = content[n:]; n < size {
			return parts
		}
	}
}

func sealParts(t testing.TB, key []byte, parts []part) (chunks [][]byte) {
	t.Helper()
	block, err := aes.NewCipher(key[:32])
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		nonce := xor(key[32:], binary.BigEndian.AppendUint64(make([]byte, 4), p.index))
		if p.nonce != nil {
			nonce = p.nonce(key[32:])
		}
		chunks = append(chunks, gcm.Seal(nil, nonce, p.plain, nil))
	}
	return chunks
}

// opens adds a vector of a file that is as it should be.
func (m *maker) opens(comment string, p *plan) *vector {
	v := &vector{name: p.name, comment: comment, expect: "opens", form: "file",
		decrypt: p.answers, body: p.file(), dataKey: p.dataKey}
	v.released = []released{releasedOf(p.content)}
	m.all = append(m.all, v)
	return v
}

// refused adds one of a file that is refused. Before that shows, up to chunks whole chunks of its
// content may have come out.
func (m *maker) refused(expect, reason, comment string, p *plan, body []byte, chunks int) *vector {
	v := &vector{name: p.name, comment: comment, expect: expect, reason: reason, form: "file",
		decrypt: p.answers, body: body}
	for n := range chunks + 1 {
		v.released = append(v.released, releasedOf(p.content[:min(n<<p.log, len(p.content))]))
	}
	m.all = append(m.all, v)
	return v
}

// damaged is refused for the most common kind.
func (m *maker) damaged(reason, comment string, p *plan) *vector {
	return m.refused("damaged", reason, comment, p, p.file(), 0)
}

func (v *vector) option(name, value string) *vector {
	if v.options == nil {
		v.options = map[string]string{}
	}
	v.options[name] = value
	return v
}
