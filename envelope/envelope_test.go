package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/envseal/envseal/kmsclient/keystore"
)

// rig is a keystore with keys, and what opens files with it.
type rig struct {
	t     testing.TB
	store *keystore.Store
	keys  []string // ARNs
}

func newRig(t testing.TB, keys int) *rig {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keystore")
	if err := keystore.Create(path, keystore.CreateOptions{PlaintextInsecure: true}); err != nil {
		t.Fatal(err)
	}
	store, err := keystore.Open(path, keystore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	r := &rig{t: t, store: store}
	for range keys {
		meta, err := store.CreateKey(context.Background(), kmsclient.CreateKeyInput{})
		if err != nil {
			t.Fatal(err)
		}
		r.keys = append(r.keys, meta.ARN)
	}
	return r
}

func (r *rig) recipients() []envelope.Recipient {
	var all []envelope.Recipient
	for _, k := range r.keys {
		all = append(all, &keyring.KMSKey{Client: r.store, KeyID: k})
	}
	return all
}

func (r *rig) identity() envelope.Identity {
	return &keyring.Discovery{Client: func(kmsclient.ARN) (kmsclient.Client, error) {
		return r.store, nil
	}}
}

func (r *rig) dataKey(ec format.Context) *envelope.DataKey {
	r.t.Helper()
	key, err := envelope.NewDataKey(context.Background(), ec, r.recipients()...)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(key.Destroy)
	return key
}

func (r *rig) seal(key *envelope.DataKey, plain []byte, o envelope.SealOptions) []byte {
	r.t.Helper()
	var sealed bytes.Buffer
	_, err := envelope.Seal(context.Background(), &sealed, bytes.NewReader(plain), key, o)
	if err != nil {
		r.t.Fatal(err)
	}
	return sealed.Bytes()
}

func (r *rig) open(sealed []byte, workers int) ([]byte, error) {
	var plain bytes.Buffer
	_, err := envelope.Open(context.Background(), &plain, bytes.NewReader(sealed),
		envelope.OpenOptions{Workers: workers}, r.identity())
	return plain.Bytes(), err
}

func random(n int) []byte {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)})
	rng.Read(b)
	return b
}

const smallChunk = 1 << format.MinChunkSizeLog2

func TestRoundTrip(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(format.Context{"app": "web"})
	sizes := []int{0, 1, 2, 15, 16, 17, smallChunk - 1, smallChunk, smallChunk + 1,
		2*smallChunk - 1, 2 * smallChunk, 2*smallChunk + 1, 256<<10 - 1, 256 << 10, 256<<10 + 1,
		512 << 10, 512<<10 + 1, 3<<20 + 17}
	for _, size := range sizes {
		plain := random(size)
		for _, log := range []uint8{12, 16, 20} {
			for workers := 1; workers <= 3; workers++ {
				sealed := r.seal(key, plain, envelope.SealOptions{ChunkSizeLog2: log, Workers: workers})
				h, err := format.ReadHeader(bytes.NewReader(sealed), format.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				if want, err := h.Layout().SealedSize(int64(size)); err != nil || want != int64(len(sealed)) {
					t.Errorf("%d bytes, chunk 2^%d: sealed size %d, the layout says %d, %v",
						size, log, len(sealed), want, err)
				}
				if got, err := r.open(sealed, workers); err != nil || !bytes.Equal(got, plain) {
					t.Fatalf("%d bytes, chunk 2^%d, %d workers: %d bytes, %v", size, log, workers, len(got), err)
				}
			}
		}
	}
}

// However the bytes arrive, the result is the same.
func TestReadersOfAllKinds(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	plain := random(5*smallChunk + 3)
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"byte": iotest.OneByteReader, "half": iotest.HalfReader, "data with EOF": iotest.DataErrReader,
	} {
		var sealed, out bytes.Buffer
		if _, err := envelope.Seal(context.Background(), &sealed, wrap(bytes.NewReader(plain)), key,
			envelope.SealOptions{ChunkSizeLog2: 12, Workers: 2}); err != nil {
			t.Fatal(name, err)
		}
		_, err := envelope.Open(context.Background(), &out, wrap(bytes.NewReader(sealed.Bytes())),
			envelope.OpenOptions{Workers: 2}, r.identity())
		if err != nil || !bytes.Equal(out.Bytes(), plain) {
			t.Errorf("%s: %d bytes, %v", name, out.Len(), err)
		}
	}
}

func TestAnyKeyOfSeveralOpens(t *testing.T) {
	r := newRig(t, 3)
	plain := random(100)
	sealed := r.seal(r.dataKey(format.Context{"a": "b"}), plain, envelope.SealOptions{})
	for _, k := range r.keys {
		for _, other := range r.keys {
			if other != k {
				if err := r.store.DisableKey(context.Background(), other); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got, err := r.open(sealed, 1); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("only %s enabled: %v", k, err)
		}
		for _, other := range r.keys {
			if err := r.store.EnableKey(context.Background(), other); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestLastUseDestroysTheKey(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	r.seal(key, random(10), envelope.SealOptions{LastUse: true})
	_, err := envelope.Seal(context.Background(), io.Discard, bytes.NewReader(nil),
		key, envelope.SealOptions{})
	if err == nil {
		t.Error("a destroyed key seals")
	}
}

func TestDetachedHeader(t *testing.T) {
	r := newRig(t, 1)
	ctx := context.Background()
	plain := random(2*smallChunk + 1)
	var head, chunks bytes.Buffer
	h, err := envelope.Seal(ctx, &chunks, bytes.NewReader(plain), r.dataKey(nil),
		envelope.SealOptions{ChunkSizeLog2: 12, Header: &head})
	if err != nil || int64(head.Len()) != h.Length || chunks.Len() != len(plain)+3*format.TagSize {
		t.Fatalf("header of %d bytes, %d bytes of chunks, %v", head.Len(), chunks.Len(), err)
	}
	open := func(head, chunks []byte) ([]byte, error) {
		var out bytes.Buffer
		_, err := envelope.Open(ctx, &out, bytes.NewReader(chunks),
			envelope.OpenOptions{Header: bytes.NewReader(head)}, r.identity())
		return out.Bytes(), err
	}
	if got, err := open(head.Bytes(), chunks.Bytes()); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	_, err = open(append(bytes.Clone(head.Bytes()), 0), chunks.Bytes())
	if !errors.Is(err, format.ErrDamaged) {
		t.Errorf("a byte behind the header: %v", err)
	}
	_, err = open(head.Bytes(), append(bytes.Clone(head.Bytes()), chunks.Bytes()...))
	if !errors.Is(err, envelope.ErrDamaged) {
		t.Errorf("a header in both: %v", err)
	}
}
