package envelope

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/c2sp/wycheproof"

	"github.com/envseal/envseal/envelope/internal/secret"
	"github.com/envseal/envseal/format"
)

// hexBytes are bytes that a document of Wycheproof has in hex.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// c2spCase is a message of C2SP chunked-encryption. AEADKey and BaseNonce are there where the case
// is about its chunks.
type c2spCase struct {
	TcID                              int
	Comment                           string
	CT, AEADKey, BaseNonce, MsgSHA512 hexBytes // CT is compressed with zlib
	MsgLength                         int
	Result                            string
}

const (
	c2spChunk  = 1 << 14
	c2spHeader = 24 + 32 // salt and commitment
)

// TestWycheproofChunkedEncryption: the chunks are those of C2SP chunked-encryption in raw mode, of
// another size, so that its test vectors are ours: in order, at random places, and sealed again.
func TestWycheproofChunkedEncryption(t *testing.T) {
	var doc struct {
		NumberOfTests int
		TestGroups    []struct{ Tests []c2spCase }
	}
	b, err := fs.ReadFile(wycheproof.TestVectors, "c2sp_chunked_encryption_aes_256_gcm_test.json")
	if err == nil {
		err = json.Unmarshal(b, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	ran, valid := 0, 0
	for _, g := range doc.TestGroups {
		for _, c := range g.Tests {
			if c.AEADKey == nil {
				continue // about the derivation of the key, which is our own
			}
			ran++
			plain := c.inOrder(t)
			c.atRandomPlaces(t, plain)
			if c.Result == "valid" {
				valid++
				c.sealedAgain(t, plain)
			}
		}
	}
	if ran != 25 || valid != 10 {
		t.Error("there are others than there were")
	}
	t.Logf("%d of %d cases, %d valid", ran, doc.NumberOfTests, valid)
}

func (c *c2spCase) payload(t *testing.T) []byte {
	t.Helper()
	z, err := zlib.NewReader(bytes.NewReader(c.CT))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b[c2spHeader:]
}

func (c *c2spCase) key(t *testing.T) (key *payloadKey) {
	t.Helper()
	mem, err := secret.New(payloadKeySize + format.NonceSize)
	if err != nil {
		t.Fatal(err)
	}
	copy(mem.Bytes(), slices.Concat(c.AEADKey, c.BaseNonce))
	secret.Do(func() { key, err = newPayloadKey(mem, c2spChunk) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(key.Destroy)
	return key
}

// inOrder gives what came out: of an invalid message what it may release before that shows.
func (c *c2spCase) inOrder(t *testing.T) []byte {
	t.Helper()
	want := c.MsgSHA512
	if want == nil {
		none := sha512.Sum512(nil)
		want = none[:]
	}
	var out []byte
	for _, workers := range []int{1, 3} {
		var w bytes.Buffer
		err := openFlow(t.Context(), &w, bytes.NewReader(c.payload(t)), c.key(t), workers)
		out = w.Bytes()
		sum := sha512.Sum512(out)
		if (err == nil) != (c.Result == "valid") || err != nil && !errors.Is(err, ErrDamaged) ||
			len(out) != c.MsgLength || !bytes.Equal(sum[:], want) {
			t.Errorf("%d, %s, is %s: %d bytes, %v", c.TcID, c.Comment, c.Result, len(out), err)
		}
	}
	return out
}

// atRandomPlaces reads pieces in any order. Of an invalid message one of the reads fails, and the
// others give what is there.
func (c *c2spCase) atRandomPlaces(t *testing.T, plain []byte) {
	t.Helper()
	payload := c.payload(t)
	r, err := newChunkReader(bytes.NewReader(payload), format.Layout{ChunkSize: c2spChunk},
		int64(len(payload)), c.key(t))
	if err == nil {
		defer r.windows.wipe()
		err = r.checkEnd()
	}
	if err == nil {
		err = readPieces(t, r, plain)
	}
	if (err == nil) != (c.Result == "valid") || err != nil && !errors.Is(err, ErrDamaged) {
		t.Errorf("%d, %s, at random places, is %s: %v", c.TcID, c.Comment, c.Result, err)
	}
}

// readPieces reads every chunk, and pieces beside them. It gives one of the errors.
func readPieces(t *testing.T, r *chunkReader, plain []byte) (failed error) {
	t.Helper()
	var offsets []int64
	for i := range r.chunks {
		offsets = append(offsets, min(i*c2spChunk+rand.Int64N(c2spChunk), r.size-1))
	}
	rand.Shuffle(len(offsets), func(i, j int) { offsets[i], offsets[j] = offsets[j], offsets[i] })
	for _, off := range offsets {
		if off < 0 {
			continue // an empty message
		}
		piece := make([]byte, 1+rand.Int64N(min(2*c2spChunk, r.size-off)))
		n, err := r.ReadAt(piece, off)
		if err != nil {
			failed = err
		}
		known := plain[min(off, int64(len(plain))):]
		if !bytes.HasPrefix(piece[:n], known[:min(n, len(known))]) {
			t.Errorf("other bytes at %d", off)
		}
	}
	return failed
}

// sealedAgain seals what came out, under the same key.
func (c *c2spCase) sealedAgain(t *testing.T, plain []byte) {
	t.Helper()
	var w bytes.Buffer
	err := sealFlow(context.Background(), &w, bytes.NewReader(plain), c.key(t), 2)
	if err != nil || !bytes.Equal(w.Bytes(), c.payload(t)) {
		t.Errorf("%d, %s, sealed again: %d bytes, %v", c.TcID, c.Comment, w.Len(), err)
	}
}
