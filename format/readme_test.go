package format_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/envseal/envseal/format"
)

const (
	exampleKMSKey  = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	examplePairKey = "arn:aws:kms:eu-west-1:111122223333:key/0987dcba-09fe-87dc-65ba-ab0987654321"
)

var block = regexp.MustCompile("(?m)^```text ([a-z-]+)\n([0-9a-f\n ]+)\n```$")

// readExample gives the hex blocks of README.md by name. It checks the offsets before the lines of
// the block "file".
func readExample(t testing.TB) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string][]byte{}
	for _, m := range block.FindAllStringSubmatch(string(text), -1) {
		name, lines := m[1], strings.Split(m[2], "\n")
		var value []byte
		for _, line := range lines {
			if offset, rest, dump := strings.Cut(line, "  "); dump {
				at, err := hex.DecodeString(offset)
				if err != nil || int(binary.BigEndian.Uint16(at)) != len(value) {
					t.Fatalf("%s: offset %s at byte %d", name, offset, len(value))
				}
				line = rest
			}
			b, err := hex.DecodeString(line)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			value = append(value, b...)
		}
		if blocks[name] != nil {
			t.Fatalf("%s: twice in README.md", name)
		}
		blocks[name] = value
	}
	if len(blocks) != 19 {
		t.Fatalf("%d blocks in README.md, want 19", len(blocks))
	}
	return blocks
}

func span(from, to byte) []byte {
	var b []byte
	for v := int(from); v <= int(to); v++ {
		b = append(b, byte(v))
	}
	return b
}

// u16 puts the length before the field. The writer in this file uses nothing of package format.
func u16(b, field []byte) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(field))), field...)
}

func rawContext(texts ...string) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(texts)/2))
	for _, s := range texts {
		b = u16(b, []byte(s))
	}
	return b
}

func rawDescriptor(chunkLog byte, fileID, context []byte) []byte {
	b := append([]byte("envseal\x01\x02"), chunkLog, 0, 0)
	b = append(b, fileID...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(context)))
	return append(b, context...)
}

// rawHeader lays a header out by hand, with the smallest length that leaves 256 bytes.
func rawHeader(descriptor, commitment []byte, slots ...[]byte) []byte {
	var area []byte
	for _, s := range slots {
		area = append(area, s...)
	}
	used := len(descriptor) + 32 + 6 + len(area) + 4
	length := (used + 256 + 255) / 256 * 256
	h := append(bytes.Clone(descriptor), commitment...)
	h = binary.BigEndian.AppendUint32(h, uint32(length))
	h = binary.BigEndian.AppendUint16(h, uint16(len(slots)))
	h = append(h, area...)
	return withChecksum(append(h, make([]byte, length-used)...))
}

func withChecksum(h []byte) []byte {
	return binary.BigEndian.AppendUint32(h, crc32.Checksum(h, crc32.MakeTable(crc32.Castagnoli)))
}

func rawSlot(kind byte, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body))), body...)
}

// rawKeys is the key schedule: PRK, commitment, payload key with the base nonce behind it.
func rawKeys(t testing.TB, dataKey, fileID, digest []byte) (prk, commitment, payload []byte) {
	t.Helper()
	prk, err := hkdf.Extract(sha512.New, dataKey, fileID)
	if err != nil {
		t.Fatal(err)
	}
	commitment, err = hkdf.Expand(sha512.New, prk, "envseal/v1 commitment"+string(digest), 32)
	if err != nil {
		t.Fatal(err)
	}
	payload, err = hkdf.Expand(sha512.New, prk, "envseal/v1 payload"+string(digest), 44)
	if err != nil {
		t.Fatal(err)
	}
	return prk, commitment, payload
}

// rawChunks seals the plaintext by hand.
func rawChunks(t testing.TB, key, plain []byte, size int) []byte {
	t.Helper()
	block, err := aes.NewCipher(key[:32])
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for i := uint64(0); ; i++ {
		n := min(size, len(plain))
		index := binary.BigEndian.AppendUint64(make([]byte, 4), i)
		out = aead.Seal(out, xor(key[32:], index), plain[:n], nil)
		if plain = plain[n:]; n < size {
			return out
		}
	}
}

// TestReadmeExample rebuilds every value of the worked example, with the standard library alone.
func TestReadmeExample(t *testing.T) {
	ex := readExample(t)
	got := map[string][]byte{
		"data-key":  span(0x00, 0x1f),
		"file-id":   span(0x20, 0x3f),
		"plaintext": []byte("Sealed by hand.\n"),
	}
	got["descriptor"] = rawDescriptor(16, got["file-id"], rawContext("app", "web", "env", "prod"))
	digest := sha512.Sum512(got["descriptor"])
	got["d"] = digest[:]
	var payload []byte
	got["prk"], got["commitment"], payload = rawKeys(t, got["data-key"], got["file-id"], digest[:])
	got["payload-key"], got["base-nonce"] = payload[:32], payload[32:]
	got["kms-body"] = u16(u16(nil, []byte(exampleKMSKey)), span(0xc0, 0xdf))

	scalar := bytes.Repeat([]byte{0x42}, 32)
	private, err := ecdh.P256().NewPrivateKey(scalar)
	if err != nil {
		t.Fatal(err)
	}
	got["private-key"], _ = x509.MarshalPKCS8PrivateKey(private)
	got["public-key"], _ = x509.MarshalPKIXPublicKey(private.PublicKey())
	got["info"] = append([]byte("envseal/v1 pair"), digest[:]...)
	// random: TestPairExamples opens one like it, and the reader below opens this one
	got["sealed-data-key"] = ex["sealed-data-key"]
	id := sha256.Sum256(got["public-key"])
	body := u16(append([]byte{2}, id[:]...), ex["sealed-data-key"])
	body = u16(u16(body, []byte(examplePairKey)), span(0xe0, 0xff))
	got["pair-body"] = u16(body, rawContext("team", "backup"))

	header := rawHeader(got["descriptor"], got["commitment"], rawSlot(1, got["kms-body"]),
		rawSlot(2, got["pair-body"]))
	got["checksum"] = header[len(header)-4:]
	got["nonce"] = got["base-nonce"] // index 0
	got["chunk"] = rawChunks(t, payload, got["plaintext"], 1<<16)
	got["file"] = append(bytes.Clone(header), got["chunk"]...)
	for name, want := range ex {
		if !bytes.Equal(got[name], want) {
			t.Errorf("%s is stale\nREADME.md %x\ncomputed  %x", name, want, got[name])
		}
	}
}

// TestReadmeHeader makes the example's header with the package, and reads it back.
func TestReadmeHeader(t *testing.T) {
	ex := readExample(t)
	h := exampleHeader(t)
	b, err := h.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if want := ex["file"][:h.Length]; h.Length != 768 || !bytes.Equal(b, want) {
		t.Fatalf("length %d\ngot  %x\nwant %x", h.Length, b, want)
	}
	digest, err := h.Digest()
	if err != nil || !bytes.Equal(digest[:], ex["d"]) {
		t.Fatalf("digest %x, %v", digest, err)
	}
	var nonce [12]byte
	format.PutNonce(&nonce, ex["base-nonce"], 0)
	if !bytes.Equal(nonce[:], ex["nonce"]) {
		t.Fatalf("nonce %x", nonce)
	}
	if size, err := h.Layout().SealedSize(16); err != nil || size != int64(len(ex["file"])) {
		t.Fatalf("sealed size %d, %v", size, err)
	}
}

// exampleHeader is the example's header in the package's types, not laid out yet.
func exampleHeader(t testing.TB) *format.Header {
	t.Helper()
	ex := readExample(t)
	h := &format.Header{Descriptor: format.Descriptor{
		Suite: format.SuiteHKDFSHA512AES256GCM, ChunkSizeLog2: format.DefaultChunkSizeLog2,
		FileID: [32]byte(ex["file-id"]), Context: format.Context{"env": "prod", "app": "web"},
	}, Commitment: [32]byte(ex["commitment"])}
	kms, err := format.KMSSlot{KeyID: exampleKMSKey, CiphertextBlob: span(0xc0, 0xdf)}.Slot()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := format.PairSlot{
		Scheme: format.PairHPKEP256, PublicKeyID: sha256.Sum256(ex["public-key"]),
		SealedDataKey: ex["sealed-data-key"],
		KeyID:         examplePairKey, PrivateKeyCiphertextBlob: span(0xe0, 0xff),
		PairContext: format.Context{"team": "backup"},
	}.Slot()
	if err != nil {
		t.Fatal(err)
	}
	h.Slots = []format.Slot{kms, pair}
	return h
}
