package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"encoding/binary"
	"io"
	"os"
	"runtime"
	"testing"

	"github.com/envseal/envseal/envelope/keymem/memscan"
)

const (
	scanSalt = "a salt of the scan test"
	scanInfo = "payload key"
	scanRuns = 3
)

// keyHolder does with a key what sealing a file does: derive a payload key, expand it, forget the
// first key, encrypt, forget the rest.
type keyHolder interface {
	derive(key *Buffer) (cipher.AEAD, error)
	seal(f func())
	forget(cipher.AEAD)
}

// careful does it with this package.
type careful struct{}

func (careful) derive(key *Buffer) (cipher.AEAD, error) {
	var aead *AEAD
	var err error
	Do(func() { aead, err = deriveAEAD(key) })
	key.Destroy()
	return aead, err
}

func deriveAEAD(key *Buffer) (*AEAD, error) {
	h, err := NewHKDF([]byte(scanSalt), key.Bytes())
	if err != nil {
		return nil, err
	}
	defer h.Destroy()
	payload, err := New(32)
	if err != nil {
		return nil, err
	}
	defer payload.Destroy()
	if err := h.Expand(payload.Bytes(), []byte(scanInfo)); err != nil {
		return nil, err
	}
	return NewAESGCM(payload.Bytes())
}

func (careful) seal(f func()) { Quiet(f) }

func (careful) forget(a cipher.AEAD) { a.(*AEAD).Destroy() }

// careless does it with the standard library and clears what it can reach. The scanner must find
// its key, or a scan that finds nothing would prove nothing.
type careless struct{ payload []byte }

func (c *careless) derive(key *Buffer) (cipher.AEAD, error) {
	var err error
	if c.payload, err = hkdf.Key(sha512.New, key.Bytes(), []byte(scanSalt), scanInfo, 32); err != nil {
		return nil, err
	}
	key.Destroy()
	block, err := aes.NewCipher(c.payload)
	if err != nil {
		return nil, err
	}
	clear(c.payload)
	return cipher.NewGCM(block)
}

func (c *careless) seal(f func()) { f() }

func (c *careless) forget(cipher.AEAD) {}

func keyFromStdin() (*Buffer, error) {
	key, err := New(32)
	if err != nil {
		return nil, err
	}
	_, err = io.ReadFull(os.Stdin, key.Bytes())
	return key, err
}

// holdKey reads a key from standard input straight into locked memory, and stops for a scan at
// each step.
func holdKey(k keyHolder) error {
	key, err := keyFromStdin()
	if err != nil {
		return err
	}
	if err := stage("read"); err != nil {
		return err
	}
	aead, err := k.derive(key)
	if err != nil {
		return err
	}
	if err := stage("derived"); err != nil {
		return err
	}
	k.seal(func() { sealChunks(aead, 64) })
	runtime.GC()
	if err := stage("sealed"); err != nil {
		return err
	}
	k.forget(aead)
	runtime.GC()
	return stage("forgotten")
}

func sealChunks(aead cipher.AEAD, n int) {
	nonce, plain, out := make([]byte, 12), make([]byte, 16<<10), make([]byte, 0, 16<<10+16)
	for i := range n {
		binary.BigEndian.PutUint32(nonce[8:], uint32(i))
		out = aead.Seal(out[:0], nonce, plain, nil)
	}
}

// scanPatterns are the shapes of a key and of everything that is made from it.
func scanPatterns(t *testing.T, key []byte) []memscan.Pattern {
	t.Helper()
	prk, err := hkdf.Extract(sha512.New, key, []byte(scanSalt))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := hkdf.Expand(sha512.New, prk, scanInfo, 64)
	if err != nil {
		t.Fatal(err)
	}
	ps := memscan.KeyPatterns("data key", key)
	ps = append(ps, memscan.HMACPatterns("pseudorandom key", prk)...)
	ps = append(ps, memscan.KeyPatterns("payload key", payload[:32])...)
	return append(ps, memscan.Pattern{Name: "rest of the output block", Bytes: payload[32:]})
}

// scanStages runs a child and returns what was found at each of its stages.
func scanStages(t *testing.T, child string) map[string][]memscan.Hit {
	t.Helper()
	key := make([]byte, 32)
	rand.Read(key)
	patterns := scanPatterns(t, key)
	h := startHeld(t, child, key)
	found := map[string][]memscan.Hit{}
	for _, s := range []string{"read", "derived", "sealed", "forgotten"} {
		h.await(s)
		hits, err := memscan.Scan(h.cmd.Process.Pid, patterns)
		if err != nil {
			t.Fatal(err)
		}
		found[s] = hits
		h.goOn()
	}
	h.wait()
	return found
}

func TestNoKeyOutsideLockedMemory(t *testing.T) {
	for range scanRuns {
		found := scanStages(t, "careful")
		for s, hits := range found {
			if open := memscan.Unprotected(hits); len(open) > 0 {
				t.Errorf("stage %s: %d unprotected copies:\n%s", s, len(open), memscan.Summary(open))
			}
		}
		if len(found["read"]) == 0 || len(found["derived"]) == 0 || len(found["sealed"]) == 0 {
			t.Error("the keys in locked memory were not found either: the scan sees nothing")
		}
		if hits := found["forgotten"]; len(hits) > 0 {
			t.Errorf("after Destroy: %d copies:\n%s", len(hits), memscan.Summary(hits))
		}
	}
}

func TestScanFindsCarelessKeys(t *testing.T) {
	found := scanStages(t, "careless")
	for _, s := range []string{"derived", "sealed"} {
		if len(memscan.Unprotected(found[s])) == 0 {
			t.Errorf("stage %s: the scan found no copy of a key kept on the heap", s)
		}
	}
}
