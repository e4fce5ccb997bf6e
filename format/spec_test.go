package format_test

import (
	"bytes"
	"crypto/hpke"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"slices"
	"testing"

	"github.com/envseal/envseal/format"
)

// openExample plays KMS for the example's slot of the given type.
func openExample(t testing.TB, kind byte) unwrapper {
	ex := readExample(t)
	return func(slot specSlot, context, digest []byte) []byte {
		if slot.kind != kind {
			return nil
		}
		if kind == 1 {
			if !bytes.Equal(slot.body, ex["kms-body"]) ||
				!bytes.Equal(context, rawContext("app", "web", "env", "prod")) {
				return nil
			}
			return ex["data-key"]
		}
		private, err := x509.ParsePKCS8PrivateKey(ex["private-key"])
		if err != nil {
			t.Fatal(err)
		}
		dataKey, err := openPair(slot.body[0], private,
			append([]byte("envseal/v1 pair"), digest...), slot.body[35:35+0x71])
		if err != nil {
			return nil
		}
		return dataKey
	}
}

// TestSpecReader opens the example by each of its slots.
func TestSpecReader(t *testing.T) {
	ex := readExample(t)
	for kind := byte(1); kind <= 2; kind++ {
		plain, err := openBySpec(ex["file"], openExample(t, kind))
		if err != nil || !bytes.Equal(plain, ex["plaintext"]) {
			t.Errorf("slot type %d: %q, %v", kind, plain, err)
		}
	}
	_, err := openBySpec(ex["file"], func(specSlot, []byte, []byte) []byte { return span(1, 32) })
	if !errors.Is(err, errRefused) {
		t.Errorf("wrong data key: %v", err)
	}
	_, err = openBySpec(ex["file"], func(specSlot, []byte, []byte) []byte { return []byte{} })
	if !errors.Is(err, errRefused) {
		t.Errorf("empty data key: %v", err)
	}
}

// TestSpecFaults flips every bit of the example, cuts it everywhere and appends to it. A reader of
// the specification catches all of it.
func TestSpecFaults(t *testing.T) {
	file := readExample(t)["file"]
	unwrap := openExample(t, 1)
	refused := func(what string, at int, b []byte) {
		if plain, err := openBySpec(b, unwrap); !errors.Is(err, errRefused) {
			t.Errorf("%s %d: %q, %v", what, at, plain, err)
		}
	}
	for i := range len(file) * 8 {
		b := bytes.Clone(file)
		b[i/8] ^= 1 << (i % 8)
		refused("flip of bit", i, b)
	}
	for i := range file {
		refused("cut at", i, file[:i])
	}
	refused("appended zero", 1, append(bytes.Clone(file), 0))
	refused("appended file", 2, slices.Concat(file, file))
	refused("appended chunk", 3, slices.Concat(file, file[768:]))
}

// sealBySpec makes a file of 4 KiB chunks with one KMS slot, by hand, and an unwrapper for it.
func sealBySpec(t testing.TB, plain []byte) (header, payload []byte, unwrap unwrapper) {
	t.Helper()
	dataKey, fileID := span(0x60, 0x7f), span(0x80, 0x9f)
	descriptor := rawDescriptor(12, fileID, rawContext())
	digest := sha512.Sum512(descriptor)
	_, commitment, key := rawKeys(t, dataKey, fileID, digest[:])
	slot := rawSlot(1, u16(u16(nil, []byte(exampleKMSKey)), span(0, 9)))
	header = rawHeader(descriptor, commitment, rawSlot(200, []byte("unknown")), slot)
	unwrap = func(s specSlot, _, _ []byte) []byte {
		if s.kind != 1 {
			return nil
		}
		return dataKey
	}
	return header, rawChunks(t, key, plain, 4096), unwrap
}

// TestSpecSizes holds Layout to real files around the edges of chunks.
func TestSpecSizes(t *testing.T) {
	for _, size := range []int{0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 12288, 20000} {
		plain := bytes.Repeat([]byte{7}, size)
		header, payload, unwrap := sealBySpec(t, plain)
		file := slices.Concat(header, payload)
		if got, err := openBySpec(file, unwrap); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %d bytes, %v", size, len(got), err)
		}
		h, err := format.ReadHeader(bytes.NewReader(file), format.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := h.Layout().SealedSize(int64(size)); err != nil || got != int64(len(file)) {
			t.Errorf("%d bytes: sealed size %d, %v, want %d", size, got, err, len(file))
		}
		if got, err := h.Layout().PlaintextSize(int64(len(file))); err != nil || got != int64(size) {
			t.Errorf("%d bytes: plaintext size %d, %v", size, got, err)
		}
		l, n := h.Layout(), h.Layout().Chunks(int64(size))
		if last := int64(len(file)) - l.Offset(n-1); last < 16 || last >= 4096+16 {
			t.Errorf("%d bytes: chunk %d at %d has %d bytes", size, n-1, l.Offset(n-1), last)
		}
	}
}

// TestSpecChunkOrder drops, doubles and swaps the chunks of a file of eight and an empty one.
func TestSpecChunkOrder(t *testing.T) {
	const full = 4096 + 16
	header, payload, unwrap := sealBySpec(t, bytes.Repeat([]byte("abcdefgh"), 4096))
	chunks := slices.Collect(slices.Chunk(payload, full))
	if len(chunks) != 9 {
		t.Fatalf("%d chunks", len(chunks))
	}
	refused := func(what string, i, j int, list [][]byte) {
		_, err := openBySpec(slices.Concat(header, bytes.Join(list, nil)), unwrap)
		if !errors.Is(err, errRefused) {
			t.Errorf("%s %d %d: %v", what, i, j, err)
		}
	}
	for i := range chunks {
		refused("without", i, i, slices.Delete(slices.Clone(chunks), i, i+1))
		refused("twice", i, i, slices.Insert(slices.Clone(chunks), i, chunks[i]))
		for j := range i {
			list := slices.Clone(chunks)
			list[i], list[j] = list[j], list[i]
			refused("swapped", i, j, list)
		}
	}
}

// openPair opens a sealed data key with the standard library.
func openPair(scheme byte, private any, info, sealed []byte) ([]byte, error) {
	if scheme == 1 {
		return openRSA(private, info, sealed)
	}
	key, kdf, err := hpkeKey(scheme, private)
	if err != nil {
		return nil, err
	}
	return hpke.Open(key, kdf, hpke.AES256GCM(), info, sealed)
}
