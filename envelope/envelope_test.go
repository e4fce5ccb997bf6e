package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/envseal/envseal/envelope"
	"github.com/envseal/envseal/envelope/keyring"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
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
	return &keyring.Discovery{Client: func(kmsclient.ARN) (kmsclient.Client, error) { return r.store, nil }}
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
	if _, err := envelope.Seal(context.Background(), &sealed, bytes.NewReader(plain), key, o); err != nil {
		r.t.Fatal(err)
	}
	return sealed.Bytes()
}

func (r *rig) open(sealed []byte, workers int) ([]byte, error) {
	var plain bytes.Buffer
	_, err := envelope.Open(context.Background(), &plain, bytes.NewReader(sealed), envelope.OpenOptions{Workers: workers}, r.identity())
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
	sizes := []int{0, 1, 2, 15, 16, 17, smallChunk - 1, smallChunk, smallChunk + 1, 2*smallChunk - 1, 2 * smallChunk, 2*smallChunk + 1,
		256<<10 - 1, 256 << 10, 256<<10 + 1, 512 << 10, 512<<10 + 1, 3<<20 + 17}
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
					t.Errorf("%d bytes, chunk 2^%d: sealed size %d, the layout says %d, %v", size, log, len(sealed), want, err)
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
		if _, err := envelope.Seal(context.Background(), &sealed, wrap(bytes.NewReader(plain)), key, envelope.SealOptions{ChunkSizeLog2: 12, Workers: 2}); err != nil {
			t.Fatal(name, err)
		}
		_, err := envelope.Open(context.Background(), &out, wrap(bytes.NewReader(sealed.Bytes())), envelope.OpenOptions{Workers: 2}, r.identity())
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

// isDamage tells whether an error says what exit code 4 or 7 says.
func isDamage(err error) bool {
	return errors.Is(err, envelope.ErrDamaged) || errors.Is(err, format.ErrDamaged) || errors.Is(err, format.ErrTruncated) ||
		errors.Is(err, format.ErrNotEnvseal) || errors.Is(err, format.ErrVersion)
}

func TestEveryFlippedBitIsFound(t *testing.T) {
	r := newRig(t, 2)
	plain := random(smallChunk + 300)
	sealed := r.seal(r.dataKey(format.Context{"app": "web"}), plain, envelope.SealOptions{ChunkSizeLog2: 12})
	trials := 0
	for i := range sealed {
		for bit := range 8 {
			if bit != i%8 && i > 2000 { // all bits of the header, one of each byte behind it
				continue
			}
			sealed[i] ^= 1 << bit
			got, err := r.open(sealed, 1)
			sealed[i] ^= 1 << bit
			trials++
			if err == nil {
				t.Fatalf("byte %d, bit %d: not found", i, bit)
			}
			if !isDamage(err) {
				t.Fatalf("byte %d, bit %d: %v is not called damage", i, bit, err)
			}
			if len(got)%smallChunk != 0 || !bytes.HasPrefix(plain, got) {
				t.Fatalf("byte %d, bit %d: %d bytes came out that are no authentic chunks", i, bit, len(got))
			}
		}
	}
	t.Logf("%d flips", trials)
}

func TestEveryCutIsFound(t *testing.T) {
	r := newRig(t, 1)
	for _, size := range []int{0, 1, smallChunk, 2*smallChunk + 5} {
		plain := random(size)
		sealed := r.seal(r.dataKey(nil), plain, envelope.SealOptions{ChunkSizeLog2: 12})
		for n := range sealed {
			got, err := r.open(sealed[:n], 1+n%2)
			if err == nil || !isDamage(err) {
				t.Fatalf("%d of %d bytes: %v", n, len(sealed), err)
			}
			if len(got)%smallChunk != 0 || !bytes.HasPrefix(plain, got) {
				t.Fatalf("%d of %d bytes: %d bytes came out", n, len(sealed), len(got))
			}
		}
	}
}

func TestChunkEdgesAreTold(t *testing.T) {
	r := newRig(t, 1)
	plain := random(4 * smallChunk)
	sealed := r.seal(r.dataKey(nil), plain, envelope.SealOptions{ChunkSizeLog2: 12})
	payload := len(sealed) - 4*(smallChunk+format.TagSize)
	for chunks := range 4 {
		got, err := r.open(sealed[:payload+chunks*(smallChunk+format.TagSize)], 2)
		if !errors.Is(err, envelope.ErrTruncated) || len(got) != chunks*smallChunk {
			t.Errorf("cut behind chunk %d: %d bytes, %v", chunks, len(got), err)
		}
	}
	other := r.seal(r.dataKey(nil), plain, envelope.SealOptions{ChunkSizeLog2: 12})
	for name, tail := range map[string][]byte{"a byte": {0}, "a chunk": sealed[payload : payload+smallChunk+format.TagSize], "itself": sealed, "another": other, "much": make([]byte, 1<<20)} {
		for workers := 1; workers <= 3; workers++ {
			if _, err := r.open(slices.Concat(sealed, tail), workers); !errors.Is(err, envelope.ErrDamaged) {
				t.Errorf("followed by %s: %v", name, err)
			}
		}
	}
}

func TestChunksKeepTheirPlace(t *testing.T) {
	r := newRig(t, 1)
	const unit = smallChunk + format.TagSize
	key := r.dataKey(nil)
	plain := random(8 * smallChunk)
	sealed := r.seal(key, plain, envelope.SealOptions{ChunkSizeLog2: 12})
	payload := len(sealed) - 8*unit
	other := r.seal(key, plain, envelope.SealOptions{ChunkSizeLog2: 12})
	chunk := func(file []byte, i int) []byte { return file[payload+i*unit : payload+(i+1)*unit] }
	build := func(chunks ...[]byte) []byte { return slices.Concat(append([][]byte{sealed[:payload]}, chunks...)...) }
	refused := func(what string, file []byte) {
		t.Helper()
		if _, err := r.open(file, 2); !errors.Is(err, envelope.ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	var all [][]byte
	for i := range 8 {
		all = append(all, chunk(sealed, i))
	}
	for i := range 8 {
		refused(fmt.Sprint("dropped ", i), build(slices.Delete(slices.Clone(all), i, i+1)...))
		refused(fmt.Sprint("doubled ", i), build(slices.Insert(slices.Clone(all), i, all[i])...))
		from := slices.Clone(all)
		from[i] = chunk(other, i)
		refused(fmt.Sprint("from another file ", i), build(from...))
		for j := range i {
			swapped := slices.Clone(all)
			swapped[i], swapped[j] = swapped[j], swapped[i]
			refused(fmt.Sprint("swapped ", i, j), build(swapped...))
		}
	}
	refused("header of another file", slices.Concat(other[:payload], sealed[payload:]))
}

// A source that breaks must not make a file that passes for whole.
func TestBrokenSourceMakesNoWholeFile(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	for _, broken := range []error{io.ErrUnexpectedEOF, errors.New("input/output error")} {
		for _, size := range []int{0, 1, smallChunk, 3 * smallChunk, 300 << 10} {
			var sealed bytes.Buffer
			src := io.MultiReader(bytes.NewReader(random(size)), iotest.ErrReader(broken))
			_, err := envelope.Seal(context.Background(), &sealed, src, key, envelope.SealOptions{ChunkSizeLog2: 12, Workers: 2})
			if !errors.Is(err, broken) {
				t.Errorf("%d bytes: %v", size, err)
			}
			if _, err := r.open(sealed.Bytes(), 1); !isDamage(err) {
				t.Errorf("%d bytes before the break: what was written opens: %v", size, err)
			}
		}
	}
}

type failingWriter struct{ left int }

var errFull = errors.New("no space left")

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestWriteErrorsComeOut(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	sealed := r.seal(key, random(1<<20), envelope.SealOptions{})
	for left := 0; left < 1<<20; left += 100_000 {
		if _, err := envelope.Seal(context.Background(), &failingWriter{left}, bytes.NewReader(sealed), key, envelope.SealOptions{Workers: 3}); !errors.Is(err, errFull) {
			t.Errorf("seal, %d bytes: %v", left, err)
		}
		if _, err := envelope.Open(context.Background(), &failingWriter{left}, bytes.NewReader(sealed), envelope.OpenOptions{Workers: 3}, r.identity()); !errors.Is(err, errFull) {
			t.Errorf("open, %d bytes: %v", left, err)
		}
	}
}

func TestCheckComesBeforeAnyKey(t *testing.T) {
	r := newRig(t, 1)
	sealed := r.seal(r.dataKey(format.Context{"env": "prod"}), nil, envelope.SealOptions{})
	refused := errors.New("not this one")
	asked := false
	id := &keyring.Discovery{Client: func(kmsclient.ARN) (kmsclient.Client, error) { asked = true; return r.store, nil }}
	_, err := envelope.Verify(context.Background(), bytes.NewReader(sealed), envelope.OpenOptions{Check: func(h *format.Header) error {
		if h.Context["env"] != "prod" {
			t.Error("check sees no context")
		}
		return refused
	}}, id)
	if !errors.Is(err, refused) || asked {
		t.Errorf("%v, key service asked: %v", err, asked)
	}
}

func TestPolicies(t *testing.T) {
	r := newRig(t, 2)
	ctx := context.Background()
	sealed := r.seal(r.dataKey(nil), []byte("x"), envelope.SealOptions{})
	if err := r.store.CreateAlias(ctx, "alias/first", r.keys[0]); err != nil {
		t.Fatal(err)
	}
	client := func(kmsclient.ARN) (kmsclient.Client, error) { return r.store, nil }
	arn, err := kmsclient.ParseARN(r.keys[1])
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		d    keyring.Discovery
		used string
		err  error
	}{
		"second by ARN":   {keyring.Discovery{Keys: []keyring.AllowedKey{{KeyID: r.keys[1]}}}, r.keys[1], nil},
		"second by id":    {keyring.Discovery{Keys: []keyring.AllowedKey{{KeyID: arn.KeyID()}}}, r.keys[1], nil},
		"first by alias":  {keyring.Discovery{Keys: []keyring.AllowedKey{{KeyID: "alias/first", Client: r.store}}}, r.keys[0], nil},
		"account":         {keyring.Discovery{Accounts: []string{kmsclient.LocalAccount}}, r.keys[0], nil},
		"other account":   {keyring.Discovery{Accounts: []string{"111122223333"}}, "", keyring.ErrPolicy},
		"other key":       {keyring.Discovery{Keys: []keyring.AllowedKey{{KeyID: "arn:aws:kms:local:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"}}}, "", keyring.ErrPolicy},
		"unknown alias":   {keyring.Discovery{Keys: []keyring.AllowedKey{{KeyID: "alias/nothing", Client: r.store}}}, "", kmsclient.ErrNotFound},
		"account and key": {keyring.Discovery{Accounts: []string{"111122223333"}, Keys: []keyring.AllowedKey{{KeyID: r.keys[0]}}}, "", keyring.ErrPolicy},
	} {
		used := ""
		c.d.Client, c.d.Used = client, func(arn string) { used = arn }
		_, err := envelope.Verify(ctx, bytes.NewReader(sealed), envelope.OpenOptions{}, &c.d)
		if !errors.Is(err, c.err) || used != c.used {
			t.Errorf("%s: used %q, %v", name, used, err)
		}
	}
}

func TestLastUseDestroysTheKey(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	r.seal(key, random(10), envelope.SealOptions{LastUse: true})
	if _, err := envelope.Seal(context.Background(), io.Discard, bytes.NewReader(nil), key, envelope.SealOptions{}); err == nil {
		t.Error("a destroyed key seals")
	}
}

func TestCancelled(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := envelope.Seal(ctx, io.Discard, bytes.NewReader(random(1<<20)), key, envelope.SealOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestReaderAt(t *testing.T) {
	r := newRig(t, 1)
	key := r.dataKey(nil)
	for _, size := range []int{0, 1, smallChunk, 3*smallChunk + 9, 3<<20 + 5} {
		plain := random(size)
		sealed := r.seal(key, plain, envelope.SealOptions{ChunkSizeLog2: 12})
		ra, err := envelope.OpenAt(context.Background(), bytes.NewReader(sealed), int64(len(sealed)), envelope.OpenOptions{}, r.identity())
		if err != nil {
			t.Fatal(err)
		}
		if ra.Size() != int64(size) {
			t.Errorf("size %d, want %d", ra.Size(), size)
		}
		got, err := io.ReadAll(io.NewSectionReader(ra, 0, ra.Size()))
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %v", size, err)
		}
		rng := rand.New(rand.NewPCG(3, uint64(size)))
		for range 50 {
			off, n := rng.IntN(size+2), rng.IntN(2*smallChunk)
			if size > 1<<20 {
				n *= 100
			}
			p := make([]byte, n)
			m, err := ra.ReadAt(p, int64(off))
			want := plain[min(off, size):min(off+n, size)]
			if !bytes.Equal(p[:m], want) || m < n && err != io.EOF || m == n && n > 0 && err != nil {
				t.Fatalf("ReadAt(%d bytes, %d) of %d: %d bytes, %v", n, off, size, m, err)
			}
		}
		ra.Close()
	}
}

func TestReaderAtFindsDamage(t *testing.T) {
	r := newRig(t, 1)
	plain := random(3*smallChunk + 9)
	sealed := r.seal(r.dataKey(nil), plain, envelope.SealOptions{ChunkSizeLog2: 12})
	openAt := func(b []byte) (*envelope.ReaderAt, error) {
		return envelope.OpenAt(context.Background(), bytes.NewReader(b), int64(len(b)), envelope.OpenOptions{}, r.identity())
	}
	for n := range sealed {
		if _, err := openAt(sealed[:n]); err == nil || !isDamage(err) {
			t.Fatalf("%d of %d bytes: %v", n, len(sealed), err)
		}
	}
	if _, err := openAt(slices.Concat(sealed, []byte{0})); !errors.Is(err, envelope.ErrDamaged) {
		t.Errorf("one byte more: %v", err)
	}
	payload := len(sealed) - len(plain) - 4*format.TagSize
	sealed[payload+smallChunk+100] ^= 1 // chunk 1
	ra, err := openAt(sealed)
	if err != nil {
		t.Fatal(err)
	}
	defer ra.Close()
	p := make([]byte, 10)
	if _, err := ra.ReadAt(p, 5); err != nil || !bytes.Equal(p, plain[5:15]) {
		t.Errorf("chunk 0: %v", err)
	}
	if n, err := ra.ReadAt(p, smallChunk+5); !errors.Is(err, envelope.ErrTampered) || n != 0 {
		t.Errorf("chunk 1: %d bytes, %v", n, err)
	}
}

func BenchmarkSeal(b *testing.B) {
	r := newRig(b, 1)
	key := r.dataKey(nil)
	plain := random(64 << 20)
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprint(workers, " workers"), func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := envelope.Seal(context.Background(), io.Discard, bytes.NewReader(plain), key, envelope.SealOptions{Workers: workers}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	r := newRig(b, 1)
	sealed := r.seal(r.dataKey(nil), random(64<<20), envelope.SealOptions{})
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprint(workers, " workers"), func(b *testing.B) {
			b.SetBytes(int64(len(sealed)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := envelope.Open(context.Background(), io.Discard, bytes.NewReader(sealed), envelope.OpenOptions{Workers: workers}, r.identity()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestDetachedHeader(t *testing.T) {
	r := newRig(t, 1)
	ctx := context.Background()
	plain := random(2*smallChunk + 1)
	var head, chunks bytes.Buffer
	h, err := envelope.Seal(ctx, &chunks, bytes.NewReader(plain), r.dataKey(nil), envelope.SealOptions{ChunkSizeLog2: 12, Header: &head})
	if err != nil || int64(head.Len()) != h.Length || chunks.Len() != len(plain)+3*format.TagSize {
		t.Fatalf("header of %d bytes, %d bytes of chunks, %v", head.Len(), chunks.Len(), err)
	}
	open := func(head, chunks []byte) ([]byte, error) {
		var out bytes.Buffer
		_, err := envelope.Open(ctx, &out, bytes.NewReader(chunks), envelope.OpenOptions{Header: bytes.NewReader(head)}, r.identity())
		return out.Bytes(), err
	}
	if got, err := open(head.Bytes(), chunks.Bytes()); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := open(append(bytes.Clone(head.Bytes()), 0), chunks.Bytes()); !errors.Is(err, format.ErrDamaged) {
		t.Errorf("a byte behind the header: %v", err)
	}
	if _, err := open(head.Bytes(), append(bytes.Clone(head.Bytes()), chunks.Bytes()...)); !errors.Is(err, envelope.ErrDamaged) {
		t.Errorf("a header in both: %v", err)
	}
}
