package format_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/envseal/envseal/format"
)

// vectorsJSON is testdata/vectors/vectors.json: the same vectors for readers that have a parser of
// JSON and none of ours, and the sizes of files that are too large to be vectors. All bytes are in
// hex.
type vectorsJSON struct {
	Format  string       `json:"format"`
	Sizes   []sizeJSON   `json:"sizes"`
	Vectors []vectorJSON `json:"vectors"`
}

// sizeJSON says how many chunks and bytes of payload a plaintext takes.
type sizeJSON struct {
	ChunkSize int64  `json:"chunkSize"`
	Plaintext int64  `json:"plaintext"`
	Chunks    int64  `json:"chunks"`
	Payload   *int64 `json:"payload"` // null: more chunks than a file can have
}

// vectorJSON is one vector. The file are the bytes of path from offset on, to its end.
type vectorJSON struct {
	Name         string         `json:"name"`
	Section      string         `json:"section"`
	Comment      string         `json:"comment"`
	Expect       string         `json:"expect"`
	Reason       string         `json:"reason,omitempty"`
	Level        string         `json:"level,omitempty"`
	Form         string         `json:"form"`
	Path         string         `json:"path"`
	Offset       int            `json:"offset"`
	Size         int            `json:"size"`
	SHA256       string         `json:"sha256"`
	HeaderSize   int            `json:"headerSize,omitempty"`
	MaxSlots     int64          `json:"maxSlots,omitempty"`
	MaxSize      int64          `json:"maxSize,omitempty"`
	NoDecompress bool           `json:"noDecompress,omitempty"`
	DataKey      string         `json:"dataKey,omitempty"`
	Decrypt      []answerJSON   `json:"decrypt,omitempty"`
	Plaintext    *releasedJSON  `json:"plaintext,omitempty"`
	Released     []releasedJSON `json:"released,omitempty"`
	Checksum     string         `json:"checksum,omitempty"`
}

type answerJSON struct {
	KeyID          string `json:"keyId"`
	Context        string `json:"encryptionContext"`
	CiphertextBlob string `json:"ciphertextBlob"`
	Plaintext      string `json:"plaintext"`
}

type releasedJSON struct {
	Size   int    `json:"size"`
	SHA256 string `json:"sha256"`
}

// sections are those of README.md that vectors are about, by the beginning of their names; the
// longest counts.
var sections = map[string]string{
	"magic-": "What a reader refuses, and in which order", "version-": "Layout", "header-": "Layout",
	"padding-": "Layout", "chunk-size-": "Layout", "context-": "Encryption context", "slots-": "Slots",
	"slots-private-": "Slot types 128 to 255: private use", "kms-": "Slot type 1: KMS key",
	"data-key-": "Keys", "pair-": "Slot type 2: data key pair", "size-": "Payload",
	"payload-cut-": "Reading in order", "trailing-": "Reading in order", "order-": "Payload",
	"chunk-": "Payload", "altered-": "Payload", "zstd-": "Compression", "max-size-": "Compression",
	"armor-": "Armor", "detached-": "Detached headers", "rewrap-": "Re-wrapping", "mixed-": "Keys",
	"salamander-": "Keys", "data-key-file-": "Key files", "pair-file-": "Key files",
	"pair-file-pem-": "Pair files in PEM",
}

// section finds that of a vector.
func section(name string) (found string) {
	longest := 0
	for prefix, s := range sections {
		if strings.HasPrefix(name, prefix) && len(prefix) > longest {
			longest, found = len(prefix), s
		}
	}
	return found
}

func (v *vector) json() vectorJSON {
	sum, whole := sha256.Sum256(v.body), v.encode()
	j := vectorJSON{Name: v.name, Section: section(v.name), Comment: v.comment, Expect: v.expect,
		Reason: v.reason, Level: v.options["level"], Form: v.form, Path: v.name + ".vector",
		Offset: len(whole) - len(v.body), Size: len(v.body), SHA256: hex.EncodeToString(sum[:]),
		HeaderSize: v.detached, MaxSlots: v.limit("max-slots"), MaxSize: v.limit("max-size"),
		NoDecompress: v.options["no-decompress"] != "", Checksum: v.checksum}
	for _, a := range v.decrypt {
		j.Decrypt = append(j.Decrypt, answerJSON{a.keyID, hex.EncodeToString(a.context),
			hex.EncodeToString(a.blob), hex.EncodeToString(a.plaintext)})
	}
	for _, r := range v.released {
		j.Released = append(j.Released, releasedJSON{r.size, r.hash})
	}
	if v.expect == "opens" && len(v.released) > 0 {
		j.Plaintext, j.Released = &j.Released[0], nil
		j.DataKey = hex.EncodeToString(v.dataKey)
	}
	return j
}

// sizesJSON are the edges of chunks of three sizes.
func sizesJSON() (all []sizeJSON) {
	for _, c := range []int64{4 << 10, 64 << 10, 16 << 20} {
		most := min(int64(1)<<32, 1<<52/c)
		for _, plain := range []int64{0, 1, c - 1, c, c + 1, 2*c - 1, 2 * c, 2*c + 1, 4<<30 - 1, 4 << 30,
			4<<30 + 1, (most-1)*c - 1, (most - 1) * c, most*c - 1, most * c} {
			s := sizeJSON{ChunkSize: c, Plaintext: plain, Chunks: plain/c + 1}
			if s.Chunks <= most {
				payload := plain + 16*s.Chunks
				s.Payload = &payload
			}
			all = append(all, s)
		}
	}
	return all
}

// encodeJSON is the whole file: a vector or size on each line, so that changes of it can be read.
func encodeJSON(t *testing.T, vectors []*vector) []byte {
	t.Helper()
	sorted := slices.SortedFunc(slices.Values(vectors),
		func(a, b *vector) int { return strings.Compare(a.name, b.name) })
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	line := func(v any, last bool) {
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
		if !last {
			b.Truncate(b.Len() - 1)
			b.WriteString(",\n")
		}
	}
	b.WriteString("{\"format\": \"envseal file format, version 1\",\n\"sizes\": [\n")
	sizes := sizesJSON()
	for i, s := range sizes {
		line(s, i == len(sizes)-1)
	}
	b.WriteString("],\n\"vectors\": [\n")
	for i, v := range sorted {
		line(v.json(), i == len(sorted)-1)
	}
	b.WriteString("]}\n")
	return b.Bytes()
}

// TestVectorsJSON reads vectors.json as another language would: every file is where it says, every
// section is one of README.md, and the sizes are those of Layout.
func TestVectorsJSON(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(vectorsPath, "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all vectorsJSON
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range all.Vectors {
		file, err := os.ReadFile(filepath.Join(vectorsPath, v.Path))
		if err != nil || len(file)-v.Offset != v.Size {
			t.Fatalf("%s: %d bytes, %v", v.Name, len(file)-v.Offset, err)
		}
		if sum := sha256.Sum256(file[v.Offset:]); hex.EncodeToString(sum[:]) != v.SHA256 {
			t.Errorf("%s: the file has another hash", v.Name)
		}
		if v.Section == "" || !bytes.Contains(readme, []byte("# "+v.Section+"\n")) {
			t.Errorf("%s: README.md has no section %q", v.Name, v.Section)
		}
		if v.Plaintext != nil && v.DataKey == "" {
			t.Errorf("%s opens, and nothing says with which data key", v.Name)
		}
	}
	for _, s := range all.Sizes {
		l := format.Layout{ChunkSize: int(s.ChunkSize)}
		got, err := l.SealedSize(s.Plaintext)
		if s.Payload == nil && err == nil || s.Payload != nil && (err != nil || got != *s.Payload) ||
			l.Chunks(s.Plaintext) != s.Chunks {
			t.Errorf("%+v: %d, %v", s, got, err)
		}
	}
	t.Logf("%d vectors, %d sizes", len(all.Vectors), len(all.Sizes))
}
